"""The trust root: whose certificates, logs and time-stamp authorities are believed.

Owns `TrustRoot`. Production and staging come as sigstore ships them, refreshed through TUF by `refresh`; others come
from a `trusted_root.json` or a client trust config. Refuses a root that does not load whole. Which root was used is
always known by its digest.

Spec: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from sigstore.errors import Error as SigstoreError
from sigstore.models import ClientTrustConfig, TrustedRoot
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootMessage

from condattest.errors import Malformed, Misuse
from condattest.formats import strict_json
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.signatures import authorities, refresh
from condattest.signatures.authorities import Authorities
from condattest.signatures.times import WatchedVerifier

MAX_ROOT: Final = 4 * 1024 * 1024
"""Bytes of a trusted root or trust config; real ones take some 10 KiB."""
_CONFIG_TYPE: Final = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


class _RememberingRoot(TrustedRoot):
    """sigstore's trusted root, which loads its keys and certificates once and not for every bundle."""

    def __init__(self, inner: TrustedRootMessage) -> None:
        super().__init__(inner)
        self._made: dict[object, Any] = {}

    def _once(self, key: object, make: Any) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def rekor_keyring(self, purpose: Any) -> Any:
        return self._once(("rekor", purpose), lambda: super(_RememberingRoot, self).rekor_keyring(purpose))

    def ct_keyring(self, purpose: Any) -> Any:
        return self._once(("ct", purpose), lambda: super(_RememberingRoot, self).ct_keyring(purpose))

    def get_fulcio_certs(self) -> Any:
        return self._once("fulcio", super().get_fulcio_certs)

    def get_timestamp_authorities(self) -> Any:
        return self._once("tsa", super().get_timestamp_authorities)


class TrustRoot:
    """One trust root, ready to verify under.

    Attributes:
        name: `production`, `staging`, or the file that it came from.
        sha256: The digest of the trusted root's bytes.
        json: The trusted root's bytes.
        notes: What a user should know of it, such as its age where it could not be refreshed.
    """

    def __init__(
        self,
        trusted_root: bytes,
        *,
        name: str,
        signing_config: Mapping[str, Any] | None = None,
        notes: tuple[Finding, ...] = (),
    ) -> None:
        self.name = name
        self.json = trusted_root
        self.sha256 = Sha256(hashlib.sha256(trusted_root).hexdigest())
        self.notes = notes
        self._signing_config = signing_config
        self._document = _parse(trusted_root, name)
        try:
            self.authorities: Authorities = authorities.read(self._document)
            self._root = _RememberingRoot(
                TrustedRootMessage.from_json(json.dumps(authorities.without_clock(self._document)))
            )
            self.verifier = WatchedVerifier(trusted_root=self._root)
        except (SigstoreError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misuse(
                f"{name}: not a Sigstore trusted root: {error}",
                hint="give a trusted_root.json (--trusted-root) or a client trust config (--trust-config)",
            ) from None

    @classmethod
    def production(cls, *, offline: bool = False, now: datetime | None = None, cache: Path | None = None) -> Self:
        """The root of Sigstore's public-good instance.

        Args:
            offline: Open no socket: the cached root, or the one that sigstore ships.
            now: Refresh only where the cached root is older than a day at this time; without it, always.
            cache: Where the TUF metadata is kept; by default the user's cache directory.
        """
        return cls._public(refresh.PRODUCTION, offline=offline, now=now, cache=cache)

    @classmethod
    def staging(cls, *, offline: bool = False, now: datetime | None = None, cache: Path | None = None) -> Self:
        """The root of Sigstore's staging instance; arguments as for `production`."""
        return cls._public(refresh.STAGING, offline=offline, now=now, cache=cache)

    @classmethod
    def _public(cls, instance: refresh.Instance, *, offline: bool, now: datetime | None, cache: Path | None) -> Self:
        got = refresh.obtain(instance, offline=offline, now=now, cache=cache)
        config = strict_json.parse(got.signing_config, code=Code.NET_TRUST_ROOT, where=instance.name, limit=MAX_ROOT)
        return cls(got.trusted_root, name=instance.name, signing_config=config, notes=got.notes)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A `trusted_root.json` or a client trust config (which can sign, too).

        Raises:
            Misuse: The file is missing or is neither.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_ROOT + 1)
        except OSError as error:
            raise Misuse(
                f"{path}: the trust root cannot be read: {error.strerror}",
                hint="give the path of a trusted_root.json or of a client trust config",
            ) from None
        return cls.from_json(data, name=str(path))

    @classmethod
    def from_json(cls, data: bytes, *, name: str) -> Self:
        """As `from_file`, from bytes that are already read."""
        document = _parse(data, name)
        if document.get("mediaType") == _CONFIG_TYPE:
            root, config = document.get("trustedRoot"), document.get("signingConfig")
            if not isinstance(root, dict) or not isinstance(config, dict):
                raise Misuse(f"{name}: the client trust config lacks trustedRoot or signingConfig")
            return cls(json.dumps(root).encode(), name=name, signing_config=config)
        return cls(data, name=name)

    @cached_property
    def trust_config(self) -> ClientTrustConfig:
        """The trust config, for signing.

        Raises:
            Misuse: This root came without a signing config.
        """
        if self._signing_config is None:
            raise Misuse(
                f"{self.name}: this trust root says nothing about where to sign",
                hint="sign with --trust-config FILE, or without --trusted-root to use the public Sigstore instance",
            )
        document = {
            "mediaType": _CONFIG_TYPE,
            "trustedRoot": self._document,
            "signingConfig": dict(self._signing_config),
        }
        try:
            return ClientTrustConfig.from_json(json.dumps(document))
        except (SigstoreError, ValueError) as error:
            raise Misuse(f"{self.name}: not a usable client trust config: {error}") from None

    @property
    def can_sign(self) -> bool:
        """Whether the root came with a signing config."""
        return self._signing_config is not None

    def __repr__(self) -> str:
        return f"TrustRoot({self.name!r}, sha256={self.sha256})"


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = strict_json.parse(data, code=Code.NET_TRUST_ROOT, where=name, limit=MAX_ROOT)
    except Malformed as error:
        raise Misuse(f"{name}: not a trust root: {error.finding.facts['found']}") from None
    if not isinstance(document, dict):
        raise Misuse(f"{name}: not a trust root: expected an object, found {type(document).__name__}")
    return document
