"""What a file says, unverified: for people who look into a bundle, a sidecar or a package before they trust it.

Owns `look`. Everything it gives is a claim; the renderers show it under a banner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from condattest.errors import Malformed, Misuse, NotAuthenticated
from condattest.formats import bundle as bundles
from condattest.formats import package, sidecar, statement
from condattest.formats.bundle import Bundle
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Finding
from condattest.model.signer import Signer
from condattest.operations.attestations import digest_of
from condattest.signatures import claims
from condattest.transport import files


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleClaims:
    """What one bundle says of itself. Nothing here is verified."""

    sha256: Sha256
    payload_type: str
    statement: statement.Statement | Finding
    signer: Signer | Finding
    log_kind: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageClaims:
    """What a package says of itself, and the digest of its bytes."""

    file: PackageFile
    sha256: Sha256
    index: Mapping[str, Any]


def look(path: Path) -> PackageClaims | tuple[BundleClaims, ...]:
    """Read a package, a bundle, or a sidecar.

    Raises:
        Misuse: There is no such file.
        Malformed: It is none of them.
        LocalFailure: It cannot be read.
    """
    if path.name.endswith((".conda", ".tar.bz2")):
        return _package(path)
    data = files.read_bounded(path, sidecar.MAX_SIDECAR)
    if data.lstrip()[:1] == b"[":
        return tuple(map(_claims, sidecar.parse(data, where=str(path)).bundles))
    try:
        return (_claims(bundles.parse(data)),)
    except Malformed as error:
        raise Malformed(error.finding.at(path)) from None


def _package(path: Path) -> PackageClaims:
    try:
        file = PackageFile.parse(path.name)
    except ValueError as error:
        raise Misuse(f"{path}: {error}") from None
    with files.open_once(path) as opened:
        sha256 = files.hash_file(opened)
        opened.seek(0)
        metadata = package.read(opened, file)
    return PackageClaims(file=file, sha256=sha256, index=metadata.index)


def _claims(bundle: Bundle) -> BundleClaims:
    said: statement.Statement | Finding
    signer: Signer | Finding
    try:
        said = statement.parse(bundle.payload_type, bundle.payload)
    except Malformed as error:
        said = error.finding
    try:
        signer = claims.read(x509.load_der_x509_certificate(bundle.certificate))
    except NotAuthenticated as error:
        signer = error.finding
    except ValueError as error:
        raise Misuse(f"the bundle's certificate does not load: {error}") from None
    return BundleClaims(
        sha256=digest_of(bundle),
        payload_type=bundle.payload_type,
        statement=said,
        signer=signer,
        log_kind=f"{bundle.log_entry.kind} {bundle.log_entry.version}",
        tokens=len(bundle.tokens),
    )
