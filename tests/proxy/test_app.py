"""Requests as clients make them, over a socket."""

import hashlib
import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from condattest.formats import compression
from condattest.model.finding import Code
from condattest.transport.file_memory import FileMemory
from tests.proxies import status
from tests.proxy.conftest import LETTERS, NEW, OLD


def codes(response):
    return [finding["code"] for finding in response.json()["findings"]]


def raw(url, request: bytes) -> bytes:
    """Send bytes as they are; httpx would tidy a path up."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("mode", ["index", "verify"])
def test_an_unattested_record_is_left_out_and_its_package_refused(proxy, channel, mode):
    running = proxy(mode=mode)
    listed = running.get("/mine/noarch/repodata.json")
    assert list(listed.json()["packages.conda"]) == [LETTERS, OLD]
    assert listed.headers["x-condattest"] == "filtered; kept=2; left-out=1"
    refused = running.get(f"/mine/noarch/{NEW}")
    assert (refused.status_code, codes(refused)) == (403, ["MISSING-ATTESTATION"])
    assert refused.json()["findings"][0]["message"].startswith("no attestation was found")
    served = running.get(f"/mine/noarch/{OLD}")
    assert served.content == (channel.folder / "channel" / "noarch" / OLD).read_bytes()
    report = running.get("/-/report.json").json()
    assert {index["byCode"]["MISSING-ATTESTATION"] for index in report["indexes"]} == {1}
    assert [each["path"] for each in report["refused"]["latest"]] == [f"mine/noarch/{NEW}"]
    page = running.get("/-/report")
    assert NEW in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_twins_say_the_same(proxy):
    running = proxy()
    plain = running.get("/mine/noarch/repodata.json").content
    packed = running.get("/mine/noarch/repodata.json.zst").content
    assert compression.unzstd(packed, limit=1 << 20, code=Code.NET_UNAVAILABLE, where="") == plain
    packed = running.get("/mine/noarch/repodata.json.bz2").content
    assert compression.unbz2(packed, limit=1 << 20, code=Code.NET_UNAVAILABLE, where="") == plain


@pytest.mark.parametrize("path", ["repodata.json", "repodata_shards.msgpack.zst", OLD, f"{OLD}.sigs"])
def test_a_client_that_has_it_is_told_so(proxy, path):
    running = proxy()
    first = running.get(f"/mine/noarch/{path}")
    again = running.get(f"/mine/noarch/{path}", headers={"if-none-match": f'"x", {first.headers["etag"]}'})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    other = running.get(f"/mine/noarch/{path}", headers={"if-none-match": '"x"'})
    assert other.content == first.content


@pytest.mark.parametrize("kept", [True, False])
def test_head_tells_what_get_would(proxy, channel, kept):
    running = proxy()
    size = (channel.folder / "channel" / "noarch" / OLD).stat().st_size
    if kept:
        running.get(f"/mine/noarch/{OLD}")
    head = running.head(f"/mine/noarch/{OLD}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    assert running.head(f"/mine/noarch/{NEW}").status_code == 403
    assert running.head("/mine/noarch/repodata.json").headers["content-length"] == str(
        len(running.get("/mine/noarch/repodata.json").content)
    )


def test_head_of_a_package_that_the_channel_lost_is_not_found(proxy, channel):
    running = proxy()
    (channel.folder / "channel" / "noarch" / OLD).unlink()
    assert running.head(f"/mine/noarch/{OLD}").status_code == 404
    assert running.get(f"/mine/noarch/{OLD}").status_code == 404


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)), ("bytes=-5", slice(-5, None))],
)
def test_a_part_is_sent_when_the_whole_is_verified(proxy, channel, kept, asked, part):
    running = proxy()
    data = (channel.folder / "channel" / "noarch" / OLD).read_bytes()
    if kept:
        running.get(f"/mine/noarch/{OLD}")
    response = running.get(f"/mine/noarch/{OLD}", headers={"range": asked})
    assert (response.status_code, response.content) == (206, data[part])
    assert response.headers["content-range"].endswith(f"/{len(data)}")


def test_a_part_of_another_state_is_the_whole_and_one_outside_is_refused(proxy, channel):
    running = proxy()
    size = (channel.folder / "channel" / "noarch" / OLD).stat().st_size
    other = running.get(f"/mine/noarch/{OLD}", headers={"range": "bytes=0-9", "if-range": '"x"'})
    assert (other.status_code, len(other.content)) == (200, size)
    outside = running.get(f"/mine/noarch/{OLD}", headers={"range": f"bytes={size}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")


def test_a_package_is_fetched_from_the_channel_once(proxy, channel):
    running = proxy()
    for _ in range(3):
        assert running.get(f"/mine/noarch/{OLD}").status_code == 200
    assert channel.asked.count(f"/channel/noarch/{OLD}") == 1


def test_what_is_kept_is_judged_each_time(proxy, channel):
    """A verdict is never kept: the channel lost the record, and the package is no longer served."""
    running = proxy()
    assert running.get(f"/mine/noarch/{OLD}").status_code == 200
    running.gate.clock = lambda: (_ for _ in ()).throw(AssertionError)  # Whatever is asked, the gate is.
    with pytest.raises(httpx.HTTPError):
        running.get(f"/mine/noarch/{OLD}").raise_for_status()


def test_an_entry_of_the_cache_that_was_changed_is_fetched_again(proxy, channel):
    """Threat 46."""
    running = proxy()
    data = running.get(f"/mine/noarch/{OLD}").content
    [entry] = [file for file in (running.folder / "served").iterdir() if file.read_bytes() == data]
    entry.write_bytes(b"evil" + data[4:])
    assert running.get(f"/mine/noarch/{OLD}").content == data
    assert channel.asked.count(f"/channel/noarch/{OLD}") == 2


@pytest.mark.parametrize("code", [404, 500, 503])
@pytest.mark.parametrize(
    "path",
    ["repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", OLD, f"{OLD}.sigs", "run_exports.json"],
)
def test_an_outage_is_an_error_and_never_an_empty_answer(proxy, channel, path, code):
    running = proxy()
    channel.instead[path] = status(code)
    response = running.get(f"/mine/noarch/{path}")
    assert response.status_code == (404 if code == 404 else 502)
    assert codes(response) == ["NET-NOT-FOUND" if code == 404 else "NET-UNAVAILABLE"]
    if code != 404:
        assert running.get("/-/report.json").json()["refused"]["latest"][0]["path"] == f"mine/noarch/{path}"
        del channel.instead[path]
        assert running.get(f"/mine/noarch/{path}").status_code in (200, 404)  # It is not remembered.


def test_a_channel_that_is_gone_is_a_bad_gateway(proxy, channel, tmp_path):
    running = proxy()
    for path in ("repodata.json", OLD):
        channel.instead[path] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    assert running.get("/mine/noarch/repodata.json").status_code == 502
    assert running.get(f"/mine/noarch/{OLD}").status_code == 502


@pytest.mark.parametrize("missing", ["numbers-9.0-0.conda", "unknown-1.0-0.conda"])
def test_a_package_that_no_index_lists_is_not_found(proxy, channel, missing):
    running = proxy()
    (channel.folder / "channel" / "noarch" / missing).write_bytes(b"there, but not listed")
    response = running.get(f"/mine/noarch/{missing}")
    assert (response.status_code, codes(response)) == (404, ["MISSING-PACKAGE"])


@pytest.mark.parametrize(
    "path",
    [
        b"/mine/../channel/noarch/repodata.json",
        b"/mine/noarch/..%2f..%2f..%2fetc/passwd",
        b"http://127.0.0.1:1/mine/noarch/repodata.json",
        b"//127.0.0.1:1/repodata.json",
        b"/mine/noarch/%2e%2e/noarch/repodata.json",
        b"/mine/noarch/" + b"a" * 9000 + b"-1-0.conda",
    ],
)
def test_it_is_no_open_proxy(proxy, channel, path):
    running = proxy()
    answer = raw(running.url, b"GET " + path + b" HTTP/1.1\r\nhost: elsewhere.example\r\nconnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
    assert channel.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "CONNECT", "OPTIONS"])
def test_another_method_is_refused(proxy, channel, method):
    answer = raw(
        proxy().url, f"{method} /mine/noarch/repodata.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 40")
    assert channel.asked == []


def test_nothing_of_a_client_s_request_goes_to_the_channel(proxy, channel):
    """Threat 68: credentials are for the proxy, if for anybody."""
    seen = []

    def answer(handler):
        seen.append({key.lower() for key in handler.headers})
        status(404)(handler)

    channel.instead["run_exports.json"] = answer
    headers = {"authorization": "Bearer x", "cookie": "a=b", "x-forwarded-for": "1.2.3.4", "range": "bytes=0-1"}
    proxy().get("/mine/noarch/run_exports.json?token=x", headers=headers)
    assert seen == [{"host", "accept", "accept-encoding", "connection", "user-agent"}]


def test_what_was_accepted_is_remembered(proxy, tmp_path):
    """Threat 45's other half: the memory of `verify` is the proxy's, too."""
    memory = FileMemory(tmp_path / "state")
    running = proxy(memory=memory)
    running.get(f"/mine/noarch/{OLD}")
    from tests.proxy.conftest import HOME

    assert memory.attested(HOME, "numbers") is not None


def test_etags_are_the_digests_of_what_is_served(proxy):
    running = proxy()
    for path in ("repodata.json", "repodata.json.zst", OLD, f"{OLD}.sigs"):
        response = running.get(f"/mine/noarch/{path}")
        assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'
    assert json.loads(running.get("/mine/noarch/repodata.json").content)["info"] == {"subdir": "noarch"}
