import math
import time

import pytest

from condattest.formats.filtered import Filtered
from condattest.model.artifact import PackageFile
from condattest.model.finding import Code, Finding
from condattest.proxy.refused import Refused
from condattest.proxy.screens import Screened, held_in, unless_unknown
from tests.proxies import status
from tests.proxy.conftest import LETTERS, OLD

WHY = Finding.of(Code.NET_UNAVAILABLE, "x")


def screened(asked, unknown):
    return Screened(Filtered(b"", 0, {}), asked, (WHY,) * unknown)


def test_an_outage_is_told_from_a_package_that_cannot_be_decided():
    unless_unknown([])
    unless_unknown([screened(0, 0)])
    unless_unknown([screened(1, 1), screened(1, 0)])
    with pytest.raises(Refused) as caught:
        unless_unknown([screened(1, 1), screened(2, 2), screened(0, 0)])
    assert caught.value.status == 503


def test_one_attestation_that_cannot_be_had_leaves_one_record_out_for_now(proxy, channel):
    sidecar = next((channel.folder / "channel/noarch").glob(f"{OLD}.sigs.*")).name
    channel.instead[sidecar] = status(500)
    running = proxy(mode="verify")
    assert list(running.get("/mine/noarch/repodata.json").json()["packages.conda"]) == [LETTERS]
    del channel.instead[sidecar]
    assert list(running.get("/mine/noarch/repodata.json").json()["packages.conda"]) == [LETTERS, OLD]


def test_no_attestation_at_all_is_an_outage(proxy, channel):
    for sidecar in (channel.folder / "channel/noarch").glob("*.sigs.*"):
        channel.instead[sidecar.name] = status(500)
    running = proxy(mode="verify")
    assert running.get("/mine/noarch/repodata.json").status_code == 503
    assert running.get("/mine/noarch/repodata_shards.msgpack.zst").status_code == 503


def test_verified_records_are_judged_anew_after_a_while(proxy, channel):
    running = proxy(mode="verify")
    running.get("/mine/noarch/repodata.json")
    running.get("/mine/noarch/repodata_shards.msgpack.zst")
    [made] = running.app.index_files._made.values()
    assert 290 < made.until - time.monotonic() <= 300
    made.until = 0
    running.get("/mine/noarch/repodata.json")
    [again] = running.app.index_files._made.values()
    assert again is not made
    assert running.app.index_files.screens.lasting(600) == 6000


def test_what_goes_by_the_index_alone_lasts(proxy):
    assert proxy().app.index_files.screens.lasting(1) == math.inf


def test_a_record_is_held_only_where_one_is_wanted():
    data = b'{"packages.conda": {"a-1-0.conda": {"sha256": "%s", "depends": ["b"]}}}' % (b"a" * 64)
    file = PackageFile.parse("a-1-0.conda")
    assert held_in(data, "x", is_shard=False, wanted=False)(file) is None
    held = held_in(data, "x", is_shard=False, wanted=True)
    assert held(file)["depends"] == ["b"]
    assert held(PackageFile.parse("b-1-0.conda")) is None
