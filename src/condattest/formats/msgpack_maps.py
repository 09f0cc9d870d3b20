"""Take a msgpack map apart one level deep, and put it together around what it held: values keep their bytes.

Owns `unpacked` and `packed`. Refuses a map that has a key twice: two readers would read two things.

Spec: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from collections.abc import Mapping

import msgspec


def unpacked(raw: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Take a map apart.

    Raises:
        ValueError: It has a key twice, or is no map with text for keys.
    """
    decoded = msgspec.msgpack.decode(raw, type=dict[str, msgspec.Raw])
    if len(decoded) != length(memoryview(raw)):
        raise ValueError("a key stands there twice")
    return decoded


def length(raw: memoryview) -> int:
    """The number of members that a map's header gives."""
    first = raw[0]
    if first & 0xF0 == 0x80:
        return first & 0x0F
    size = {0xDE: 2, 0xDF: 4}[first]
    return int.from_bytes(raw[1 : 1 + size], "big")


def packed(members: Mapping[str, msgspec.Raw]) -> bytes:
    """Put a map together."""
    return msgspec.msgpack.encode(members)
