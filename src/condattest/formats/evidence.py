"""What a bundle proved, as bytes: for a cache, and for what comes back from another process.

Owns `dump` and `parse`. Refuses nothing that `dump` wrote; all else is no evidence.
"""

from typing import Any, Final

import msgspec

from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence


def _plain(value: Any) -> Any:
    # The codec takes no subclass of str.
    return str(value)


def _made(kind: type, value: Any) -> Any:
    if kind is Sha256 and isinstance(value, str):
        return Sha256(value)
    raise NotImplementedError(kind)


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_plain)
_DECODER: Final = msgspec.msgpack.Decoder(Evidence, dec_hook=_made)


def dump(value: Evidence) -> bytes:
    """The bytes of an evidence (msgpack)."""
    return _ENCODER.encode(value)


def parse(data: bytes) -> Evidence:
    """Read what `dump` wrote.

    Raises:
        ValueError: It is something else.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
