"""Which format a lock file has, and what a selection takes of it; arbitrary bytes are never a traceback."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.formats import lockfile
from condattest.formats.lockfile import WrongLock
from tests.locks import SHA, URL, conda_lock, conda_row, explicit, pixi, pixi_row

LETTERS = f"{URL}/linux-64/letters-2.0-h1_0.conda"
TWO = pixi(
    pixi_row(), pixi_row(LETTERS), {"pypi": "https://files.example/x-1-py3-none-any.whl"},
    environments={
        "default": {"packages": {"linux-64": [{"conda": f"{URL}/noarch/numbers-1.0-0.conda"}]}},
        "test": {"packages": {"linux-64": [{"conda": LETTERS}], "osx-64": [{"pypi": "https://files.example/x-1-py3-none-any.whl"}]}},
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (explicit(f"{LETTERS}#{SHA}"), "explicit"),
        (b"\r\n# c\r\n@EXPLICIT\r\n" + f"{LETTERS}#{SHA}\r\n".encode(), "explicit"),
        (conda_lock(conda_row()), "conda-lock 1"),
        (pixi(pixi_row()), "pixi 6"),
        (pixi(pixi_row(), version=7), "pixi 7"),
    ],
)
def test_the_format_is_told_by_the_content(data, name):
    lock = lockfile.parse(data, where="lock")
    assert lock.format == name
    assert [entry.sha256 for entry in lock.entries] == [SHA]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"a: 1", b"{}", b"@EXPLICI\n", b"name: x\ndependencies: [python]", b"\xff", b"version: 6", b"1", b"x"],
)
def test_another_file_is_refused_with_what_was_expected_and_what_to_do(data):
    with pytest.raises(WrongLock) as caught:
        lockfile.parse(data, where="lock")
    assert "expected" in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    with pytest.raises(WrongLock, match="at most"):
        lockfile.parse(b"@EXPLICIT\n" + b"#" * lockfile.MAX_LOCK, where="lock")


@pytest.mark.parametrize(
    ("environments", "platforms", "entries", "others", "left"),
    [
        ((), (), 2, 1, 0),
        (("default",), (), 1, 0, 2),
        (("test",), (), 1, 1, 1),
        (("test",), ("linux-64",), 1, 0, 2),
        ((), ("osx-64",), 0, 1, 2),
        (("default", "test"), ("linux-64", "osx-64"), 2, 1, 0),
    ],
)
def test_a_selection_counts_what_it_leaves_out(environments, platforms, entries, others, left):
    lock = lockfile.parse(TWO, where="lock")
    found = lockfile.selected(lock, environments, platforms, where="lock")
    assert (len(found.entries), len(found.others), found.unselected) == (entries, others, left)
    assert found.listed == lock.listed == 3


@pytest.mark.parametrize(("environments", "platforms"), [(("tests",), ()), ((), ("linux-65",))])
def test_what_a_lock_does_not_know_is_refused_with_what_it_knows(environments, platforms):
    lock = lockfile.parse(TWO, where="lock")
    with pytest.raises(WrongLock, match=r"test|linux-64") as caught:
        lockfile.selected(lock, environments, platforms, where="lock")
    assert "leave" in caught.value.hint


def test_a_list_has_no_environments():
    lock = lockfile.parse(explicit(f"{LETTERS}#{SHA}"), where="lock")
    with pytest.raises(WrongLock, match="no environment at all"):
        lockfile.selected(lock, ["default"], [], where="lock")


def test_credentials_are_in_no_representation():
    [entry] = lockfile.parse(
        explicit(f"https://me:secret@conda.example/t/tk-1/c/noarch/x-1-0.conda#{SHA}"), where="l"
    ).entries
    assert "secret" in entry.url
    assert "secret" not in repr(entry)
    assert "tk-1" not in repr(entry)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"@EXPLICIT\n" + data))
def test_any_bytes_are_a_lock_file_or_refused(data):
    with contextlib.suppress(WrongLock):
        lock = lockfile.parse(data, where="lock")
        assert lock.listed == len(lock.entries) + len(lock.others)


keys = st.sampled_from(
    ["version", "environments", "packages", "package", "metadata", "platforms", "conda", "pypi", "source", "url",
     "hash", "sha256", "md5", "default", "linux-64", "manager", "platform", "name", "subdir", "file_name",
     "build_packages"]
)  # fmt: skip
texts = st.sampled_from(
    ["linux-64", "conda", "pip", LETTERS, SHA, "../x", "", "x", "http://[", "a://b.conda", "\u2028"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | texts | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=16,
)


@given(st.dictionaries(keys, values, max_size=5), st.sampled_from([{}, {"version": 6}, {"version": 7}, {"version": 1}]))
def test_any_document_is_a_lock_file_or_refused(document, more):
    for needed in ({"environments": {}}, {"metadata": {}, "package": []}, {"environments": {}, "packages": []}):
        with contextlib.suppress(WrongLock):
            lockfile.parse(json.dumps(needed | document | more).encode(), where="lock")
