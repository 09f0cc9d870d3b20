import json
import os
import time

import pytest

from condattest.errors import Malformed, Unavailable
from condattest.model.artifact import PackageFile
from condattest.model.verdict import Accepted, Rejected
from condattest.proxy.paths import PackagePath
from tests.proxies import status
from tests.proxy.conftest import NEW, OLD


def at(running, name):
    return PackagePath("mine", running.app.channels["mine"], "noarch", PackageFile.parse(name))


def test_the_verdict_is_that_of_verify(proxy):
    gate = (running := proxy()).gate
    old, new = at(running, OLD), at(running, NEW)
    assert isinstance(gate.verdict(old, gate.record(old).sha256).verdict, Accepted)
    assert isinstance(gate.verdict(new, gate.record(new).sha256).verdict, Rejected)


def test_an_index_is_read_once_for_many_packages(proxy, channel):
    gate = (running := proxy()).gate
    for _ in range(5):
        gate.record(at(running, OLD))
        gate.record(at(running, NEW))
    assert len([path for path in channel.asked if path.endswith("repodata_shards.msgpack.zst")]) == 1


def test_a_package_that_was_just_listed_is_found(proxy, channel):
    folder = channel.folder / "channel/noarch"
    for file in [*folder.glob("*.zst"), *folder.glob("*.bz2")]:
        file.unlink()
    path = folder / "repodata.json"
    full = path.read_bytes()
    document = json.loads(full)
    del document["packages.conda"][OLD]
    path.write_text(json.dumps(document))
    gate = (running := proxy()).gate
    with pytest.raises(Malformed):
        gate.record(at(running, OLD))
    path.write_bytes(full)
    os.utime(path, (time.time() + 10,) * 2)
    with pytest.raises(Malformed):
        gate.record(at(running, OLD))  # Not each such request makes one to the channel.
    gate._read.at -= 5
    assert gate.record(at(running, OLD)).sha256


def test_a_failure_is_not_remembered(proxy, channel):
    gate = (running := proxy()).gate
    channel.instead["repodata_shards.msgpack.zst"] = status(500)
    with pytest.raises(Unavailable):
        gate.record(at(running, OLD))
    channel.instead.clear()
    assert gate.record(at(running, OLD)).sha256


def test_what_was_seen_is_written_down_now_and_then(proxy):
    saved = []
    gate = (running := proxy()).gate
    gate.on_save = lambda: saved.append(1)
    old = at(running, OLD)
    gate.verdict(old, gate.record(old).sha256)
    assert saved == []
    gate._saved -= 60
    gate.verdict(old, gate.record(old).sha256)
    gate.verdict(old, gate.record(old).sha256)
    assert saved == [1]
