import json
import os
import threading
import time
from datetime import timedelta

import pytest

from condattest.proxy import index_files
from condattest.proxy.paths import IndexFile
from tests.proxy.conftest import LETTERS, OLD, policy_for
from tests.rehearsal import NOW

PLAIN = "/mine/noarch/repodata.json"


def rewrite(channel, change):
    path = channel.folder / "channel/noarch/repodata.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    later = time.time() + 10
    os.utime(path, (later, later))


def test_what_was_filtered_is_not_filtered_again(proxy, channel):
    running = proxy()
    first = running.get(PLAIN)
    [made] = running.app.index_files._made.values()
    again = running.get(PLAIN)
    assert again.content == first.content
    assert list(running.app.index_files._made.values()) == [made]
    assert channel.asked.count("/channel/noarch/repodata.json") == 1


def test_a_new_index_is_filtered_anew_when_the_channel_is_asked_again(proxy, channel):
    running = proxy()
    assert LETTERS in running.get(PLAIN).json()["packages.conda"]
    rewrite(channel, lambda document: document["packages.conda"].pop(LETTERS))
    [made] = running.app.index_files._made.values()
    made.asked -= 60
    assert list(running.get(PLAIN).json()["packages.conda"]) == [OLD]


def test_an_exception_that_ends_changes_what_is_listed(proxy, channel):
    end = NOW + timedelta(hours=1)
    policy = policy_for(f"{channel.url}/channel", action="report", reason="soon", expires=end)
    running = proxy(policy=policy)
    assert len(running.get(PLAIN).json()["packages.conda"]) == 3
    running.gate.clock = lambda: end
    assert len(running.get(PLAIN).json()["packages.conda"]) == 2


def test_many_clients_at_once_make_it_once(proxy, channel):
    running = proxy(mode="verify")
    got = []
    threads = [threading.Thread(target=lambda: got.append(running.get(PLAIN).content)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert channel.asked.count("/channel/noarch/repodata.json") == 1


def test_not_all_threads_wait_for_what_takes_minutes(proxy):
    running = proxy()
    running.get(PLAIN)
    [turn] = running.app.index_files._turns.values()
    running.app.index_files.patience = 0.05
    with turn:
        response = running.get(PLAIN)
    assert response.status_code == 503
    assert "still being verified" in response.text
    assert running.get(PLAIN).status_code == 200


def test_what_the_shelf_has_no_room_for_is_served_all_the_same(proxy):
    running = proxy(size=100)
    first = running.get(PLAIN)
    assert running.get(PLAIN).content == first.content
    assert first.status_code == 200


def test_an_entry_of_the_shelf_that_is_gone_is_made_again(proxy):
    running = proxy()
    first = running.get(PLAIN).content
    for file in (running.folder / "served").iterdir():
        file.write_bytes(b"evil")
    assert running.get(PLAIN).content == first


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"packages": {}, "packages": {}}'])
def test_what_is_no_index_is_a_bad_gateway(proxy, channel, body):
    (channel.folder / "channel/noarch/repodata.json").write_bytes(body)
    response = proxy().get(PLAIN)
    assert (response.status_code, response.json()["findings"][0]["code"]) == (502, "NET-UNAVAILABLE")


def test_a_twin_that_does_not_unpack_is_a_bad_gateway(proxy, channel):
    for coding in (".zst", ".bz2"):
        (channel.folder / f"channel/noarch/repodata.json{coding}").write_bytes(b"x")
        assert proxy().get(PLAIN + coding).status_code == 502


def test_a_body_is_what_the_name_says(proxy):
    running = proxy()
    at = IndexFile("mine", running.app.channels["mine"], "noarch", "repodata", "")
    body = running.app.index_files.get(at)
    assert isinstance(body, index_files.Body)
    assert body.sheet.left_out == 1
