"""A policy's text is a policy, or all that is wrong with it is said at once."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condattest.errors import PolicyInvalid
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.policy import load
from condattest.policy.rules import Checkpoint, EmailSigner, GenericSigner, GitHubSigner, GitLabSigner, Policy, Window
from tests.policy.made_evidence import NOW

GITHUB = {"kind": "github", "repository": "o/r", "repository-id": 7, "ref": "refs/heads/main"}
GITLAB = {"kind": "gitlab", "repository": "g/p", "owner-id": 8, "ref": "refs/heads/main"}
RULE = {"channel": "https://prefix.dev/x", "package": "*", "signers": ["octo"]}
PATCH = {"channel": "https://prefix.dev/x", "signers": ["octo"], "max-age": "7d"}
GOOD = {"version": 1, "signer": {"octo": GITHUB}, "rule": [RULE]}
ABSENT = object()


def parse(document, *, now=NOW):
    text = document if isinstance(document, str) else tomlkit.dumps(document)
    return load.parse(text.encode(), where="policy.toml", now=now)


def problems(document, **rest):
    with pytest.raises(PolicyInvalid) as caught:
        parse(document, **rest)
    return caught.value.problems


def changed(path, value, document=GOOD):
    """The document with one value replaced, added, or taken out."""
    made = copy.deepcopy(document)
    at = made
    for key in path[:-1]:
        at = at[key]
    if value is ABSENT:
        del at[path[-1]]
    elif isinstance(at, list) and path[-1] == len(at):
        at.append(value)
    else:
        at[path[-1]] = value
    return made


def test_the_least_policy_has_the_defaults():
    policy = parse(GOOD)
    signer = policy.rules[0].signers[0]
    assert policy.source == "policy.toml"
    assert policy.sha256 is not None
    assert policy.rules[0].name == "rule 1: channel https://prefix.dev/x package *"
    assert signer == GitHubSigner(name="octo", repository="o/r", repository_id="7", ref="refs/heads/main")
    assert signer.triggers == ("push", "release", "workflow_dispatch", "schedule")
    assert signer.runner == "github-hosted"
    assert (policy.rules[0].threshold, policy.rules[0].min_age) == (1, timedelta())
    assert policy.rules[0].attestations == ("publish",)
    assert policy.rules[0].target_channel == "required"


def test_every_kind_of_signer_is_read():
    window = {"from": datetime(2026, 1, 1, tzinfo=UTC).date(), "until": datetime(2027, 1, 1, tzinfo=UTC)}
    document = {
        "version": 1,
        "signer": {
            "lab": {**GITLAB, "issuer": "https://gitlab.corp.example", "workflow": ".gitlab-ci.yml"},
            "person": {"kind": "email", "email": "a@b.example", "issuer": "https://i.example", "valid": window},
            "other": {"kind": "generic", "san": "https://x/y", "issuer": "https://agent.buildkite.com"},
        },
        "rule": [{**RULE, "signers": ["lab", "person", "other"], "threshold": 3}],
    }
    lab, person, other = parse(document).rules[0].signers
    assert isinstance(lab, GitLabSigner)
    assert (lab.issuer, lab.workflow, lab.owner_id, lab.runner) == (
        "https://gitlab.corp.example",
        ".gitlab-ci.yml",
        "8",
        "gitlab-hosted",
    )
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert person == EmailSigner(
        name="person", email="a@b.example", issuer="https://i.example", valid=Window(start, end)
    )
    assert isinstance(other, GenericSigner)


def test_every_key_of_a_patch_is_read():
    digest = "a" * 64
    patch = {
        **PATCH,
        "role": "observer",
        "min-age": "6h",
        "index-lag": "1h",
        "keys": ["depends"],
        "provenance": "https://watch.example/x",
        "checkpoint": {"generation": 3, "payload": digest},
        "trusted-root": "root.json",
    }
    made = parse({**GOOD, "patch": [PATCH, patch]}).patches[1]
    assert (made.role, made.max_age, made.min_age) == ("observer", timedelta(days=7), timedelta(hours=6))
    assert (made.index_lag, made.keys) == (timedelta(hours=1), {"depends"})
    assert made.provenance == Channel("https://watch.example/x")
    assert made.checkpoint == Checkpoint(3, Sha256(digest))
    assert made.name == "patch 2: channel https://prefix.dev/x role observer"


def test_all_errors_are_reported_at_once_in_the_order_of_the_file():
    """A policy that is mended one error at a time is a policy that is mended carelessly."""
    text = """\
version = 1
[signer.octo]
kind = "github"
repositry = "o/r"
ref = "main"
[[rule]]
channel = "https://prefix.dev/x/"
package = "zl*"
signers = ["ocot"]
min-age = 24
"""
    assert problems(text) == (
        'line 2: [signer.octo]: repository: expected "owner/name", or "owner/*" together with owner-id, found nothing',
        "line 2: [signer.octo]: expected repository-id or owner-id, found nothing; names can be taken over, ids cannot",
        'line 4: [signer.octo]: repositry: expected no such key; did you mean "repository"?',
        'line 5: [signer.octo]: ref: expected a full ref, such as "refs/heads/main" or "refs/tags/v1", or '
        '"refs/tags/*", found "main"',
        'line 7: [[rule]] 1: channel: expected the canonical channel URL "https://prefix.dev/x", '
        'found "https://prefix.dev/x/"',
        'line 8: [[rule]] 1: package: expected an exact package name, or "*" alone, found "zl*"',
        'line 9: [[rule]] 1: signers element 1: expected a [signer.NAME] of this file: octo, found "ocot"; '
        'did you mean "octo"?',
        'line 10: [[rule]] 1: min-age: expected a duration such as "30m", "24h" or "7d", at most ten years, found 24',
    )


WRONG = {
    "no version": (("version",), ABSENT, "version"),
    "another version": (("version",), 2, "version: expected 1, found 2"),
    "version as a text": (("version",), "1", 'version: expected 1, found "1"'),
    "version as true": (("version",), True, "version: expected 1, found true"),
    "version as a float": (("version",), 1.0, "version: expected 1, found 1.0"),
    "an unknown table": (("signers",), {}, 'did you mean "signer"?'),
    "an empty signer list": (("rule", 0, "signers"), [], "at least one element"),
    "an empty list of triggers": (("signer", "octo", "triggers"), [], "at least one element"),
    "an empty list of attestations": (("rule", 0, "attestations"), [], "at least one element"),
    "an empty baseline": (("rule", 0, "baseline"), [], "at least one element"),
    "no rules": (("rule",), [], "[[rule]] tables"),
    "signers as a text": (("rule", 0, "signers"), "octo", "a list"),
    "a double star": (("rule", 0, "package"), "**", 'found "**"'),
    "a star inside a name": (("rule", 0, "package"), "py*", 'found "py*"'),
    "a bare star as owner": (("signer", "octo", "repository"), "*", 'found "*"'),
    "a star for owner and name": (("signer", "octo", "repository"), "*/*", 'found "*/*"'),
    "a star as channel": (("rule", 0, "channel"), "*", 'found "*"'),
    "a star in a branch": (("signer", "octo", "ref"), "refs/heads/*", 'found "refs/heads/*"'),
    "no ref": (("signer", "octo", "ref"), ABSENT, "ref: expected"),
    "no id": (("signer", "octo", "repository-id"), ABSENT, "repository-id or owner-id"),
    "a wildcard without the owner's id": (("signer", "octo", "repository"), "o/*", "owner-id"),
    "an id as a text": (("signer", "octo", "repository-id"), "7", 'found "7"'),
    "an id as true": (("signer", "octo", "repository-id"), True, "found true"),
    "a negative id": (("signer", "octo", "repository-id"), -1, "found -1"),
    "an unknown kind": (("signer", "octo", "kind"), "git", 'found "git"'),
    "no kind": (("signer", "octo", "kind"), ABSENT, "kind: expected"),
    "an unknown signer": (("rule", 0, "signers"), ["nobody"], "of this file: octo"),
    "a signer twice": (("rule", 0, "signers"), ["octo", "octo"], "again"),
    "a threshold of none": (("rule", 0, "threshold"), 0, "found 0"),
    "a threshold that nothing reaches": (("rule", 0, "threshold"), 2, "at most 1"),
    "report without reason and end": (("rule", 0, "action"), "report", "needs"),
    "a reason without report": (("rule", 0, "reason"), "because", "no reason without"),
    "an unknown action": (("rule", 0, "action"), "warn", 'expected "require" or "report", found "warn"'),
    "an upper-case digest": (("rule", 0, "baseline"), ["AB" * 32], "lowercase hex"),
    "a digest twice": (("rule", 0, "baseline"), ["a" * 64, "a" * 64], "again"),
    "an unknown attestation": (("rule", 0, "attestations"), ["sbom"], 'found "sbom"'),
    "provenance of any builder": (("rule", 0, "attestations"), ["slsa-provenance"], "builder"),
    "a builder without provenance": (("rule", 0, "builder"), "https://b", "no builder without"),
    "a duration as a sum": (("rule", 0, "min-age"), "1h30m", "such as"),
    "a key with an underscore": (("rule", 0, "min_age"), "24h", 'did you mean "min-age"?'),
    "an equally specific rule": (("rule", 1), RULE, "as specific"),
    "patches without max-age": (("patch",), [{**PATCH, "max-age": "0d"}], "max-age"),
    "patches that may change a digest": (("patch",), [{**PATCH, "keys": ["sha256"]}], 'found "sha256"'),
    "an observer without a cool-down": (
        ("patch",),
        [{**PATCH, "role": "observer", "provenance": "https://w.example/x"}],
        "min-age",
    ),
    "an observer within the channel": (
        ("patch",),
        [{**PATCH, "role": "observer", "min-age": "1h", "provenance": "https://prefix.dev/x/watch"}],
        "outside the channel",
    ),
    "two patches for a role": (("patch",), [PATCH, PATCH], "this channel and role"),
    "a label as a mirror": (
        ("channel",),
        [{"url": "https://prefix.dev/x", "mirrors": ["https://conda.anaconda.org/x/label/dev"]}],
        "label",
    ),
    "a mirror of two channels": (
        ("channel",),
        [
            {"url": "https://prefix.dev/x", "mirrors": ["https://m.example/x"]},
            {"url": "https://prefix.dev/y", "mirrors": ["https://m.example/x"]},
        ],
        "once",
    ),
    "a channel as a mirror": (
        ("channel",),
        [{"url": "https://prefix.dev/y"}, {"url": "https://prefix.dev/x", "mirrors": ["https://prefix.dev/y"]}],
        "no [[channel]] itself",
    ),
    "a channel twice": (("channel",), [{"url": "https://prefix.dev/x"}] * 2, "one [[channel]]"),
    "a rule about a mirror": (
        ("channel",),
        [{"url": "https://prefix.dev/y", "mirrors": ["https://prefix.dev/x"]}],
        "not one of its mirrors",
    ),
    "credentials in a channel": (("rule", 0, "channel"), "https://u:pw@prefix.dev/x", "canonical"),
    "an unknown revocation": (("revoked",), {"signer": ["octo"]}, "known: patch, sha256"),
    "a window that never opens": (
        ("signer", "octo", "valid"),
        {"from": datetime(2026, 2, 1, tzinfo=UTC).date(), "until": datetime(2026, 1, 1, tzinfo=UTC).date()},
        "from before until",
    ),
    "an empty window": (("signer", "octo", "valid"), {}, "from, until or both"),
    "a time without an offset": (
        ("signer", "octo", "valid"),
        {"from": datetime(2026, 2, 1)},  # noqa: DTZ001
        "with an offset",
    ),
    "GitHub as a generic issuer": (
        ("signer", "octo"),
        {"kind": "generic", "san": "https://x", "issuer": "https://token.actions.githubusercontent.com"},
        '"github" for this issuer',
    ),
    "a name that is none": (("signer", "a b"), GITHUB, "signer's name"),
}


@pytest.mark.parametrize(("path", "value", "expected"), WRONG.values(), ids=WRONG)
def test_a_wrong_policy_does_not_load(path, value, expected):
    """A policy that says less than its author meant lets pass what it should not: nothing is guessed."""
    found = problems(changed(path, value))
    assert any(expected in problem for problem in found), found


def test_an_exception_ends():
    """A temporary exception becomes a permanent one when nobody looks again."""
    rule = {**RULE, "action": "report", "reason": "rollout", "expires": datetime(2026, 12, 1, tzinfo=UTC).date()}
    end = datetime(2026, 12, 1, tzinfo=UTC)
    document = {**GOOD, "rule": [rule]}
    assert parse(document, now=end - timedelta(seconds=1)).rules[0].expires == end
    assert "expires" in problems(document, now=end)[0]


def test_a_threshold_counts_repositories_not_names():
    """Two workflows of one repository are one signer to a threshold: whoever holds the repository holds both."""
    signers = {
        "a": {**GITHUB, "workflow": ".github/workflows/a.yml"},
        "b": {**GITHUB},
        "c": {**GITHUB, "repository": "o/s"},
    }
    document = {"version": 1, "signer": signers, "rule": [{**RULE, "signers": ["a", "b"], "threshold": 2}]}
    assert "at most 1" in problems(document)[0]
    document["rule"][0]["signers"] = ["a", "b", "c"]
    assert parse(document).rules[0].threshold == 2


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\xef\xbb\xbfversion = 1",
        b"version = " + b"9" * 5000,
        b"version = 0x" + b"f" * 9000,
        b"a = " + b"[" * 100_000,
        b"a." * 4_000 + b"a = 1",
        b"version = 1\nversion = 1",
        b'a = "\\ud800"',
        b"a = 0001-01-01T00:00:00+23:59",
        b"[signer.a.valid]\nfrom = 0001-01-01T00:00:00+23:59",
        b"[signer.a]\nkind = 'github'\nvalid = {from = 9999-12-31T23:59:59-23:59}",
        b"rule = 1\nsigner = []\npatch = {}\nchannel = 'x'\nrevoked = [1]",
        b"signer = {a = 1, '' = {}}\nrule = [1, [], {signers = {}}]",
        b"'\\x1b[31m' = 1",
        b"",
    ],
    ids=lambda data: ascii(data[:30]),
)
def test_a_hostile_text_is_only_an_invalid_policy(data):
    with pytest.raises(PolicyInvalid) as caught:
        load.parse(data, where="p", now=NOW)
    assert caught.value.problems
    assert all(problem.isprintable() and len(problem) < 2000 for problem in caught.value.problems)


def test_control_characters_in_a_policy_are_escaped():
    """A policy that somebody sent must not repaint the terminal that shows what is wrong with it."""
    for problem in problems({**GOOD, "\x1b[31mx": 1, "rule": [{**RULE, "package": "\x1b]0;x\x07"}]}):
        assert problem.isprintable()


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["*", "**", "o/*", "24h", "octo", "https://prefix.dev/x", "refs/tags/*", "report", "a" * 64])
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_WHOLE = {
    **GOOD,
    "patch": [{**PATCH, "checkpoint": {"generation": 1, "payload": "a" * 64}}],
    "channel": [{"url": "https://prefix.dev/x", "mirrors": [], "target-channels": []}],
    "revoked": {"sha256": [], "patch": []},
}
_PATHS = [
    ("version",),
    *((key,) for key in ("signer", "rule", "patch", "channel", "revoked", "other")),
    *(("signer", "octo", key) for key in (*GITHUB, "valid", "triggers", "owner-id", "environment")),
    *(
        ("rule", 0, key)
        for key in (*RULE, "threshold", "min-age", "action", "expires", "reason", "baseline", "builder")
    ),
    *(("patch", 0, key) for key in (*PATCH, "role", "keys", "provenance", "checkpoint")),
    *(("channel", 0, key) for key in ("url", "mirrors", "target-channels")),
    *(("revoked", key) for key in ("sha256", "patch")),
]


def _loads_or_is_invalid(data):
    try:
        assert isinstance(load.parse(data, where="p", now=NOW), Policy)
    except PolicyInvalid as error:
        assert error.problems  # noqa: PT017


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_make_it_raise_anything_else(data):
    _loads_or_is_invalid(data)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(_PATHS), _VALUES), min_size=1, max_size=4))
def test_no_changed_policy_makes_it_raise_anything_else(changes):
    document = _WHOLE
    for path, value in changes:
        try:
            document = changed(path, value, document)
        except (LookupError, TypeError):
            continue
    try:
        text = tomlkit.dumps(_without_none(document))
    except (ValueError, TypeError):  # Not a TOML value; the writer's business.
        return
    _loads_or_is_invalid(text.encode("utf-8", "replace"))


def _without_none(value):
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_none(each) for each in value if each is not None]
    return value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_cut_or_spliced_text_makes_it_raise_anything_else(data):
    text = tomlkit.dumps(_WHOLE)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    _loads_or_is_invalid((text[:start] + data.draw(st.text(max_size=5)) + text[end:]).encode("utf-8", "replace"))
