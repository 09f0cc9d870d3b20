"""Find the attestations of one artifact: beside a file, in a channel as CEP 50 says, or where the caller says.

Owns `Collected`, `beside`, `given` and `in_channel`. A channel's sidecar is found through the index alone: the record
names its digest, the hashed file is fetched, hashed, and only then parsed. A sidecar that is advertised and cannot be
had is `Unavailable`, never "unsigned". Nothing falls back to prefix.dev's older `.v0.sigs`; it is read only when asked.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from condattest.errors import Malformed, NotFound
from condattest.formats import bundle as bundles
from condattest.formats import sidecar
from condattest.formats.bundle import Bundle
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.operations.channel_index import Indexes
from condattest.transport import files

if TYPE_CHECKING:
    from condattest.formats.repodata import Record
    from condattest.transport.fetch import Fetch

Style = Literal["cep50", "prefix-v0"]
_SUFFIXES: Final[dict[Style, str]] = {"cep50": sidecar.SUFFIX, "prefix-v0": ".v0.sigs"}
BUNDLE_SUFFIX: Final = ".sigstore.json"


@dataclass(frozen=True, slots=True)
class Collected:
    """The bundles that were found, and the places where they were. None of it is authenticated."""

    bundles: tuple[Bundle, ...] = ()
    places: tuple[str, ...] = ()

    def __add__(self, other: "Collected") -> "Collected":
        """Join two finds; the same bundle in two places counts once."""
        seen = {bundle.raw.strip() for bundle in self.bundles}
        fresh = tuple(bundle for bundle in other.bundles if bundle.raw.strip() not in seen)
        return Collected(self.bundles + fresh, self.places + other.places)


def beside(package: Path, *, style: Style) -> Collected:
    """Read `PKG.sigs` and `PKG.sigstore.json` beside a package, as far as they are there.

    Raises:
        Malformed: One of them is there and is not what it should be.
        LocalFailure: One of them is there and cannot be read.
    """
    paths = [package.with_name(package.name + suffix) for suffix in (_SUFFIXES[style], BUNDLE_SUFFIX)]
    return given([path for path in paths if path.exists()])


def bundle_beside(package: Path) -> Collected:
    """Read `PKG.sigstore.json` alone, which `attest` wrote; errors as for `beside`.

    What is published may lie in the channel already, where `PKG.sigs` is what the channel has, and no offer to it.
    """
    path = package.with_name(package.name + BUNDLE_SUFFIX)
    return given([path]) if path.exists() else Collected()


def given(paths: Sequence[Path]) -> Collected:
    """Read bundles or sidecars from files that the caller names; errors as for `beside`."""
    found = Collected()
    for path in paths:
        data = files.read_bounded(path, sidecar.MAX_SIDECAR)
        found += parsed(data, str(path))
    return found


def at_url(url: str, fetch: "Fetch") -> Collected:
    """Read a bundle or a sidecar from a URL that the caller names.

    Raises:
        Malformed: It is not one.
        Unavailable: It could not be had.
    """
    return parsed(fetch(url, sidecar.MAX_SIDECAR), url)


def older_sidecar(package_url: str, fetch: "Fetch") -> Collected:
    """Read prefix.dev's `.v0.sigs` of a package; none where the server says that there is none.

    It predates CEP 50 and no index advertises it, so its absence proves nothing and is the same as no attestation.
    """
    url = package_url + _SUFFIXES["prefix-v0"]
    try:
        return parsed(fetch(url, sidecar.MAX_SIDECAR), url)
    except NotFound:
        return Collected()


def in_channel(channel: Channel, subdir: str, file: PackageFile, fetch: "Fetch") -> tuple["Record", Collected]:
    """Return the index's record of an artifact, and the attestations that the record advertises.

    Raises:
        Malformed: MISSING-PACKAGE, BIND-*, SIDECAR-*: the index or the sidecar is not what it should be.
        Unavailable: The index or an advertised sidecar could not be had.
    """
    # The record's own field is judged before any further request.
    record = Indexes(fetch).record(channel, subdir, file)
    return record, advertised(f"{channel.url}/{subdir}", record, fetch)


def advertised(base: str, record: "Record", fetch: "Fetch") -> Collected:
    """Return the attestations that a record advertises, for a subdir's URL; raises as `in_channel` does."""
    if record.attestations_sha256 is None:
        return Collected()
    # The immutable sidecar of that digest, hashed before it is parsed.
    url = f"{base}/{quote(str(record.file))}{sidecar.SUFFIX}.{record.attestations_sha256}"
    data = fetch(url, sidecar.MAX_SIDECAR)
    found = advertised_sidecar(data, record.attestations_sha256, where=url)
    return Collected(found.bundles, (url,))


def advertised_sidecar(data: bytes, digest: Sha256, *, where: str) -> sidecar.Sidecar:
    """Read the bytes of the sidecar of a digest: hashed before they are parsed.

    Raises:
        Malformed: SIDECAR-*.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise Malformed(Finding.of(Code.SIDECAR_DIGEST, where, expected=digest, found=found))
    return sidecar.parse(data, where=where, sha256=digest)


def parsed(data: bytes, where: str) -> Collected:
    """Read the bytes of a bundle or a sidecar, whichever they are.

    Raises:
        Malformed: BUNDLE-* or SIDECAR-*.
    """
    if data.lstrip()[:1] == b"[":
        return _sidecar(data, where)
    try:
        return Collected((bundles.parse(data),), (where,))
    except Malformed as error:
        raise Malformed(error.finding.at(where)) from None


def _sidecar(data: bytes, where: str) -> Collected:
    return Collected(sidecar.parse(data, where=where).bundles, (where,))


def digest_of(bundle: Bundle) -> Sha256:
    """The digest of a bundle's bytes."""
    return Sha256(hashlib.sha256(bundle.raw).hexdigest())
