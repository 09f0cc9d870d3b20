"""Uploads to a server on this machine that takes prefix.dev's requests, and nothing but them."""

import hashlib
import io
import json
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import LocalFailure, Misuse, ServiceFailed, Unavailable
from condattest.model.artifact import PackageFile, Sha256
from condattest.transport import prefix_dev
from condattest.transport.post import Patience
from condattest.transport.prefix_dev import Upload
from tests.prefix_dev_server import TOKEN, Server, serving
from tests.transport.conftest import TRUSTS_NOBODY

FILE = PackageFile.parse("numbers-1.0-h1_0.conda")
HASTY = Patience(deadline=10, attempts=3, first_wait=0.0, longest_wait=0.0)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def digest_of(data):
    return Sha256(hashlib.sha256(data).hexdigest())


def upload(server, data=b"package", attestation=b'{"bundle": 1}', *, opened=None, sha256=None, **how):
    return prefix_dev.upload(
        server.url,
        how.pop("channel", "my-channel"),
        FILE,
        io.BytesIO(data) if opened is None else opened,
        sha256 or digest_of(data),
        attestation,
        token=how.pop("token", TOKEN),
        patience=HASTY,
        ssl_context=TRUSTS_NOBODY,
        **how,
    )


def test_a_package_and_its_attestation_go_in_one_request(server, tmp_path):
    path = tmp_path / "any name"
    path.write_bytes(b"package")
    assert upload(server, opened=path) == Upload("uploaded", "HTTP 201")
    [taken] = server.taken
    assert taken.target == "/api/v1/upload/my-channel"
    assert taken.authorization == f"Bearer {TOKEN}"
    assert taken.parts == [
        (
            {
                "content-disposition": f'form-data; name="file"; filename="{FILE}"',
                "content-type": "application/octet-stream",
                "content-length": "7",
                "x-file-name": str(FILE),
                "x-file-sha256": digest_of(b"package"),
            },
            b"package",
        ),
        ({"content-disposition": 'form-data; name="attestation"'}, b'{"bundle": 1}'),
    ]


def test_an_attestation_can_be_left_out(server):
    upload(server, attestation=None)
    assert [part[0]["content-disposition"].split('"')[1] for part in server.taken[0].parts] == ["file"]


def test_force_is_asked_for_in_the_query(server):
    upload(server, force=True)
    assert server.taken[0].target == "/api/v1/upload/my-channel?force=true"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_every_success_is_one(server, status):
    server.answers = [(status, b"thanks")]
    assert upload(server).status == "uploaded"


@given(data=st.binary(min_size=1, max_size=200_000), attestation=st.none() | st.binary(max_size=2000))
@settings(max_examples=25, deadline=None)
def test_whatever_the_bytes_they_arrive(data, attestation):
    with serving() as server:
        upload(server, data, attestation)
        contents = [content for _, content in server.taken[0].parts]
    assert contents == [data] if attestation is None else [data, attestation]


def test_an_open_file_is_read_from_its_start_and_stays_open(server, tmp_path):
    path = tmp_path / str(FILE)
    path.write_bytes(b"package")
    with path.open("rb") as opened:
        opened.read(3)
        upload(server, opened=opened)
        opened.seek(0)
        assert opened.read() == b"package"
    assert server.taken[0].parts[0][1] == b"package"


class Watched(io.BytesIO):
    """A file that keeps account of how it is read."""

    def __init__(self, data):
        super().__init__(data)
        self.asked = []

    def read(self, size=-1):
        self.asked.append(size)
        return super().read(size)


def test_a_large_package_is_streamed(server):
    data = bytes(range(256)) * (5 << 12)  # 5 MiB
    opened = Watched(data)
    server.reads_bodies = True
    upload(server, opened=opened, sha256=digest_of(data))
    assert server.taken[0].parts[0][1] == data
    assert len(opened.asked) >= 5 << 4
    assert all(0 < size <= 64 * 1024 for size in opened.asked)


def test_a_large_package_is_not_held_in_memory(tmp_path):
    path = tmp_path / str(FILE)
    path.write_bytes(bytes(16 << 20))

    class Counting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 65536)))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *args):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    digest = digest_of(path.read_bytes())
    tracemalloc.start()
    try:
        upload(Server(f"http://127.0.0.1:{listener.server_address[1]}"), opened=path, sha256=digest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        listener.shutdown()
        listener.server_close()
        thread.join()
    assert peak < 6 << 20


def test_a_failure_of_the_server_is_tried_again_with_the_whole_body(server):
    server.answers = [(500, b"oops"), (503, b""), (201, b"")]
    assert upload(server).status == "uploaded"
    assert [taken.parts[0][1] for taken in server.taken] == [b"package"] * 3


def test_a_server_that_stays_ill_is_unavailable(server):
    server.answers = [(500, b"oops")]
    with pytest.raises(Unavailable, match="HTTP 500: oops"):
        upload(server)
    assert len(server.taken) == 3


@pytest.mark.parametrize(
    ("status", "meaning", "hint"),
    [
        (400, "does not understand", "what the server says"),
        (401, "does not take the token", "API key"),
        (403, "may not upload", "write access"),
        (404, "no such channel", "name"),
        (409, "is there already", "build number"),
        (413, "larger than the server takes", "smaller"),
        (422, "does not pass", "attestation"),
        (451, "refuses", "what the server says"),
    ],
)
def test_a_refusal_says_what_it_means_and_what_to_do(server, status, meaning, hint):
    server.answers = [(status, f"because of {TOKEN}\x1b[31m".encode())]
    with pytest.raises(ServiceFailed) as caught:
        upload(server)
    text = str(caught.value)
    assert meaning in text
    assert f"HTTP {status}: because of <token>\\x1b[31m" in text
    assert TOKEN not in text + caught.value.hint + repr(caught.value)
    assert hint in caught.value.hint
    assert len(server.taken) == 1


def test_a_refusal_of_a_large_package_before_it_is_read_is_told(server):
    """Servers refuse by the headers alone, and close."""
    server.reads_bodies = False
    server.answers = [(401, b"no")]
    with pytest.raises(Unavailable) as caught:
        upload(server, bytes(32 << 20))
    # Where the close overtakes the answer, the connection is what failed.
    assert "does not take the token" in str(caught.value) or "connection failed" in str(caught.value)


def test_an_existing_package_can_be_skipped(server):
    server.answers = [(409, b"exists")]
    assert upload(server, skip_existing=True) == Upload(
        "already-there", "a package of this name was there already (HTTP 409: exists)"
    )


def test_a_package_that_a_lost_attempt_may_have_brought_is_told_apart(server):
    """The server kept the package and then answered 502: the next attempt meets its own work."""
    server.answers = [(502, b"gateway"), (409, b"exists")]
    with pytest.raises(ServiceFailed) as caught:
        upload(server)
    assert "HTTP 502: gateway" in str(caught.value)
    assert digest_of(b"package") in caught.value.hint


def test_other_bytes_than_were_checked_are_never_sent_whole(server):
    """The file is swapped between the check of its attestation and the upload."""
    with pytest.raises(LocalFailure, match="expected the digest"):
        upload(server, bytes(300_000), sha256=digest_of(b"what was checked"))
    assert server.taken == []


@pytest.mark.parametrize("change", [-10, 10])
def test_a_file_that_shrinks_or_grows_is_not_sent_as_another(server, change):
    data = bytes(100_000)

    class Changing(io.BytesIO):
        def seek(self, offset, whence=0):
            at = super().seek(offset, whence)
            return at if whence == 0 else at - change

    opened = Changing(data)
    if change > 0:  # It grew after its size was taken: what is sent is what it was.
        assert upload(server, opened=opened, sha256=digest_of(data[:-change])).status == "uploaded"
        assert server.taken[0].parts[0][1] == data[:-change]
    else:
        with pytest.raises(LocalFailure):
            upload(server, opened=opened, sha256=digest_of(data))
        assert server.taken == []


def test_an_empty_file_is_not_uploaded(server):
    with pytest.raises(LocalFailure):
        upload(server, b"")
    assert server.taken == []


def test_a_file_that_cannot_be_read_is_the_machines_fault(server):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(LocalFailure, match="Input/output error"):
        upload(server, opened=Failing(b"package"))
    assert server.taken == []


@pytest.mark.parametrize(
    "channel", ["", "a/b", "..", ".", "a?force=true", "a b", "a%2fb", "a#b", "ü", "a\n", "x" * 129]
)
def test_a_channel_that_would_change_the_url_is_refused(server, channel):
    with pytest.raises(Misuse, match="name of a channel"):
        upload(server, channel=channel)
    assert server.taken == []


@pytest.mark.parametrize("how", [{"token": ""}, {"token": "a\r\nb"}, {"force": True, "skip_existing": True}])
def test_wrong_use_opens_no_connection(server, how):
    with pytest.raises(Misuse):
        upload(server, **how)
    assert server.taken == []


def test_a_missing_file_is_misuse(server, tmp_path):
    with pytest.raises(Misuse, match="no such file"):
        upload(server, opened=tmp_path / "none.conda")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://prefix.dev", "prefix.dev"),
        ("https://beta.prefix.dev", "prefix.dev"),
        ("https://evil-prefix.dev", "evil-prefix.dev"),
        ("https://conda.example.com:8443", "conda.example.com"),
        ("https://Conda.Example.com", "conda.example.com"),
    ],
)
def test_the_audience_is_the_servers(url, wanted):
    assert prefix_dev.audience(url) == wanted


def identity(**claims):
    return jwt.encode({"aud": "127.0.0.1", "sub": "me", **claims}, "k" * 32, algorithm="HS256")


def mint(server, token):
    return prefix_dev.mint(server.url, token, patience=HASTY, ssl_context=TRUSTS_NOBODY)


@pytest.mark.parametrize("aud", ["127.0.0.1", ["127.0.0.1"]])
def test_an_identity_token_is_exchanged(server, aud):
    server.answers = [(500, b""), (200, b"pfx-jwt.minted\n")]
    token = identity(aud=aud)
    assert mint(server, token) == "pfx-jwt.minted"
    assert [json.loads(taken.parts[0][1]) for taken in server.taken] == [{"token": token}] * 2


@pytest.mark.parametrize("aud", ["sigstore", "prefix.dev", ["127.0.0.1", "sigstore"], None, 7, {}])
def test_an_identity_token_for_somebody_else_is_not_given_away(server, aud):
    """A server that got a token made out to Sigstore could sign as the job."""
    token = jwt.api_jws.encode(json.dumps({"aud": aud}).encode(), "k" * 32, algorithm="HS256")
    with pytest.raises(Misuse) as caught:
        mint(server, token)
    assert token.split(".")[1] not in str(caught.value)
    assert server.taken == []


@pytest.mark.parametrize("token", ["", "junk", "a.b.c", "a b"])
def test_what_is_no_identity_token_is_not_given_away(server, token):
    with pytest.raises(Misuse):
        mint(server, token)
    assert server.taken == []


def test_a_server_that_mints_nothing_says_why(server):
    token = identity()
    server.answers = [(403, f"no publisher for {token}".encode())]
    with pytest.raises(ServiceFailed) as caught:
        mint(server, token)
    assert "HTTP 403: no publisher for <token>" in str(caught.value)
    assert "trusted publishers" in caught.value.hint


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b'"pfx"', b"a b", b"\xff", b"x" * 20_000])
def test_an_answer_that_is_no_token_is_not_used(server, body):
    server.answers = [(200, body)]
    with pytest.raises(ServiceFailed) as caught:
        mint(server, identity())
    assert "hello" not in str(caught.value)
