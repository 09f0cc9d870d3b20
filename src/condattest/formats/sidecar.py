"""CEP 50's sidecar: `<artifact>.sigs`, a JSON array of Sigstore bundles.

Owns `Sidecar`, `parse`, `dump` and `joined`. Elements keep their bytes and their order: a sidecar is append-only, byte
for byte. Refuses an array without elements, anything but an array, an element that is no Sigstore bundle, and more
bytes or elements than the caps. Whether its bytes are those that the index names is checked before parsing, by the
caller.

    [<bundle>,<bundle>]

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from condattest.errors import Malformed
from condattest.formats import bundle
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding

SUFFIX: Final = ".sigs"
MAX_SIDECAR: Final = 4 * 1024 * 1024
"""Bytes of one sidecar, the cap that rattler's clients use too."""
MAX_ELEMENTS: Final = 128
"""Bundles in one sidecar."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The bundles of one artifact, parsed but not authenticated, in the order of the array."""

    sha256: Sha256
    bundles: tuple[bundle.Bundle, ...]
    raw: bytes = field(repr=False)

    @property
    def elements(self) -> tuple[bytes, ...]:
        """The bytes of each bundle."""
        return tuple(each.raw for each in self.bundles)


def parse(data: bytes, *, where: str, sha256: Sha256 | None = None) -> Sidecar:
    """Read a sidecar.

    Args:
        data: Its bytes.
        where: What is parsed, for findings.
        sha256: The digest of the bytes, where the caller has just taken it.

    Raises:
        Malformed: SIDECAR-SIZE or SIDECAR-SHAPE; the latter names the element and what is wrong with it.
    """
    import msgspec  # Imported here: a bundle alone is the common case, and this costs start-up time.

    if len(data) > MAX_SIDECAR:
        raise _malformed(Code.SIDECAR_SIZE, where, f"at most {MAX_SIDECAR} bytes", f"{len(data)} bytes")
    try:
        elements = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(Code.SIDECAR_SHAPE, where, "a JSON array of Sigstore bundles", str(error)) from None
    if not elements:
        raise _malformed(Code.SIDECAR_SHAPE, where, "at least one bundle", "an empty array")
    if len(elements) > MAX_ELEMENTS:
        raise _malformed(Code.SIDECAR_SIZE, where, f"at most {MAX_ELEMENTS} bundles", f"{len(elements)} bundles")
    bundles = []
    for index, element in enumerate(elements):
        try:
            bundles.append(bundle.parse(bytes(element)))
        except Malformed as error:
            inner = error.finding
            facts = {**inner.facts, "element": str(index), "reason": inner.code.value}
            raise Malformed(Finding(Code.SIDECAR_SHAPE, f"{where}[{index}]: {inner.where}", facts)) from None
    return Sidecar(sha256 or Sha256(hashlib.sha256(data).hexdigest()), tuple(bundles), data)


def dump(elements: list[bytes]) -> bytes:
    """Join the bytes of bundles to a sidecar, each as it is.

    Raises:
        ValueError: There is no element, or one of them is not one JSON value.
    """
    import msgspec

    if not elements:
        raise ValueError("a sidecar has at least one element")
    for element in elements:
        msgspec.json.decode(element, type=dict[str, msgspec.Raw])
    return b"[" + b",".join(elements) + b"]"


def newest(versions: Mapping[Sha256, Sidecar], advertised: Sha256 | None) -> Sidecar | None:
    """The version that holds the elements of all others; None where no version does, as after a fork.

    Of several with the same elements it is the one that the index advertises, or else the first by digest.
    """
    everything = {element for version in versions.values() for element in version.elements}
    whole = [version for version in versions.values() if everything == set(version.elements)]
    return min(whole, key=lambda each: (each.sha256 != advertised, each.sha256), default=None)


def joined(versions: Mapping[Sha256, Sidecar], advertised: Sha256 | None, fresh: Sequence[bytes] = ()) -> bytes:
    """Join the versions of one artifact's sidecar, and append fresh bundles. No element is ever lost.

    The newest version stays in front with its bytes; after a fork it is the one that the index advertises, or else the
    longest, and the elements of the others follow. Whoever joins the same versions gets the same bytes.

    Args:
        versions: Every version that is known, by digest.
        advertised: The version that the index names.
        fresh: The bytes of bundles to append; those that are there already are not appended again.

    Raises:
        ValueError: There is no element at all.
        Malformed: SIDECAR-SIZE: the outcome is above the caps.
    """
    front = newest(versions, advertised) or (versions.get(advertised) if advertised is not None else None)
    if front is None and versions:
        front = max(versions.values(), key=lambda each: (len(each.bundles), each.sha256))
    elements = list(front.elements) if front is not None else []
    others = sorted(versions.values(), key=lambda each: (len(each.bundles), each.sha256))
    known = set(elements)
    for element in [*(element for version in others for element in version.elements), *fresh]:
        if element not in known:
            known.add(element)
            elements.append(element)
    if front is not None and len(elements) == len(front.bundles):
        return front.raw
    where = "the new sidecar"
    if len(elements) > MAX_ELEMENTS:
        raise _malformed(Code.SIDECAR_SIZE, where, f"at most {MAX_ELEMENTS} bundles", f"{len(elements)} bundles")
    data = dump(elements)
    if len(data) > MAX_SIDECAR:
        raise _malformed(Code.SIDECAR_SIZE, where, f"at most {MAX_SIDECAR} bytes", f"{len(data)} bytes")
    return data


def _malformed(code: Code, where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(code, where, expected=expected, found=found))
