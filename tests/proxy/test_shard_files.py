"""Shards, and py-rattler that solves and installs by them."""

import asyncio
import hashlib
import json
import shutil
import threading
from pathlib import Path

import msgspec
import pytest
import rattler

from condattest.formats import compression, shards
from condattest.model.finding import Code
from tests.proxies import status
from tests.proxy.conftest import LETTERS, OLD

INDEX = "/mine/noarch/repodata_shards.msgpack.zst"


def read(running):
    return shards.read_index(running.get(INDEX).content, where="index")


def content(data):
    return msgspec.msgpack.decode(compression.unzstd(data, limit=1 << 20, code=Code.NET_UNAVAILABLE, where=""))


@pytest.mark.parametrize("mode", ["index", "verify"])
def test_the_index_names_shards_without_what_is_rejected(proxy, mode):
    running = proxy(mode=mode)
    index = read(running)
    listed = []
    for digest in index.shards.values():
        shard = running.get(f"/mine/noarch/shards/{digest.hex()}.msgpack.zst").content
        assert hashlib.sha256(shard).digest() == digest
        listed += content(shard)["packages.conda"]
    assert sorted(listed) == [LETTERS, OLD]
    assert running.get("/-/report.json").json()["indexes"][0]["byCode"] == {"MISSING-ATTESTATION": 1}


def test_a_shard_that_lost_nothing_keeps_its_digest_and_a_name_without_records_goes(proxy, channel):
    before = shards.read_index(
        (channel.folder / "channel/noarch/repodata_shards.msgpack.zst").read_bytes(), where="index"
    )
    letters = next((channel.folder / "channel/noarch").glob("letters*.sigs.*"))
    channel.instead[letters.name] = status(500)
    assert read(proxy()).shards["letters"] == before.shards["letters"]
    assert set(read(proxy(mode="verify")).shards) == {"numbers"}


def test_a_shard_that_no_index_named_is_not_found(proxy, channel):
    running = proxy()
    upstream = shards.read_index(
        (channel.folder / "channel/noarch/repodata_shards.msgpack.zst").read_bytes(), where="index"
    )
    unfiltered = upstream.shards["numbers"].hex()
    assert running.get(f"/mine/noarch/shards/{unfiltered}.msgpack.zst").status_code == 404
    read(running)
    assert running.get(f"/mine/noarch/shards/{unfiltered}.msgpack.zst").status_code == 404


def test_a_shard_that_the_cache_lost_is_made_again(proxy):
    running = proxy()
    digest = read(running).shards["numbers"].hex()
    for file in (running.folder / "served").iterdir():
        file.unlink()
    assert hashlib.sha256(running.get(f"/mine/noarch/shards/{digest}.msgpack.zst").content).hexdigest() == digest


@pytest.mark.parametrize("how", ["gone", "other bytes"])
def test_a_shard_that_cannot_be_had_is_an_error_and_no_smaller_index(proxy, channel, how):
    upstream = shards.read_index(
        (channel.folder / "channel/noarch/repodata_shards.msgpack.zst").read_bytes(), where="index"
    )
    path = next((channel.folder / "channel/noarch").rglob(f"{upstream.shards['numbers'].hex()}.msgpack.zst"))
    if how == "gone":
        channel.instead[path.name] = status(500)
    else:
        path.write_bytes(b"x")
    assert proxy().get(INDEX).status_code == 502


def test_while_shards_are_filtered_there_is_no_index_and_later_there_is(proxy, channel):
    """Clients go by repodata.json then; a channel of 20,000 names takes its time."""
    go = threading.Event()
    upstream = shards.read_index(
        (channel.folder / "channel/noarch/repodata_shards.msgpack.zst").read_bytes(), where="index"
    )
    path = next((channel.folder / "channel/noarch").rglob(f"{upstream.shards['numbers'].hex()}.msgpack.zst"))

    def wait(handler):
        go.wait(10)
        data = path.read_bytes()
        handler.send_response(200)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    channel.instead[path.name] = wait
    running = proxy(patience=0.1)
    assert running.get(INDEX).status_code == 404
    go.set()
    running.app.shard_files.patience = 10
    assert set(read(running).shards) == {"letters", "numbers"}


async def _install(url, tmp_path, specs, client=None, source=None):
    gateway = rattler.Gateway(cache_dir=tmp_path / "rattler", **({} if client is None else {"client": client}))
    records = await rattler.solve(
        [rattler.Channel(source or f"{url}/mine")], specs, gateway=gateway, platforms=[rattler.Subdir("noarch")]
    )
    await rattler.install(
        records, tmp_path / "prefix", cache_dir=tmp_path / "packages", show_progress=False, client=client
    )
    return records


def installed(prefix):
    return {json.loads(file.read_bytes())["fn"] for file in Path(prefix).glob("conda-meta/*.json")}


@pytest.mark.parametrize("form", ["shards", "zst", "json"])
def test_a_solver_takes_the_older_version_that_is_attested(proxy, channel, tmp_path, form):
    for pattern in {"shards": [], "zst": ["*_shards*"], "json": ["*_shards*", "*.json.zst", "*.bz2"]}[form]:
        for file in (channel.folder / "channel").glob(f"noarch/{pattern}"):
            file.unlink()
    running = proxy()
    records = asyncio.run(_install(running.url, tmp_path, ["numbers"]))
    assert sorted(record.file_name for record in records) == [LETTERS, OLD]
    assert installed(tmp_path / "prefix") == {LETTERS, OLD}
    by_shards = [path for path in channel.asked if path.endswith(".msgpack.zst")]
    assert bool([path for path in by_shards if "repodata_shards" not in path]) == (form == "shards")
    with pytest.raises(Exception, match="numbers"):
        asyncio.run(_install(running.url, tmp_path, ["numbers >=2"]))


@pytest.mark.parametrize("form", ["shards", "json"])
@pytest.mark.parametrize("relation", ["base", "overrides"])
def test_no_index_leads_a_client_to_another_channel(proxy, channel, tmp_path, form, relation):
    """CEP 42: solvers take packages of channels that an index names, and of those the proxy may be no mirror."""
    noarch = channel.folder / "channel" / "noarch"
    shutil.copytree(noarch.parent, channel.folder / "elsewhere")
    relations = {relation: "../elsewhere"}
    for file in [*noarch.glob("*.json.*"), *([] if form == "shards" else noarch.glob("*_shards*"))]:
        file.unlink()
    if form == "shards":
        path = noarch / "repodata_shards.msgpack.zst"
        document = content(path.read_bytes())
        document["info"]["channel_relations"] = relations
        path.write_bytes(compression.zstd_small(msgspec.msgpack.encode(document)))
        document = content(proxy().get(INDEX).content)
    else:
        document = json.loads((noarch / "repodata.json").read_bytes())
        document["info"]["channel_relations"] = relations
        (noarch / "repodata.json").write_text(json.dumps(document))
        document = proxy().get("/mine/noarch/repodata.json").json()
    assert document["info"]["channel_relations"] == {}
    running, home = proxy(), f"{channel.url}/channel"
    client = rattler.Client([rattler.networking.MirrorMiddleware({home: [f"{running.url}/mine"]})])
    asyncio.run(_install(running.url, tmp_path, ["numbers"], client=client, source=home))
    assert installed(tmp_path / "prefix") == {LETTERS, OLD}
    assert [path for path in channel.asked if path.startswith("/elsewhere")] == []


def test_a_client_with_the_proxy_for_a_mirror_records_where_packages_are_from(proxy, channel, tmp_path):
    """What pixi's [mirrors] does."""
    running = proxy()
    home = "https://conda.example/channel"
    client = rattler.Client([rattler.networking.MirrorMiddleware({home: [f"{running.url}/mine"]})])
    asyncio.run(_install(running.url, tmp_path, ["numbers"], client=client, source=home))
    assert installed(tmp_path / "prefix") == {LETTERS, OLD}
    meta = json.loads((tmp_path / "prefix" / "conda-meta" / OLD.replace(".conda", ".json")).read_bytes())
    assert meta["url"] == f"{home}/noarch/{OLD}"
