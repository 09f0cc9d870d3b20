import pytest

from condattest.model.finding import Code, Finding
from condattest.patches.patched import Patched, passed_over, server_keys, unlisted
from tests.patches.instructions import read


@pytest.mark.parametrize(
    ("codes", "served"),
    [
        ([], True),
        ([Code.PATCH_DROPPED], True),
        ([Code.PATCH_SERVER_KEY], True),
        ([Code.PATCH_CRASH], False),
        ([Code.PATCH_DROPPED, Code.PATCH_UNREPRODUCED], False),
    ],
)
def test_a_document_is_served_where_nothing_fails_and_nothing_is_unknown(codes, served):
    assert Patched({}, tuple(Finding(code) for code in codes)).served is served


def test_server_keys_are_found_in_every_section_whether_or_not_a_file_is_listed():
    keys = {"sha256": "0" * 64, "license": "A", "fn": None}
    document = {
        "packages": {"x-1-0.tar.bz2": keys, "y-1-0.tar.bz2": {"license": "A"}},
        "packages.conda": {"x-1-0.conda": {"size": 1}},
        "v3": {"conda": {"x-1-0": {"url": "u"}}, "zip": {"x": {"md5": 1}}, "new": [], "other": {"x": "md5"}},
    }
    found = [(each.code, each.where, each.facts["keys"]) for each in server_keys(read(document))]
    assert found == [
        (Code.PATCH_SERVER_KEY, "packages/x-1-0.tar.bz2", "fn, sha256"),
        (Code.PATCH_SERVER_KEY, "packages.conda/x-1-0.conda", "size"),
        (Code.PATCH_SERVER_KEY, "v3.conda/x-1-0", "url"),
        (Code.PATCH_SERVER_KEY, "v3.zip/x", "md5"),
    ]


def test_unlisted_files_are_one_finding():
    assert list(unlisted("remove", [])) == []
    (finding,) = unlisted("remove", ["b", "a", "c"])
    assert finding.where == "remove"
    assert (finding.facts["files"], finding.facts["first"]) == ("3", "a")


def test_parts_that_an_indexer_does_not_know_are_told_if_they_say_anything():
    document = {"patch_instructions_version": 1, "revoke": ["x-1-0.conda"], "v3": {}, "b": 1, "a": None}
    assert [each.where for each in passed_over(read(document), "revoke", "v3")] == ["revoke", "a", "b"]
    assert [each.where for each in passed_over(read(document), "v3")] == ["a", "b"]
