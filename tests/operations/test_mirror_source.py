"""A mirror's source is a stranger: what it names becomes no path, and what it says of a file is about that file."""

import json

import pytest

from condattest.errors import Malformed, Misuse
from condattest.formats.repodata import Record
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.finding import Code
from condattest.operations import mirror_source
from condattest.operations.mirror_source import Entry
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from tests import channels

FILE = PackageFile.parse("numbers-1.0-0.conda")
SAID = {"name": "numbers", "version": "1.0", "build": "0", "subdir": "noarch", "depends": []}


def entry(said):
    return Entry(Record(FILE, Sha256("0" * 64), None, None), json.dumps(said).encode(), False)


def over_http(channel):
    with channels.served(channel) as url, Fetcher(attempts=1) as fetcher:
        return mirror_source.subdirs(HttpOrigin(url, fetcher))


def test_a_record_about_its_file_passes_with_or_without_a_subdir():
    mirror_source.check(entry(SAID), "noarch")
    mirror_source.check(entry({key: value for key, value in SAID.items() if key != "subdir"}), "noarch")


@pytest.mark.parametrize(
    "lie", [{"name": "openssl"}, {"version": "9"}, {"build": None}, {"build": 0}, {"subdir": "linux-64"}]
)
def test_a_record_that_says_it_is_another_package_is_refused(lie):
    """The attestation is about numbers; solvers would install it as openssl."""
    with pytest.raises(Malformed) as refused:
        mirror_source.check(entry(SAID | lie), "noarch")
    assert refused.value.finding.code is Code.BIND_METADATA


@pytest.mark.parametrize("junk", [{"depends": {"x": 1}}, {"depends": "python"}, {"constrains": [1]}, {"depends": None}])
def test_a_record_that_would_make_clients_refuse_the_whole_index_is_refused(junk):
    with pytest.raises(Malformed, match="a list of texts"):
        mirror_source.check(entry(SAID | junk), "noarch")


def test_a_record_without_a_name_is_refused():
    with pytest.raises(Malformed, match="BIND-METADATA"):
        mirror_source.check(entry({key: value for key, value in SAID.items() if key != "name"}), "noarch")


@pytest.mark.parametrize("hostile", ["..", "../../etc", "a/b", "a\\b", "", ".hidden", "C:", "x\n", 7, None, "x" * 300])
def test_a_subdir_that_leads_elsewhere_is_refused(tmp_path, hostile):
    (tmp_path / "channeldata.json").write_text(json.dumps({"subdirs": ["noarch", hostile]}))
    with pytest.raises(Malformed, match="a subdir such as noarch"):
        over_http(tmp_path)


@pytest.mark.parametrize("document", [[], {}, {"subdirs": "noarch"}, {"subdirs": ["noarch"] * 1001}])
def test_what_is_no_list_of_subdirs_or_a_very_long_one_is_refused(tmp_path, document):
    (tmp_path / "channeldata.json").write_text(json.dumps(document))
    with pytest.raises(Malformed, match="a list of subdirs"):
        over_http(tmp_path)


def test_without_channeldata_a_web_server_says_none(tmp_path):
    with pytest.raises(Misuse, match="subdirs"):
        over_http(tmp_path)


def test_a_store_s_folders_that_can_be_no_subdir_are_passed_over(tmp_path):
    for name in ("noarch", "linux-64", "My Folder", "UP"):
        (tmp_path / name).mkdir()
    assert mirror_source.subdirs(StoreOrigin(Directory(tmp_path))) == ["linux-64", "noarch"]


def test_the_compressed_twin_is_read_first_and_only_what_is_wanted(channel):
    origin = StoreOrigin(Directory(channel))
    (channel / "noarch" / "repodata.json").write_text("junk")
    [found] = mirror_source.entries(origin, "noarch", lambda file: file == FILE)
    assert (found.record.file, json.loads(found.raw)["name"], found.later) == (FILE, "numbers", False)
    assert list(mirror_source.entries(origin, "win-64", lambda file: True)) == []
