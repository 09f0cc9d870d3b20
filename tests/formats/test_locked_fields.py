"""Fields of lock files are what they should be, or told with their place."""

import pytest

from condattest.formats.locked_fields import Fields, is_archive, is_path, location
from condattest.formats.lockfile import WrongLock


@pytest.mark.parametrize(
    "text",
    ["https://h/c/noarch/x-1-0.conda", "https://h/x-1-0.conda?query", "https://h/x-1-0.conda#part", "x-1-0.tar.bz2",
     "https://h/x-1-0%2Econda", "https://h/X-1-0.CONDA", "http://[/x-1-0"],
)  # fmt: skip
def test_what_some_reader_takes_for_an_archive_is_one(text):
    """A package that is installed as an archive must not be passed over as something that is built from source."""
    assert is_archive(text)


@pytest.mark.parametrize("text", ["../project", "git+https://h/x.git?rev=1", "https://h/x.tar.gz", "x.conda/y"])
def test_a_source_is_none(text):
    assert not is_archive(text)


def test_a_path_is_no_url():
    assert is_path("../x")
    assert not is_path("https://h/x")


@pytest.mark.parametrize("text", ["", "a\nb", "a\x7fb", "x" * 5000])
def test_a_location_is_one_line(text):
    with pytest.raises(WrongLock, match="row: expected a URL or a path"):
        location(text, "row")


def test_a_row_that_is_no_mapping_is_refused():
    with pytest.raises(WrongLock, match=r"top\.packages\[1\]: expected keys and values, found a list"):
        Fields.of({"packages": [{}, []]}, "top").rows("packages")
