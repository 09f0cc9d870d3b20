"""A package in a store is known by its bytes, and only the judged bytes get in."""

import hashlib
import io

import pytest

from condattest.errors import LocalFailure
from condattest.model.artifact import Sha256
from condattest.operations.stored_package import digest_of, is_subdir, unchanged
from condattest.transport.directory import Directory

DATA = b"0123456789" * 100_000
DIGEST = Sha256(hashlib.sha256(DATA).hexdigest())


def test_the_digest_is_that_of_the_bytes_and_none_where_there_is_no_file(tmp_path):
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch" / "x").write_bytes(DATA)
    store = Directory(tmp_path)
    assert digest_of(store, "noarch/x") == DIGEST
    assert digest_of(store, "noarch/y") is None


def drained(opened, size):
    return b"".join(iter(lambda: opened.read(size), b""))


@pytest.mark.parametrize("size", [-1, 7, 65536, len(DATA)])
def test_the_judged_bytes_are_read_as_they_are(size):
    opened = unchanged(io.BytesIO(DATA), DIGEST, "x")
    assert drained(opened, size) == DATA


@pytest.mark.parametrize("size", [-1, 7, len(DATA)])
@pytest.mark.parametrize("other", [DATA[:-1], DATA + b"x", b"x" + DATA[1:], b""])
def test_other_bytes_fail_before_their_end(size, other):
    opened = unchanged(io.BytesIO(other), DIGEST, "x-1-0.conda")
    with pytest.raises(LocalFailure, match=r"x-1-0\.conda: the package changed"):
        drained(opened, size)


def test_a_file_that_shrinks_while_it_is_read_fails():
    source = io.BytesIO(DATA)
    opened = unchanged(source, DIGEST, "x")
    opened.read(10)
    source.truncate(20)
    with pytest.raises(LocalFailure):
        drained(opened, 10)


def test_a_file_that_stands_elsewhere_is_read_from_its_start():
    source = io.BytesIO(DATA)
    source.seek(500)
    assert unchanged(source, DIGEST, "x").read() == DATA


@pytest.mark.parametrize("name", ["noarch", "linux-64", "emscripten-wasm32", "osx-arm64", "zos-z"])
def test_a_subdir_is_one_plain_folder(name):
    assert is_subdir(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "C:", "x\n", "Noarch", "x" * 64, "é"]
)
def test_what_leads_elsewhere_is_no_subdir(name):
    assert not is_subdir(name)
