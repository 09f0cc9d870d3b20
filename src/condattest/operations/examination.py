"""Is one artifact's set of sidecars sound, and what should its current sidecar be?

Owns `examine` and `Examined`. Looks at the mutable sidecar and at every hashed one; changes nothing. What is broken is
a finding, and counts for nothing; what is about other bytes than those of the index record (a file that was replaced
under its name) is left alone, and told only where a record or the mutable sidecar leads to it.

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import hashlib
from dataclasses import dataclass

from condattest.errors import Malformed
from condattest.formats import sidecar
from condattest.formats.sidecar import Sidecar
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.sidecars import Names, Shelf, about


@dataclass(frozen=True, slots=True)
class Examined:
    """One artifact's sidecars.

    Attributes:
        file: The artifact.
        versions: The digests of the sidecars that count, the advertised ones first.
        others: The digests of those that are about other bytes.
        gone: The digests that index records name, of sidecars that can neither be had nor be made again.
        expected: The digest that the current sidecar should have; None where no sidecar counts.
        findings: What is wrong; empty if the hashed and the mutable sidecar are there as they should be.
    """

    file: PackageFile
    versions: tuple[Sha256, ...]
    others: tuple[Sha256, ...]
    gone: tuple[Sha256, ...]
    expected: Sha256 | None
    findings: tuple[Finding, ...]


def examine(
    shelf: Shelf, file: PackageFile, names: Names, sha256: Sha256 | None, advertised: tuple[Sha256, ...]
) -> Examined:
    """Read every sidecar of an artifact.

    Args:
        shelf: The subdir's sidecars.
        file: The artifact.
        names: Which sidecars the folder has of it.
        sha256: The digest that the index record gives; None if no index lists the artifact.
        advertised: The sidecars that index records name.

    Raises:
        Unavailable, LocalFailure: The store cannot be read.
    """
    findings: list[Finding] = []
    where = f"{shelf.store.name}/{shelf.path(file)}"
    # (1) Each hashed sidecar by its own bytes.
    hashed: dict[Sha256, Sidecar] = {}
    for digest in names.hashed:
        try:
            version = shelf.hashed(file, digest)
        except Malformed as error:
            findings.append(error.finding)
            continue
        if version is not None:
            hashed[digest] = version
    # (2) The mutable one.
    mutable = None
    if names.mutable:
        try:
            mutable = shelf.current(file, hashed)
        except Malformed as error:
            findings.append(error.finding)
    everything = hashed if mutable is None else {**hashed, mutable.sha256: mutable}
    # (3) Those that are about these bytes.
    others = _others(everything, sha256)
    for digest in others:
        if mutable is not None and mutable.sha256 not in others and digest not in advertised:
            continue  # What a file was that has been replaced: its sidecar is kept, and nobody is led to it.
        findings.append(Finding.of(Code.SIDECAR_OTHER, where, sidecar=digest, expected=sha256))
    versions = {digest: version for digest, version in everything.items() if digest not in others}
    gone = tuple(digest for digest in advertised if digest not in everything)
    if not versions:
        return Examined(file, (), others, (), None, tuple(findings))
    # (4) What they amount to.
    named = next((digest for digest in advertised if digest in versions), None)
    if named is None and mutable is not None and mutable.sha256 in versions:
        named = mutable.sha256
    try:
        expected = Sha256(hashlib.sha256(sidecar.joined(versions, named)).hexdigest())
    except Malformed as error:
        findings.append(error.finding.at(where))
        return Examined(file, tuple(versions), others, gone, named, tuple(findings))
    current = mutable if mutable is not None and mutable.sha256 in versions else None
    findings.extend(_unsound(shelf, file, hashed, current, versions, expected, advertised))
    order = sorted(versions, key=lambda digest: (digest not in advertised, digest))
    return Examined(file, tuple(order), others, gone, expected, tuple(findings))


def _others(versions: dict[Sha256, Sidecar], sha256: Sha256 | None) -> tuple[Sha256, ...]:
    if sha256 is None:
        return ()
    return tuple(digest for digest, version in versions.items() if not about(version.bundles, sha256))


def _unsound(
    shelf: Shelf,
    file: PackageFile,
    hashed: dict[Sha256, Sidecar],
    current: Sidecar | None,
    versions: dict[Sha256, Sidecar],
    expected: Sha256,
    advertised: tuple[Sha256, ...],
) -> list[Finding]:
    where = f"{shelf.store.name}/{shelf.path(file)}"
    findings = []
    for digest in dict.fromkeys((*advertised, *((current.sha256,) if current is not None else ()))):
        if digest not in hashed:
            findings.append(Finding.of(Code.SIDECAR_HASHED, f"{where}.{digest}"))
    if current is None:
        findings.append(Finding.of(Code.SIDECAR_MUTABLE, where, expected=expected, found="nothing of use"))
        return findings
    elements = set(current.elements)
    lost = [
        (digest, element) for digest, each in versions.items() for element in each.elements if element not in elements
    ]
    for digest, element in lost:
        bundle = hashlib.sha256(element).hexdigest()
        findings.append(Finding.of(Code.SIDECAR_LOST, where, bundle=bundle, sidecar=digest))
    if not lost and current.sha256 != expected:
        findings.append(Finding.of(Code.SIDECAR_MUTABLE, where, expected=expected, found=current.sha256))
    return findings
