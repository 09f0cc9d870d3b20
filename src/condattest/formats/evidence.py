"""What a bundle proved, as bytes: for a cache, and for what comes back from another process.

Owns `dump` and `parse`, and for an audit of many packages `Facts`, `dump_facts` and `parse_facts`: of a plain publish
attestation that which each package has for itself, and a digest of all else. Refuses nothing that was written by it;
other bytes are no evidence.
"""

import hashlib
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from condattest.formats import publish
from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence, TimeSource

_T = TypeVar("_T")


class Facts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a plain publish attestation proves, as far as it is a package's own.

    Attributes:
        bundle: The digest of the bundle's bytes.
        root: The digest of the trust root.
        name: The subject's name.
        sha256: The subject's digest, as it stands there.
        at: The earliest verified time.
        source: Who says so.
        common: A digest of the rest that rules look at: the signer but for the single run, and the channel.
    """

    bundle: bytes
    root: bytes
    name: str
    sha256: str
    at: datetime
    source: TimeSource
    common: bytes


def _plain(value: Any) -> Any:
    # The codec takes no subclass of str.
    return str(value)


def _made(kind: type, value: Any) -> Any:
    if kind is Sha256 and isinstance(value, str):
        return Sha256(value)
    raise NotImplementedError(kind)


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_plain)
_FACTS: Final = msgspec.msgpack.Decoder(Facts)
_DECODER: Final = msgspec.msgpack.Decoder(Evidence, dec_hook=_made)


def dump(value: Evidence) -> bytes:
    """The bytes of an evidence (msgpack)."""
    return _ENCODER.encode(value)


def parse(data: bytes) -> Evidence:
    """Read what `dump` wrote.

    Raises:
        ValueError: It is something else.
    """
    return _decoded(_DECODER, data)


def dump_facts(value: Evidence) -> bytes | None:
    """The bytes of the facts of an evidence (msgpack); None where there is more to be said of it than that."""
    said = publish.of_plain(value.payload_type, value.payload)
    if said is None or value.notes:
        return None
    # The text of a tuple of strings tells where each of them ends.
    rest = repr((*value.signer.lasting(), str(said.target_channel)))
    common = hashlib.sha256(rest.encode(errors="surrogatepass")).digest()
    key = bytes.fromhex(value.bundle_sha256), bytes.fromhex(value.trust_root_sha256)
    first = value.earliest
    return _ENCODER.encode(Facts(*key, said.name or "", said.sha256, first.at, first.source, common))


def parse_facts(data: bytes) -> Facts:
    """Read what `dump_facts` wrote.

    Raises:
        ValueError: It is something else.
    """
    return _decoded(_FACTS, data)


def _decoded(decoder: "msgspec.msgpack.Decoder[_T]", data: bytes) -> _T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
