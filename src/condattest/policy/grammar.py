"""What the single texts of a policy may say: names, refs, paths, URLs.

Owns one function per kind of text. Each returns the text, or raises `ValueError` whose message is what was expected;
the caller knows what was found. Refuses wildcards everywhere but at the end of `refs/tags/*` and `org/*`, and
everything that is not plain printable ASCII where the claim that it is compared with is: a look-alike never matches,
and the author should hear so when the policy loads.
"""

import re
from typing import Final

ANY: Final = "*"
TAGS: Final = "refs/tags/*"
_MAX_TEXT: Final = 1000

_SIGNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", re.ASCII)
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]+"
_GITHUB = re.compile(rf"{_SEGMENT}/(?:{_SEGMENT}|\*)", re.ASCII)
_GITLAB = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*/(?:{_SEGMENT}|\*)", re.ASCII)
_WORKFLOW = re.compile(r"\.github/workflows/[A-Za-z0-9_.+ -]+\.ya?ml", re.ASCII)
_CONFIG = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_REF = re.compile(r"refs/[A-Za-z0-9_]+/[!-)+-~]+", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}", re.ASCII)
_ISSUER = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%-]+)*/?", re.ASCII)
_EMAIL = re.compile(r"[^\s@*]+@[^\s@*/]+")
_HOST = r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?"
_BUILD_SIGNER = re.compile(rf"https://{_HOST}/(?:{_SEGMENT}/)+/?(?:{_SEGMENT}/)*{_SEGMENT}@[!-)+-~]+", re.ASCII)


def _whole(pattern: re.Pattern[str], text: str, expected: str) -> str:
    if len(text) > _MAX_TEXT or not pattern.fullmatch(text):
        raise ValueError(expected)
    return text


def signer_name(text: str) -> str:
    """A signer's name in the policy: letters, digits, `_`, `-`, `.`."""
    return _whole(_SIGNER, text, "a signer's name of letters, digits, '_', '-' and '.'")


def package(text: str) -> str:
    """An exact package name, or `*` alone."""
    return text if text == ANY else _whole(_PACKAGE, text, 'an exact package name, or "*" alone')


def github_repository(text: str) -> str:
    """`owner/name`, or `owner/*`."""
    return _whole(_GITHUB, text, '"owner/name", or "owner/*" together with owner-id')


def gitlab_repository(text: str) -> str:
    """A project's full path, `group/subgroup/project`, or `group/*`."""
    return _whole(_GITLAB, text, '"group/project", or "group/*" together with owner-id')


def workflow(text: str) -> str:
    """A GitHub workflow's path in its repository."""
    return _whole(_WORKFLOW, text, 'the workflow\'s path, such as ".github/workflows/release.yml"')


def config(text: str) -> str:
    """A GitLab CI configuration's path in its project."""
    return _whole(_CONFIG, text, 'the CI configuration\'s path, such as ".gitlab-ci.yml"')


def ref(text: str) -> str:
    """A full git ref, or `refs/tags/*`."""
    expected = 'a full ref, such as "refs/heads/main" or "refs/tags/v1", or "refs/tags/*"'
    return text if text == TAGS else _whole(_REF, text, expected)


def trigger(text: str) -> str:
    """The name of a CI event, such as `push`."""
    return _whole(_WORD, text, 'the name of one event, such as "push"')


def runner(text: str) -> str:
    """A runner environment, such as `github-hosted`."""
    return _whole(_WORD, text, 'a runner environment, such as "github-hosted" or "self-hosted"')


def build_signer(text: str) -> str:
    """The exact URI and ref of a reusable workflow."""
    expected = "the reusable workflow's exact URI and ref, https://github.com/owner/name/.github/workflows/file.yml@ref"
    return _whole(_BUILD_SIGNER, text, expected)


def issuer(text: str) -> str:
    """An OIDC issuer's URL, exactly as its tokens state it."""
    return _whole(_ISSUER, text, "an OIDC issuer's URL, exactly as its tokens state it")


def email(text: str) -> str:
    """One email address."""
    return _whole(_EMAIL, one_line(text), "one exact email address")


def one_line(text: str) -> str:
    """A non-empty printable text of one line."""
    if not text or not text.isprintable() or text != text.strip() or len(text) > _MAX_TEXT:
        raise ValueError(f"a text of one printable line, 1 to {_MAX_TEXT} characters")
    return text


def exact_name(text: str) -> str:
    """A name that is compared whole: printable, on one line, no wildcard."""
    if ANY in one_line(text):
        raise ValueError('an exact name; "*" is not a wildcard here')
    return text


def record_key(text: str) -> str:
    """A key of an index record that a patch may change; what the server sets and what binds a record is never free."""
    if text in BOUND_KEYS:
        raise ValueError("a record key that patches may change; those that bind a record to its archive never are")
    return _whole(_WORD, text, "a record's key, such as depends")


BOUND_KEYS: Final = frozenset(
    {
        "attestations_sha256",
        "build",
        "build_number",
        "channel",
        "fn",
        "indexed_timestamp",
        "legacy_bz2_md5",
        "legacy_bz2_size",
        "md5",
        "name",
        "sha256",
        "size",
        "subdir",
        "url",
        "version",
    }
)
"""Keys that say which archive a record is about, or that only the server sets (CEP 36, CEP 47, CEP 50)."""
