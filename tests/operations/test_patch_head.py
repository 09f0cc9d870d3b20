"""The hint of the newest generation only ever goes forward."""

import json

import pytest

from condattest.errors import Malformed
from condattest.operations.patch_head import point
from condattest.transport.directory import Directory

PATH = "noarch/patches/head.json"


@pytest.fixture
def store(tmp_path):
    return Directory(tmp_path)


def head(tmp_path):
    return json.loads((tmp_path / PATH).read_bytes())


def test_it_is_made_and_goes_forward(store, tmp_path):
    assert point(store, PATH, 1)
    assert point(store, PATH, 7)
    assert head(tmp_path) == {"generation": 7}


@pytest.mark.parametrize("generation", [1, 6, 7])
def test_it_never_goes_back_and_is_not_written_again(store, tmp_path, generation):
    point(store, PATH, 7)
    before = (tmp_path / PATH).stat()
    assert not point(store, PATH, generation)
    assert (tmp_path / PATH).stat() == before


def test_a_head_that_somebody_changes_meanwhile_is_read_again(store, tmp_path, monkeypatch):
    point(store, PATH, 1)
    replace, raced = Directory.replace, []

    def racing(self, path, data, version):
        if not raced:
            raced.append(path)
            (tmp_path / PATH).write_text('{"generation": 9}')
        return replace(self, path, data, version)

    monkeypatch.setattr(Directory, "replace", racing)
    assert not point(store, PATH, 2)
    assert head(tmp_path) == {"generation": 9}


def test_what_is_no_head_is_left_alone(store, tmp_path):
    point(store, PATH, 1)
    (tmp_path / PATH).write_text("junk")
    with pytest.raises(Malformed):
        point(store, PATH, 2)
    assert (tmp_path / PATH).read_text() == "junk"
