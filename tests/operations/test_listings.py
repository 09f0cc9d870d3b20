"""Targets of lock files and environments: nothing is left out without being counted."""

import contextlib
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condattest.errors import Misuse
from condattest.formats.lockfile import WrongLock
from condattest.model.finding import Code
from condattest.operations import listings
from condattest.operations.targets import FileTarget, ListedTarget, RefusedTarget
from tests.locks import MD5, SHA, URL, conda_lock, conda_meta, conda_row, explicit, pixi, pixi_row

NUMBERS = f"{URL}/noarch/numbers-1.0-0.conda"
RECORD = {"name": "numbers", "version": "1.0", "build": "0", "subdir": "noarch", "depends": ["python"]}


def of(tmp_path, data, name="lock", **how):
    path = tmp_path / name
    path.write_bytes(data)
    return listings.of_lock(path, **how)


@pytest.mark.parametrize(
    "data", [explicit(f"{NUMBERS}#{SHA}"), conda_lock(conda_row()), pixi(pixi_row()), pixi(pixi_row(), version=7)]
)
def test_every_format_gives_a_target_by_digest(tmp_path, data):
    listing = of(tmp_path, data)
    [target] = listing.targets
    assert isinstance(target, ListedTarget)
    assert (str(target), target.sha256, target.subdir, target.channel.url) == (NUMBERS, SHA, "noarch", URL)
    assert target.locked
    assert listing.listed == 1


def test_rows_that_say_the_same_are_one_target_and_all_are_counted(tmp_path):
    rows = [conda_row(platform=each) for each in ("linux-64", "osx-64", "win-64")]
    rows += [conda_row(hash={"sha256": "cd" * 32}), conda_row("six", "https://files.example/six.whl", manager="pip")]
    listing = of(tmp_path, conda_lock(*rows))
    # Two digests for one URL: one of them is wrong, and that is for the verification to say.
    assert [target.sha256 for target in listing.targets] == [SHA, "cd" * 32]
    assert (listing.repeated, listing.pypi, listing.listed) == (2, 1, 5)


def test_a_selection_is_counted(tmp_path):
    rows = [conda_row(), conda_row(platform="osx-64"), conda_row("six", "x.whl", "osx-64", manager="pip")]
    listing = of(tmp_path, conda_lock(*rows), platforms=["linux-64"])
    assert (len(listing.targets), listing.unselected, listing.pypi, listing.listed) == (1, 2, 0, 3)


def test_paths_are_files_with_the_digest_of_the_lock(tmp_path):
    lines = [f"{tmp_path}/a-1-0.conda#{SHA}", f"file://{tmp_path}/b-1%2Bx-0.conda", f"{tmp_path}/c-1-0.conda#{MD5}"]
    first, second, third = of(tmp_path, explicit(*lines)).targets
    assert first == FileTarget(tmp_path / "a-1-0.conda", first.file, SHA)
    assert second.path == tmp_path / "b-1+x-0.conda"
    assert isinstance(third, RefusedTarget)
    assert third.finding.code is Code.BIND_NO_DIGEST


def test_a_relative_path_is_beside_the_lock_file(tmp_path):
    [target] = of(tmp_path, pixi(pixi_row("./dist/a-1-0.conda"))).targets
    assert target.path == tmp_path / "dist" / "a-1-0.conda"


@pytest.mark.parametrize(
    "data",
    [
        explicit(f"https://conda.example/x-1-0.conda#{SHA}"),
        explicit(f"https://conda.example/c/elsewhere/x-1-0.conda#{SHA}"),
        explicit(f"ftp://conda.example/c/noarch/x-1-0.conda#{SHA}"),
        explicit(f"https://conda.example/c/noarch/x.conda#{SHA}"),
        explicit(f"https://me:secret@conda.example/c/../noarch/x-1-0.conda#{SHA}"),
        explicit(f"file://host/c/noarch/x-1-0.conda#{SHA}"),
        explicit(f"file:///c/noarch/x%00-1-0.conda#{SHA}"),
        pixi(pixi_row(name="other")),
        pixi(pixi_row(version="2.0")),
        pixi(pixi_row(subdir="linux-64")),
        pixi(pixi_row(f"{NUMBERS}?x")),
    ],
)
def test_a_row_that_names_no_package_of_a_channel_is_refused_with_its_place(tmp_path, data):
    with pytest.raises(WrongLock, match=r"line 5|packages\[0\]") as caught:
        of(tmp_path, data)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("place", [f"{URL}/noarch/x-1.0-0.conda", "../x-1.0-0.conda", "file:///srv/x-1.0-0.conda"])
@pytest.mark.parametrize("said", [{"name": "openssl"}, {"version": "99"}, {"build": "1"}])
def test_a_row_that_gives_its_archive_another_name_is_refused(tmp_path, place, said):
    """Clients install it under the name of the row: an attested package takes the place of another one."""
    with pytest.raises(WrongLock, match="by its URL"):
        of(tmp_path, pixi(pixi_row(place) | said))


def test_no_file_is_a_usage_error(tmp_path):
    with pytest.raises(Misuse):
        listings.of_lock(tmp_path / "none")
    with pytest.raises(Misuse):
        listings.of_lock(tmp_path)


def test_an_environment_is_what_its_conda_meta_says(tmp_path):
    conda_meta(tmp_path, NUMBERS, SHA, RECORD)
    conda_meta(tmp_path, NUMBERS.replace("numbers", "letters"), None, RECORD | {"name": "letters"})
    (tmp_path / "conda-meta" / "history").write_text("==> 2026 <==")
    listing = listings.of_prefix(tmp_path)
    letters, numbers = listing.targets
    assert (str(numbers), numbers.sha256, numbers.held["depends"]) == (NUMBERS, SHA, ["python"])
    assert letters.sha256 is None
    assert listing.listed == 2


def test_what_is_not_recorded_well_is_a_target_that_is_refused(tmp_path):
    conda_meta(tmp_path, NUMBERS, SHA, RECORD, name="other")
    folder = tmp_path / "conda-meta"
    (folder / "broken-1-0.json").write_text("{")
    (folder / "link-1-0.json").symlink_to(tmp_path / "nowhere")
    (folder / "folder-1-0.json").mkdir()
    os.mkfifo(folder / "pipe-1-0.json")
    (folder / "url-1-0.json").write_text(
        json.dumps({"name": "url", "version": "1", "build": "0", "fn": "url-1-0.conda", "url": "x://y/url-1-0.conda"})
    )
    listing = listings.of_prefix(tmp_path)
    assert len(listing.targets) == listing.listed == 6
    for target in listing.targets:
        assert isinstance(target, RefusedTarget)
        assert target.finding.code is Code.BIND_INSTALLED


@pytest.mark.parametrize("make", [lambda path: None, lambda path: (path / "conda-meta").touch()])
def test_another_folder_is_a_usage_error(tmp_path, make):
    make(tmp_path)
    with pytest.raises(Misuse, match="expected a conda environment"):
        listings.of_prefix(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=30) | st.builds("{}/noarch/{}".format, st.just(URL), st.text(max_size=12)))
def test_any_location_is_a_target_or_refused(tmp_path, url):
    with contextlib.suppress(Misuse):
        assert len(of(tmp_path, pixi(pixi_row(f"{url}-1-0.conda"))).targets) == 1
