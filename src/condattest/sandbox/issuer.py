"""The OIDC issuer: makes identity tokens, and says whether it made one.

Owns `Issuer` and `mint`. One key plays every issuer: GitHub's, GitLab's and an email provider's real URLs stand in the
tokens, since certificates name them. Refuses tokens of another key, another audience, or out of their time.

Spec: https://openid.net/specs/openid-connect-core-1_0.html, RFC 7519
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from condattest.errors import LocalFailure, Misuse
from condattest.sandbox.identity import Identity

AUDIENCE: Final = "sigstore"
KEY_FILE: Final = "sandbox.key.json"
LIFETIME: Final = timedelta(minutes=10)
_ALGORITHM, _KEY_ID = "ES256", "sandbox"


class Issuer:
    """Signs and checks identity tokens, by the sandbox's time."""

    def __init__(self, now: Callable[[], datetime], key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1()) if key is None else key

    def token(self, identity: Identity, *, audience: str = AUDIENCE, lifetime: timedelta = LIFETIME) -> str:
        """Return a signed JWT that names `identity`."""
        issued = self._now()
        claims = {
            **identity.claims,
            "iss": identity.issuer,
            "aud": audience,
            "iat": int(issued.timestamp()),
            "nbf": int(issued.timestamp()),
            "exp": int((issued + lifetime).timestamp()),
        }
        return jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": _KEY_ID})

    def verify(self, token: str) -> Mapping[str, Any]:
        """Return a token's claims.

        Raises:
            jwt.InvalidTokenError: It is not this issuer's, not for Sigstore, or not valid now.
        """
        # The library judges times by the machine's clock; the sandbox has its own.
        unjudged = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        required = {"require": ["iss", "sub", "exp", "iat", "aud"]}
        options: Any = {**unjudged, **required}
        claims: dict[str, Any] = jwt.decode(
            token, self._key.public_key(), [_ALGORITHM], audience=AUDIENCE, options=options
        )
        at = self._now().timestamp()
        if not claims["iat"] - 60 <= at < claims["exp"]:
            raise jwt.ExpiredSignatureError("token is not valid now")
        return claims

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON web key set (RFC 7517)."""
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": _ALGORITHM}]}

    @staticmethod
    def discovery(url: str) -> dict[str, Any]:
        """The answer to OIDC discovery at `url`."""
        return {
            "issuer": url,
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }

    def write(self, folder: Path) -> Path:
        """Write the private key, readable by its owner alone, for `mint`; return its path."""
        path = folder / KEY_FILE
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # Whoever waits for the file must not read half of it.
        written = path.with_name(f".{path.name}.{os.getpid()}")
        written.unlink(missing_ok=True)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            json.dump({"key": pem.decode("ascii")}, file)
        os.replace(written, path)
        return path


def mint(folder: Path, identity: Identity, *, lifetime: timedelta = LIFETIME) -> str:
    """Make a token with the key that a running sandbox wrote into `folder`.

    Raises:
        Misuse: There is no such key.
        LocalFailure: It cannot be read.
    """
    path = folder / KEY_FILE
    try:
        pem = json.loads(path.read_text("ascii"))["key"]
        key = serialization.load_pem_private_key(pem.encode(), None)
    except FileNotFoundError:
        hint = f"condattest sandbox serve --dir {folder}, and wait for its first line"
        raise Misuse(f"{path}: no sandbox has written its key there", hint=hint) from None
    except OSError as error:
        raise LocalFailure(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{path}: not a sandbox's key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Misuse(f"{path}: not a sandbox's key")
    return Issuer(lambda: datetime.now(UTC), key).token(identity, lifetime=lifetime)
