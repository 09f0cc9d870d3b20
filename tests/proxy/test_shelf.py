import hashlib
import os

import pytest

from condattest.errors import LocalFailure
from condattest.model.artifact import Sha256
from condattest.proxy.shelf import Shelf


def digest(data):
    return Sha256(hashlib.sha256(data).hexdigest())


def read(kept):
    return None if kept is None else b"".join(kept.parts())


def test_what_is_put_can_be_read(tmp_path):
    shelf = Shelf(tmp_path / "a" / "b", 1000)
    assert shelf.put(b"hello") == digest(b"hello")
    assert read(shelf.open(digest(b"hello"))) == b"hello"
    assert b"".join(shelf.open(digest(b"hello")).parts(1, 3)) == b"el"
    assert shelf.open(digest(b"other")) is None
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == [digest(b"hello")]


@pytest.mark.parametrize("how", ["changed", "symlink", "folder", "empty"])
def test_an_entry_that_is_not_its_digest_is_none(tmp_path, how):
    """Threat 46: a poisoned or symlinked cache entry."""
    shelf = Shelf(tmp_path / "shelf", 1000)
    path = tmp_path / "shelf" / shelf.put(b"hello")
    path.unlink()
    if how == "symlink":
        (tmp_path / "elsewhere").write_bytes(b"hello")
        path.symlink_to(tmp_path / "elsewhere")
    elif how == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"hellO" if how == "changed" else b"")
    assert shelf.open(digest(b"hello")) is None


def test_a_file_that_is_swapped_after_it_was_hashed_does_not_matter(tmp_path):
    """Threat 64."""
    shelf = Shelf(tmp_path, 1000)
    name = shelf.put(b"hello")
    kept = shelf.open(name)
    (tmp_path / "new").write_bytes(b"evil!")
    os.replace(tmp_path / "new", tmp_path / name)
    assert read(kept) == b"hello"


def test_it_keeps_no_more_than_its_limit_and_what_was_used_last(tmp_path):
    shelf = Shelf(tmp_path, 100)
    names = [shelf.put(bytes([number]) * 10) for number in range(10)]
    for number, name in enumerate(names):
        os.utime(tmp_path / name, ns=(number, number))
    shelf.open(names[0]).close()
    shelf.put(b"x" * 30)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 100
    assert (tmp_path / names[0]).exists()
    assert not (tmp_path / names[1]).exists()


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path):
    shelf = Shelf(tmp_path, 10)
    assert not shelf.holds(11)
    assert shelf.open(shelf.put(b"x" * 11)) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_kept_is_gone(tmp_path):
    shelf = Shelf(tmp_path, 1000)
    with shelf.incoming() as incoming:
        incoming.write(b"hello")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_local_failure(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalFailure):
        Shelf(tmp_path / "file" / "shelf", 10).put(b"x")


def test_what_was_written_is_read_again_whatever_its_name_names_by_now(tmp_path):
    """Somebody else who may write to the folder puts another file in the place of one that was just hashed."""
    shelf = Shelf(tmp_path, 1 << 20)
    with shelf.incoming() as incoming:
        incoming.write(b"what was hashed")
        incoming.path.unlink()
        incoming.path.write_bytes(b"something else ")
        with incoming.again() as again:
            assert again.read() == b"what was hashed"
        shelf.keep(incoming)
    assert shelf.open(incoming.sha256) is None


def test_what_is_read_again_outlives_the_file_that_is_written(tmp_path):
    shelf = Shelf(tmp_path, 1 << 20)
    with shelf.incoming() as incoming:
        incoming.write(b"some bytes")
        again = incoming.again()
    with again:
        assert again.read() == b"some bytes"
