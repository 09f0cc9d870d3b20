from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.channel import Channel
from condattest.proxy.paths import AsIs, IndexFile, PackagePath, Report, ShardFile, ShardIndexFile, parse

CHANNELS = {"mine": Channel("https://conda.example/t-c/mine"), "other": Channel("https://other.example")}
HEX = "a" * 64


@pytest.mark.parametrize(
    ("path", "kind", "url"),
    [
        ("/mine/noarch/repodata.json", IndexFile, "/noarch/repodata.json"),
        ("/mine/linux-64/repodata.json.zst", IndexFile, "/linux-64/repodata.json.zst"),
        ("/mine/noarch/current_repodata.json", IndexFile, "/noarch/current_repodata.json"),
        ("/mine/noarch/repodata_from_packages.json.bz2", IndexFile, "/noarch/repodata_from_packages.json.bz2"),
        ("/mine/noarch/repodata_shards.msgpack.zst", ShardIndexFile, "/noarch/repodata_shards.msgpack.zst"),
        ("/mine/noarch/a-1-0.conda", PackagePath, "/noarch/a-1-0.conda"),
        ("/mine/noarch/a-1!1+x-0.tar.bz2", PackagePath, "/noarch/a-1%211%2Bx-0.tar.bz2"),
        ("/mine/noarch/a-1%211%2bx-0.tar.bz2", PackagePath, "/noarch/a-1%211%2Bx-0.tar.bz2"),
        ("/mine/noarch/a-1-0.conda.sigs", AsIs, "/noarch/a-1-0.conda.sigs"),
        (f"/mine/noarch/a-1-0.conda.sigs.{HEX}", AsIs, f"/noarch/a-1-0.conda.sigs.{HEX}"),
        ("/mine/noarch/run_exports.json.zst", AsIs, "/noarch/run_exports.json.zst"),
        ("/mine/noarch/patches/head.json", AsIs, "/noarch/patches/head.json"),
        (f"/mine/noarch/patches/{HEX}.map.json.zst", AsIs, f"/noarch/patches/{HEX}.map.json.zst"),
        ("/mine/channeldata.json", AsIs, "/channeldata.json"),
    ],
)
def test_a_path_names_a_file_of_the_channel(path, kind, url):
    found = parse(path.encode(), CHANNELS)
    assert isinstance(found, kind)
    assert found.url == "https://conda.example/t-c/mine" + url


def test_a_shard_is_named_by_its_digest_alone():
    found = parse(f"/other/noarch/shards/{HEX}.msgpack.zst".encode(), CHANNELS)
    assert isinstance(found, ShardFile)
    assert found.digest == HEX


@pytest.mark.parametrize("path", ["/-/report", "/-/report.json"])
def test_the_report_has_its_own_paths(path):
    assert isinstance(parse(path.encode(), CHANNELS), Report)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/mine",
        "/mine/",
        "/mine/noarch",
        "/mine/noarch/",
        "//mine/noarch/repodata.json",
        "/unknown/noarch/repodata.json",
        "/mine/../other/noarch/repodata.json",
        "/mine/noarch/../noarch/repodata.json",
        "/mine/noarch/%2e%2e/repodata.json",
        "/mine/noarch/..%2frepodata.json",
        "/mine%2fnoarch/repodata.json",
        "/mine/noarch%2frepodata.json",
        "/mine/noarch/a%00-1-0.conda",
        "/mine/noarch/a\\-1-0.conda",
        "/mine/noarch/a-1-0.conda\n",
        "/mine/noarch/a-1-0.conda.sigs\n",
        "/mine/noarch/a-1-0.conda.sigs.sigs",
        "/mine/noarch/repodata.json.gz",
        "/mine/noarch/repodata.jlap",
        "/mine/noarch/patch_instructions.json",
        "/mine/noarch/index.html",
        "/mine/noarch/patches/../repodata.json",
        "/mine/noarch/patches/x",
        "/mine/NOARCH/repodata.json",
        "/mine/noarch/%ff.conda",
        "/mine/noarch/%C3%A4-1-0.conda",
        "/http://169.254.169.254/latest/meta-data",
        "http://elsewhere.example/mine/noarch/repodata.json",
        "/mine/http:/elsewhere.example/repodata.json",
        "/-/",
        "/-/report.html",
    ],
)
def test_another_path_names_nothing(path):
    assert parse(path.encode(), CHANNELS) is None


@given(
    st.lists(st.sampled_from(["mine", "noarch", "..", ".", "", "%2e%2e", "%2f", "shards", "patches", "a-1-0.conda"]))
)
def test_no_path_leads_out_of_the_channel(segments):
    found = parse(("/" + "/".join(segments)).encode(), CHANNELS)
    if found is not None and not isinstance(found, Report | ShardFile):
        assert found.url.startswith("https://conda.example/t-c/mine/")
        assert ".." not in urlsplit(found.url).path


@given(st.text(max_size=40))
def test_any_text_is_no_error(text):
    found = parse(quote(text, safe="/%").encode(), CHANNELS)
    assert found is None or isinstance(found, Report)
