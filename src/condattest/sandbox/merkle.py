"""An RFC 6962 Merkle tree: append, root and inclusion proof in O(log n).

Owns `Tree`. The hash of every complete subtree is kept, so nothing is computed twice.

    leaf  sha256(0x00 || entry)      node  sha256(0x01 || left || right)

Spec: RFC 6962 section 2.1
"""

import hashlib


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree. `levels[k][i]` is the hash of the complete subtree of 2**k leaves that begins at i * 2**k."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, entry: bytes) -> int:
        """Add an entry and return its index."""
        index = len(self)
        level, made = 0, leaf_hash(entry)
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(made)
            if len(hashes) % 2:
                return index
            made = node_hash(hashes[-2], hashes[-1])
            level += 1

    def root(self) -> bytes:
        """The root of the tree as it is; the hash of nothing while it is empty."""
        return self._range(0, len(self)) if len(self) else hashlib.sha256().digest()

    def proof(self, index: int) -> list[bytes]:
        """The inclusion proof of an entry in the tree as it is, from the leaf upwards."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = 0, len(self)
        proof = []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        size = end - start
        level = size.bit_length() - 1
        if size == 1 << level and start % size == 0:
            return self._levels[level][start >> level]
        middle = start + _split(size)
        return node_hash(self._range(start, middle), self._range(middle, end))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
