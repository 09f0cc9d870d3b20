"""conda-lock.yml, version 1."""

import pytest

from condattest.formats import lockfile
from condattest.formats.lockfile import Other, WrongLock
from tests.locks import MD5, SHA, URL, conda_lock, conda_row


def parse(*rows, **how):
    return lockfile.parse(conda_lock(*rows, **how), where="conda-lock.yml")


def test_packages_of_conda_are_entries_and_those_of_pip_are_told():
    wheel = conda_row("six", "https://files.example/six.whl", manager="pip")
    lock = parse(conda_row(), wheel, conda_row(platform="osx-64"), platforms=("linux-64", "win-64"))
    assert [(entry.sha256, entry.md5, entry.platforms, entry.held) for entry in lock.entries] == [
        (SHA, MD5, ("linux-64",), None),
        (SHA, MD5, ("osx-64",), None),
    ]
    assert lock.others == (Other("pypi", "six", ("linux-64",)),)
    assert lock.platforms == ("linux-64", "win-64", "osx-64")
    assert lock.listed == 3


def test_a_row_without_sha256_is_an_entry_without_one():
    [entry] = parse(conda_row(hash={"md5": MD5})).entries
    assert (entry.sha256, entry.md5) == (None, MD5)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"manager": "mamba"}, r"package\[0\]: manager: expected conda or pip"),
        ({"manager": None}, "manager: expected a text, found null"),
        ({"url": f"{URL}/x.whl"}, "url: expected the URL of a .conda"),
        ({"url": 1}, "url: expected a text, found '1'"),
        ({"hash": None}, "hash: expected keys and values"),
        ({"hash": {"sha256": SHA.upper()}}, "sha256: expected 64 lowercase hex digits"),
        ({"hash": {"md5": "x"}}, "md5: expected 32"),
        ({"name": "other"}, "name: expected the name of"),
        ({"platform": []}, "platform: expected a text, found a list"),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_refused_with_its_place(keys, problem):
    with pytest.raises(WrongLock, match=problem):
        parse(conda_row(**keys))


def test_another_version_is_refused():
    with pytest.raises(WrongLock, match="version: expected 1, found '2'"):
        lockfile.parse(b'{"version": 2, "metadata": {}, "package": []}', where="l")
