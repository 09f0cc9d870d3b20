"""Find an identity token to sign with: from a file, the environment, the CI platform, or a browser.

Owns `Token`, `Source`, `find` and `ambient`. Refuses to open a browser where nobody sits. A token is a secret: it has
no `repr`, no `str`, and is handed to sigstore alone. Where there is none, `NoIdentity` carries the exact lines to add
for the platform that is detected.
"""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn

from sigstore.errors import Error as SigstoreError
from sigstore.oidc import ExpiredIdentity, IdentityToken

from condattest.errors import NoIdentity, ServiceFailed
from condattest.signatures.trust_root import TrustRoot

AUDIENCE: Final = "sigstore"
VARIABLES: Final = ("SIGSTORE_ID_TOKEN", "SIGSTORE_IDENTITY_TOKEN")
_MAX_TOKEN: Final = 64 * 1024
_ON: Final = ("1", "true", "True", "TRUE", "yes")


class Token:
    """An OIDC identity token, and where it came from."""

    __slots__ = ("_parsed", "source")

    def __init__(self, raw: str, *, source: str) -> None:
        self.source = source
        try:
            self._parsed = IdentityToken(raw.strip(), AUDIENCE)
        except (SigstoreError, ValueError) as error:
            cause = error.__cause__
            raise NoIdentity(
                f"the identity token from {source} is not usable: {error}" + (f" ({cause})" if cause else ""),
                hint=f"it must be an unexpired JWT with the audience {AUDIENCE!r}",
            ) from None

    @property
    def parsed(self) -> IdentityToken:
        """The token as sigstore takes it. A secret: never shown."""
        return self._parsed

    @property
    def subject(self) -> str:
        """Whom the token names, unverified, for messages."""
        return self._parsed.identity

    @property
    def is_valid(self) -> bool:
        """Whether the token is in its validity period."""
        return self._parsed.in_validity_period()

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"


Source = Callable[[], Token]
"""Gets a token; called again when the last one has expired in the middle of a batch."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What `find` may look at: the environment, and whether a person sits at a terminal."""

    environ: Mapping[str, str]
    interactive: bool


def find(given: Source | None, surroundings: Surroundings, trust: TrustRoot, *, offline: bool = False) -> Token:
    """Return a token from the first of: `given` (a file, say), the environment, the platform, a browser.

    Raises:
        NoIdentity: There is none; the hint holds the lines to add.
        ServiceFailed: The platform's token service refused or did not answer.
    """
    if given is not None:
        return given()
    environ = surroundings.environ
    for name in VARIABLES:
        if environ.get(name):
            return Token(environ[name], source=name)
    if offline:
        raise NoIdentity("no identity token, and --offline forbids to ask for one", hint=how_to_sign(environ))
    raw = ambient(environ)
    if raw is not None:
        return Token(raw, source="the CI platform")
    if surroundings.interactive and platform(environ) is None:
        return _browser(trust)
    raise NoIdentity("no identity to sign with was found", hint=how_to_sign(environ))


def ambient(environ: Mapping[str, str], audience: str = AUDIENCE) -> str | None:
    """Ask the CI platform for the job's identity token, made out to an audience; None where there is no platform.

    Raises:
        NoIdentity: The job may not have one; the hint holds the lines to add.
        ServiceFailed: The platform's token service refused or did not answer.
    """
    # The library asks the platform over HTTP; what it raises says whether the set-up or the service is at fault.
    import id as platforms

    try:
        return platforms.detect_credential(audience)
    except platforms.GitHubOidcPermissionCredentialError:
        hint = how_to_sign(environ, audience)
        raise NoIdentity("the GitHub job may not ask for an identity token", hint=hint) from None
    except platforms.AmbientCredentialError as error:
        if platform(environ) == "gitlab" and "ID_TOKEN" in str(error):
            raise NoIdentity("the GitLab job has no identity token", hint=how_to_sign(environ, audience)) from None
        raise ServiceFailed("the platform's identity service", str(error)) from None
    except (platforms.IdentityError, OSError, ValueError) as error:
        # A URL that is none, an answer that is no text, a program that cannot be started: the library lets them pass.
        raise ServiceFailed("the platform's identity service", str(error)) from None


def _browser(trust: TrustRoot) -> Token:
    from sigstore.oidc import Issuer, IssuerError

    url = trust.trust_config.signing_config.get_oidc_url()
    try:
        identity = Issuer(url).identity_token()
    except (SigstoreError, IssuerError, ValueError) as error:
        raise ServiceFailed(url, f"no identity token: {error}") from None
    return Token(str(identity), source="a browser")


@contextlib.contextmanager
def expiry_as_no_identity() -> Iterator[None]:
    """Turn sigstore's error for an expired token into `NoIdentity`."""
    try:
        yield
    except ExpiredIdentity:
        _expired()


def _expired() -> NoReturn:
    raise NoIdentity(
        "the identity token expired before everything was signed",
        hint="ask for the token right before signing, or sign fewer packages in one run",
    ) from None


Platform = Literal["github", "gitlab", "azure", "ci"]


def platform(environ: Mapping[str, str]) -> Platform | None:
    """Which CI platform the environment tells of; `ci` is one that is not known, None is none."""
    known: tuple[tuple[str, Platform], ...] = (
        ("GITHUB_ACTIONS", "github"),
        ("GITLAB_CI", "gitlab"),
        ("TF_BUILD", "azure"),
        ("CI", "ci"),
    )
    return next((name for variable, name in known if environ.get(variable, "") in _ON), None)


def how_to_sign(environ: Mapping[str, str], audience: str = AUDIENCE) -> str:
    """The exact lines that give a job on this platform an identity to sign with, or to show to another audience."""
    match platform(environ):
        case "github":
            return (
                "add to the job (and not to a workflow that pull requests from forks run):\n"
                "    permissions:\n"
                "      id-token: write\n"
                "      contents: read"
            )
        case "gitlab":
            # The variable is looked for by the audience's name.
            name = re.sub(r"^[0-9]|[^A-Z0-9]", "_", audience.upper())
            return f"add to the job in .gitlab-ci.yml:\n    id_tokens:\n      {name}_ID_TOKEN:\n        aud: {audience}"
        case "azure":
            return (
                "the public Sigstore instance does not know Azure Pipelines as an issuer (sigstore/fulcio issue\n"
                "1803), so a job there has no identity to sign with. Sign in a GitHub or GitLab job that takes the\n"
                "built packages, or give a token of another issuer:\n"
                "    condattest attest --identity-token-file FILE ..."
            )
        case "ci":
            return (
                "give a token whose issuer Sigstore knows, with the audience sigstore:\n"
                "    export SIGSTORE_ID_TOKEN=...\n"
                "or a file with it: condattest attest --identity-token-file FILE ..."
            )
        case None:
            return (
                "run it in a terminal, where a browser can ask who you are, or give a token:\n"
                "    condattest attest --identity-token-file FILE ..."
            )


def from_file(path: Path) -> Source:
    """A source that reads the token from a file each time; `-` is stdin, read once."""

    def read() -> Token:
        try:
            if str(path) == "-":
                return Token(sys.stdin.read(_MAX_TOKEN), source="stdin")
            with path.open(encoding="ascii", errors="replace") as file:
                return Token(file.read(_MAX_TOKEN), source=str(path))
        except OSError as error:
            raise NoIdentity(
                f"{path}: the identity token cannot be read: {error.strerror}",
                hint="give the path of a file that holds the token alone",
            ) from None

    return read
