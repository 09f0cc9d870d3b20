"""pixi.lock, versions 6 and 7."""

import pytest

from condattest.formats import lockfile
from condattest.formats.lockfile import Other, WrongLock
from tests.locks import MD5, SHA, URL, pixi, pixi_row

NUMBERS = f"{URL}/noarch/numbers-1.0-0.conda"
LETTERS = f"{URL}/linux-64/letters-2.0-h1_0.conda"


def parse(*rows, **how):
    return lockfile.parse(pixi(*rows, **how), where="pixi.lock")


@pytest.mark.parametrize("version", [6, 7])
def test_an_archive_has_digest_record_environments_and_platforms(version):
    [entry] = parse(pixi_row(timestamp=1), version=version).entries
    assert (entry.url, entry.sha256, entry.md5) == (NUMBERS, SHA, MD5)
    assert (entry.environments, entry.platforms) == (("default",), ("linux-64",))
    assert entry.held == {"depends": ["python"], "license": "MIT", "timestamp": 1}
    assert entry.where == "pixi.lock.packages[0]"


def test_what_is_no_archive_is_told():
    lock = parse(
        pixi_row(), {"pypi": "https://files.example/x-1-py3-none-any.whl"}, {"pypi": "./local"},
        {"conda": "../project", "name": "project"}, {"conda": "https://h/src.tar.gz"}, {"conda": "git+https://h/x.git"},
    )  # fmt: skip
    assert len(lock.entries) == 1
    assert [other.kind for other in lock.others] == ["pypi", "pypi", "source", "source", "source"]
    assert lock.listed == 6


def test_sources_of_version_7_and_what_they_are_built_with():
    source = "mine[12345678] @ ./mine"
    row = {"conda_source": source, "source": {"path": "."}, "build_packages": [{"conda": NUMBERS}]}
    environments = {"default": {"packages": {"gpu": [{"conda_source": source}]}}, "other": {"packages": {}}}
    platforms = [{"name": "gpu", "subdir": "linux-64"}, {"name": "win-64"}]
    lock = parse(pixi_row(), row, version=7, environments=environments, platforms=platforms)
    assert lock.others == (Other("source", source, ("gpu", "linux-64"), ("default",)),)
    assert lock.entries[0].environments == ("default",)
    assert lock.platforms == ("gpu", "win-64", "linux-64")
    assert len(lockfile.selected(lock, ["default"], ["linux-64"], where="l").entries) == 1


@pytest.mark.parametrize(
    ("rows", "how", "problem"),
    [
        ([pixi_row()], {"version": 5}, "version: expected 6 or 7, found 5"),
        ([pixi_row()], {"version": True}, "version: expected 6 or 7"),
        ([pixi_row(sha256=SHA.upper())], {}, "sha256: expected 64"),
        ([pixi_row(pypi="x")], {}, "expected one of conda, pypi"),
        ([{"other": "x"}], {}, "expected one of conda, pypi"),
        ([pixi_row(), pixi_row(sha256="cd" * 32)], {}, "each archive once"),
        ([pixi_row(file_name="other-1.0-0.conda")], {}, "file_name: expected the file name of its URL"),
        ([{"conda": "https://h/c/noarch/x-1-py3-none-any.whl"}], {}, "expected the location of a .conda"),
        ([{"conda": "https://h/src.zip"}], {"version": 7}, "expected the location of a .conda"),
        ([pixi_row()], {"environments": {"d": {"packages": {"linux-64": [{"conda": LETTERS}]}}}}, "only packages that"),
        ([pixi_row()], {"environments": {"d": {"packages": {"linux-64": {}}}}}, "linux-64: expected a list"),
        ([pixi_row()], {"environments": {"d": []}}, "d: expected keys and values"),
        (["x"], {"environments": {"d": {"packages": {}}}}, "expected keys and values"),
    ],
)  # fmt: skip
def test_another_document_is_refused_with_its_place(rows, how, problem):
    with pytest.raises(WrongLock, match=problem):
        parse(*rows, **how)


def test_a_lock_file_that_rattler_writes_is_read(tmp_path):
    rattler = pytest.importorskip("rattler")
    from rattler.package.build_string import BuildString

    record = rattler.PackageRecord(
        name="numbers", version="1.0", build=BuildString("0"), build_number=0, subdir="noarch", noarch="generic",
        sha256=bytes.fromhex(SHA), md5=bytes.fromhex(MD5), depends=["python >=3"], constrains=["words"],
        license="MIT",
    )  # fmt: skip
    package = rattler.RepoDataRecord(record, "numbers-1.0-0.conda", NUMBERS, URL)
    platform = rattler.lock.LockPlatform("linux-64")
    made = rattler.LockFile([platform])
    made.set_channels("default", [rattler.lock.LockChannel(URL)])
    made.add_conda_package("default", platform, package)
    made.to_path(tmp_path / "pixi.lock")
    lock = lockfile.parse((tmp_path / "pixi.lock").read_bytes(), where="pixi.lock")
    [entry] = lock.entries
    assert (entry.url, entry.sha256, entry.md5, entry.environments) == (NUMBERS, SHA, MD5, ("default",))
    assert entry.held["depends"] == ["python >=3"]
    assert entry.held["constrains"] == ["words"]
    assert entry.held["license"] == "MIT"
