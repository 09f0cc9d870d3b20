"""A package on its way: the end of it comes when all is right, or never."""

import asyncio
import hashlib
import json
import random
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import rattler

from condattest.proxy.packages import HELD_BACK
from tests.proxies import status
from tests.proxy.conftest import NEW, OLD
from tests.rehearsal import a_package, artifact_of, signed

BIG = "numbers-3.0-0.conda"


@pytest.fixture(scope="module")
def _big(tmp_path_factory):
    """Two megabytes that do not compress, and their sidecar."""
    folder = tmp_path_factory.mktemp("big")
    package = a_package(folder, "numbers", "3.0", payload=random.Random(1).randbytes(2_000_000))
    return package, b"[" + signed(package) + b"]"


@pytest.fixture
def big(channel, _big):
    """An attested package of two megabytes, in the channel's only index; gives its path there."""
    package, sidecar = _big
    folder = channel.folder / "channel" / "noarch"
    for file in [*folder.glob("*.zst"), *folder.glob("*.bz2")]:
        file.unlink()
    path = folder / package.name
    path.write_bytes(package.read_bytes())
    digest = hashlib.sha256(sidecar).hexdigest()
    path.with_name(f"{path.name}.sigs.{digest}").write_bytes(sidecar)
    index = folder / "repodata.json"
    document = json.loads(index.read_bytes())
    document["packages.conda"][BIG] = {
        **document["packages.conda"][NEW],
        "version": "3.0",
        "depends": [],
        "sha256": artifact_of(package).sha256,
        "md5": hashlib.md5(package.read_bytes()).hexdigest(),
        "size": package.stat().st_size,
        "attestations_sha256": digest,
    }
    index.write_text(json.dumps(document))
    return path


def read_all(url, path):
    """What comes over the connection until it is closed: the head, and the body as far as it came."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        data = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def spoiled(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return bytes(data)


def test_a_large_package_passes_and_is_kept(proxy, channel, big):
    running = proxy()
    for _ in range(2):
        response = running.get(f"/mine/noarch/{BIG}")
        assert response.content == big.read_bytes()
    assert channel.asked.count(f"/channel/noarch/{BIG}") == 1
    deadline = time.monotonic() + 30  # It is counted when it was sent, and the client may be quicker.
    while running.ledger.totals()[0] < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.ledger.totals()[0] == 2


@pytest.mark.parametrize("at", [0, 1_000_000, -1])
def test_a_large_package_with_another_byte_never_arrives_whole(proxy, big, at):
    running = proxy()
    data = spoiled(big, at)
    head, body = read_all(running.url, f"/mine/noarch/{BIG}")
    assert head.startswith(b"HTTP/1.1 200")
    assert f"content-length: {len(data)}".encode() in head.lower()
    assert data.startswith(body)
    assert len(body) <= len(data) - HELD_BACK
    with pytest.raises(httpx.RemoteProtocolError):
        running.get(f"/mine/noarch/{BIG}")
    assert running.ledger.totals() == (0, 2)
    assert running.ledger.refusals()[0].findings[0].code == "BIND-DIGEST"
    assert not [file for file in (running.folder / "served").iterdir() if file.stat().st_size > 100_000]


def test_a_part_of_a_package_that_is_wrong_elsewhere_is_refused(proxy, big):
    running = proxy()
    spoiled(big, -1)
    response = running.get(f"/mine/noarch/{BIG}", headers={"range": "bytes=0-9"})
    assert response.status_code == 403


def test_a_tampered_package_is_never_whole_on_a_client_s_disk(proxy, big, tmp_path):
    running = proxy()
    spoiled(big, -1)

    async def install():
        gateway = rattler.Gateway(cache_dir=tmp_path / "rattler")
        records = await rattler.solve(
            [rattler.Channel(f"{running.url}/mine")],
            ["numbers"],
            gateway=gateway,
            platforms=[rattler.Subdir("noarch")],
        )
        assert [str(record.version) for record in records] == ["3.0"]
        await rattler.install(records, tmp_path / "prefix", cache_dir=tmp_path / "packages", show_progress=False)

    with pytest.raises(Exception, match=r"."):
        asyncio.run(asyncio.wait_for(install(), 60))
    assert list(Path(tmp_path).glob("prefix/conda-meta/*.json")) == []
    assert list(Path(tmp_path).glob("packages/numbers*/info/index.json")) == []


def test_a_channel_that_stops_in_the_middle_is_cut_off_too(proxy, channel, big):
    running = proxy(deadline=1)
    data = big.read_bytes()

    def stop(handler):
        handler.send_response(200)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True

    channel.instead[BIG] = stop
    _, body = read_all(running.url, f"/mine/noarch/{BIG}")
    assert 0 < len(body) < len(data) // 2
    assert running.ledger.refusals()[0].findings[0].code.startswith("NET-")


def test_a_record_without_a_size_is_fetched_whole_before_it_is_sent(proxy, channel, big):
    index = big.with_name("repodata.json")
    document = json.loads(index.read_bytes())
    del document["packages.conda"][BIG]["size"]
    index.write_text(json.dumps(document))
    running = proxy()
    assert running.get(f"/mine/noarch/{BIG}").content == big.read_bytes()
    assert running.head(f"/mine/noarch/{BIG}").headers["content-length"] == str(big.stat().st_size)


def test_a_cache_that_cannot_be_written_refuses_and_serves_nothing_unchecked(proxy, channel):
    running = proxy()
    (running.folder / "served").mkdir(parents=True, exist_ok=True)
    (running.folder / "served").rmdir()
    (running.folder / "served").write_bytes(b"a file where a folder should be")
    response = running.get(f"/mine/noarch/{OLD}")
    assert response.status_code == 503
    assert response.json()["findings"][0]["code"] == "NET-FILE"


def test_an_attestation_that_cannot_be_had_leaves_it_undecided(proxy, channel):
    """Threat 40: never "unsigned"."""
    sidecar = next((channel.folder / "channel" / "noarch").glob(f"{OLD}.sigs.*"))
    channel.instead[sidecar.name] = status(503)
    response = proxy().get(f"/mine/noarch/{OLD}")
    assert (response.status_code, response.headers["retry-after"]) == (503, "30")
    assert response.json()["findings"][0]["code"] == "NET-UNAVAILABLE"
