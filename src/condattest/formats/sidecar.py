"""CEP 50's sidecar: `<artifact>.sigs`, a JSON array of Sigstore bundles.

Owns `Sidecar`, `parse` and `dump`. Elements keep their bytes and their order: a sidecar is append-only, byte for byte.
Refuses an array without elements, anything but an array, an element that is no Sigstore bundle, and more bytes or
elements than the caps. Whether its bytes are those that the index names is checked before parsing, by the caller.

    [<bundle>,<bundle>]

Spec: https://github.com/conda/ceps/blob/main/cep-0050.md
"""

import hashlib
from dataclasses import dataclass
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


def parse(data: bytes, *, where: str) -> Sidecar:
    """Read a sidecar.

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
    return Sidecar(Sha256(hashlib.sha256(data).hexdigest()), tuple(bundles))


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


def _malformed(code: Code, where: str, expected: str, found: str) -> Malformed:
    return Malformed(Finding.of(code, where, expected=expected, found=found))
