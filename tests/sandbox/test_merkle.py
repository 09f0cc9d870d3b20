"""Every proof of the tree verifies by RFC 6962's own algorithm, at every size."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.sandbox.merkle import Tree, leaf_hash, node_hash


def plain_root(leaves):
    """RFC 6962 section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(plain_root(leaves[:split]), plain_root(leaves[split:]))


def root_by_proof(leaf, index, size, proof):
    """RFC 9162 section 2.1.3.2, as it stands there."""
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        assert sn != 0
        if fn % 2 == 1 or fn == sn:
            r = node_hash(p, r)
            if fn % 2 == 0:
                while fn % 2 == 0 and fn != 0:
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Tree().root() == hashlib.sha256().digest()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_roots_and_all_proofs_are_rfc_6962_s(leaves):
    tree = Tree()
    for number, leaf in enumerate(leaves):
        assert tree.append(leaf) == number
        assert tree.root() == plain_root(leaves[: number + 1])
    for index, leaf in enumerate(leaves):
        assert root_by_proof(leaf_hash(leaf), index, len(leaves), tree.proof(index)) == tree.root()


def test_a_proof_of_what_is_not_there_is_refused():
    tree = Tree()
    tree.append(b"x")
    for index in (-1, 1):
        with pytest.raises(IndexError):
            tree.proof(index)


def test_a_large_tree_has_short_proofs():
    tree = Tree()
    for number in range(5000):
        tree.append(number.to_bytes(4, "big"))
    assert len(tree.proof(0)) == 13
