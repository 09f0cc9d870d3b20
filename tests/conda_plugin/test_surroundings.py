"""What conda can read, the check can read; and what conda's settings say holds."""

import base64
import contextlib
import functools
import http.server
import json
import select
import socket
import socketserver
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from condattest.model.channel import Channel
from tests import conda_installs
from tests.conda_installs import Conda, policy
from tests.rehearsal import signed


class Private(http.server.SimpleHTTPRequestHandler):
    """Wants /t/TOKEN/, or a password."""

    def log_message(self, format, *arguments):
        pass

    def send_head(self):
        basic = "Basic " + base64.b64encode(b"me:secret").decode()
        if self.path.startswith("/t/TOKEN/"):
            self.path = self.path.removeprefix("/t/TOKEN")
        elif self.headers.get("Authorization") != basic:
            self.send_error(403)
            return None
        return super().send_head()


@contextlib.contextmanager
def private(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Private, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("how", ["token", "password"])
def test_a_private_channel_is_read_with_conda_s_credentials(conda, tmp_path, how):
    """Without them the check could read nothing, and a token must not be shown."""
    with private(tmp_path) as port:
        home = Channel(f"http://127.0.0.1:{port}/private")
        box = conda.box
        packages = conda_installs.make_channel(tmp_path / "private", home, tmp_path / "built", box, conda.python)
        conda.configure("require", policy(home.url))
        at = {
            "token": f"http://127.0.0.1:{port}/t/TOKEN/private",
            "password": f"http://me:secret@127.0.0.1:{port}/private",
        }[how]
        done = conda.create("env", "--channel", at, "--override-channels", "numbers")
        assert done.returncode == 0, done.stderr
        assert conda.installed("env") == {"letters", "numbers"}
        refused = conda.create("bad", "--channel", at, "--override-channels", "words")
        assert refused.returncode == 1
        assert "MISSING-ATTESTATION" in refused.stderr
        assert "TOKEN" not in refused.stderr.partition("PackagesRefused")[2]
        assert "secret" not in refused.stderr.partition("PackagesRefused")[2]
        assert packages
    kept = b"".join(path.read_bytes() for path in (conda.home / "cache").rglob("*") if path.is_file())
    assert b"TOKEN" not in kept
    assert b"secret" not in kept


class Seen(Private):
    """Says who asked for what."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self):
        self.asked.append((self.headers.get("user-agent", "").partition("/")[0], self.path))
        super().do_GET()


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy that knows the one host that no resolver knows."""

    to = 0
    names: ClassVar[set[bytes]] = set()

    def handle(self):
        method, name, _ = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        self.names.add(method + b" " + name)
        with socket.create_connection(("127.0.0.1", self.to)) as other:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            ends = {self.connection: other, other: self.connection}
            with contextlib.suppress(OSError):
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True


def authority(folder, host):
    """A certificate authority of one's own: its certificate, and a server's with its key."""
    now, day = datetime.now(UTC), timedelta(days=1)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("our own", host)]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    made = []
    for name, key in zip(names, keys, strict=True):
        builder = x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number())
        builder = (
            builder.not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=name is names[0], path_length=None), critical=True)
        )
        if name is names[1]:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "ca.pem").write_bytes(made[0])
    (folder / "server.pem").write_bytes(made[1] + keys[1].private_bytes(serialization.Encoding.PEM, *form))
    return folder / "ca.pem", folder / "server.pem"


def test_what_conda_reads_by_its_proxy_its_certificates_and_its_netrc_the_check_reads(one_conda, tmp_path):
    """A company's channel: behind a proxy, under an authority of its own, for those whom `.netrc` knows."""
    conda, host = one_conda, "channel.example"
    home = Channel(f"https://{host}/private")
    conda_installs.make_channel(tmp_path / "served/private", home, tmp_path / "built", conda.box, conda.python)
    (tmp_path / "other").mkdir()
    trusted, own = authority(tmp_path, host)
    stranger, _ = authority(tmp_path / "other", host)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own)
    (conda.home / ".netrc").write_text(f"machine {host} login me password secret\n")
    (conda.home / ".netrc").chmod(0o600)
    handler = functools.partial(Seen, directory=tmp_path / "served")
    at = ("--channel", home.url, "--override-channels")
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        Threads(("127.0.0.1", 0), Tunnel) as proxy,
    ):
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        Tunnel.to = server.server_port
        for each in (server, proxy):
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            conda.configure("require", policy(home.url))
            with (conda.home / ".condarc").open("a") as condarc:
                condarc.write(f"proxy_servers:\n  https: http://127.0.0.1:{proxy.server_address[1]}\n")
                condarc.write(f"ssl_verify: {trusted}\n")
            done = conda.create("env", *at, "numbers")
            assert done.returncode == 0, done.stderr
            assert conda.installed("env") == {"letters", "numbers"}
            assert ("condattest", "/private/noarch/repodata_shards.msgpack.zst") in Seen.asked, Seen.asked
            assert Tunnel.names == {f"CONNECT {host}:443".encode()}
            # conda asks no server for what it has: the check alone meets the certificate.
            conda.environment["CONDA_SSL_VERIFY"] = str(stranger)
            done = conda.create("bad", "--use-index-cache", *at, "letters")
            assert done.returncode == 1
            assert "NET-UNAVAILABLE" in done.stderr
            assert "certificate" in done.stderr.lower()
            assert conda.installed("bad") == set()
            conda.environment["CONDA_SSL_VERIFY"] = "false"
            done = conda.create("unverified", *at, "letters")
            assert done.returncode == 0, done.stderr
            done = conda.create("refused", *at, "words")
            assert done.returncode == 1
            assert "MISSING-ATTESTATION" in done.stderr
        finally:
            for each in (server, proxy):
                each.shutdown()


def test_certificates_that_are_none_are_told_as_a_setting(one_conda, served, tmp_path):
    """By http, conda reads a channel without a look at them; a traceback would not say whose mistake it is."""
    (tmp_path / "ca.pem").write_text("nonsense")
    one_conda.environment["CONDA_SSL_VERIFY"] = str(tmp_path / "ca.pem")
    done = one_conda.create("env", "--channel", served.url, "--override-channels", "letters")
    assert done.returncode == 1
    assert f"ssl_verify {tmp_path}/ca.pem" in done.stderr
    assert "next: conda config --show ssl_verify" in done.stderr
    assert "Traceback" not in done.stderr
    assert one_conda.installed("env") == set()


def test_a_channel_in_a_folder_is_read(conda, tmp_path):
    home = Channel((tmp_path / "local").as_uri())
    conda_installs.make_channel(tmp_path / "local", home, tmp_path / "built", conda.box, conda.python)
    conda.configure("require", policy(home.url))
    done = conda.create("env", "--channel", home.url, "--override-channels", "letters")
    assert done.returncode == 0, done.stderr
    done = conda.create("bad", "--channel", home.url, "--override-channels", "words")
    assert "MISSING-ATTESTATION" in done.stderr
    assert conda.installed("bad") == set()


@pytest.fixture
def local(served, tmp_path):
    """A conda that needs no server: it would install a file."""
    bare = tmp_path / served.packages["letters"].name
    bare.write_bytes(served.packages["letters"].read_bytes())
    return Conda(served.python, tmp_path / "home", "classic", served.box), bare


@pytest.mark.parametrize(
    ("mode", "file", "said"),
    [
        ("require", None, "no policy says who must have signed"),
        ("required", None, "expected off, report or require"),
        ("require", "version = 1", "at least one [[rule]]"),
        ("report", "nonsense", "policy"),
        ("", "version = 2", "version"),
    ],
)
def test_what_is_set_up_wrongly_installs_nothing(local, mode, file, said):
    """A misspelt mode must not be `off`, and a policy with an error not be none."""
    conda, bare = local
    conda.configure(mode or None, file)
    done = conda.create("env", bare)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert conda.installed("env") == set()


@pytest.mark.parametrize("root", [None, "{}"])
def test_without_a_trust_root_report_says_so_and_installs_and_require_refuses(one_conda, served, root):
    """Report mode is there to be tried: it stops nobody, and it must not look like a pass either."""
    conda, place = one_conda, one_conda.home / "trusted_root.json"
    place.unlink() if root is None else place.write_text(root)
    at = ("--channel", served.url, "--override-channels", "words")
    done = conda.create("bad", *at)
    assert done.returncode == 1
    assert "trusted_root.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert conda.installed("bad") == set()
    conda.configure("report", policy(served.url))
    done = conda.create("env", *at)
    assert done.returncode == 0, done.stderr
    assert conda.installed("env") == {"words"}
    assert done.stderr.count("NOTHING WAS CHECKED of 1 package;") == 1
    assert "trusted_root.json" in done.stderr
    assert "next:" in done.stderr


@pytest.mark.parametrize("mode", ["off", "false", None])
def test_without_a_policy_or_with_off_conda_is_left_alone(local, mode):
    conda, bare = local
    conda.configure(mode)
    done = conda.create("env", bare)
    assert done.returncode == 0, done.stderr
    assert conda.installed("env") == {"letters"}
    assert "condattest" not in done.stderr


def test_a_policy_that_is_found_is_reported_on(local, served):
    conda, bare = local
    conda.configure(None, policy(served.url))
    done = conda.create("env", bare)
    assert done.returncode == 0
    assert "MISSING-ATTESTATION" in done.stderr
    conda.environment["CONDA_PLUGINS_CONDATTEST_MODE"] = "require"
    done = conda.create("other", bare)
    assert done.returncode == 1
    assert conda.installed("other") == set()


def test_doctor_tells_what_an_environment_has(local, served):
    conda, bare = local
    conda.configure("off", policy(served.url))
    assert conda.create("env", bare).returncode == 0
    at = ("--channel", served.url, "--override-channels", "words", "numbers")
    assert conda.run("install", "--yes", "--prefix", conda.home / "env", *at).returncode == 0
    done = conda.run("doctor", "--prefix", conda.home / "env", "condattest")
    assert "MISSING-ATTESTATION" in done.stdout, done.stdout + done.stderr
    assert "1 rejected" in done.stdout or "2 rejected" in done.stdout
    # Nothing is left out because it does not say where it is from.
    [said] = (conda.home / "env" / "conda-meta").glob("numbers-*.json")
    said.write_text(json.dumps(json.loads(said.read_text()) | {"url": ""}))
    done = conda.run("doctor", "--prefix", conda.home / "env", "condattest")
    assert "numbers-1.0-0.conda" in done.stdout
    assert "condattest: of 3 packages" in done.stdout


def test_conda_attest_is_the_command_line(local, served, tmp_path):
    conda, bare = local
    conda.configure("off")
    root = ("--trusted-root", conda.home / "trusted_root.json", "--offline", "--no-state")
    verify = ("attest", "verify", bare, "--repository", "me/numbers", "--channel", served.url, *root)
    assert conda.run(*verify).returncode == 1
    signed(bare, channel=Channel(served.url), by=served.box)
    done = conda.run(*verify)
    assert done.returncode == 0, done.stderr
    assert "1 accepted" in done.stdout
    assert conda.run("attest", "verify").returncode == 2
    assert "Verbs" in conda.run("attest", "--help").stdout


LAZY = """
import sys
from conda.cli.main import main
assert main("list", "--prefix", {prefix!r}) == 0
heavy = {{name for name in sys.modules if name.startswith(("condattest.", "sigstore", "httpx", "pydantic", "rich"))}}
assert heavy == {{"condattest._version", "condattest.conda_plugin"}}, heavy
"""


def test_conda_list_pays_for_nothing(python, tmp_path):
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "history").touch()
    done = conda_installs.run_python(python, LAZY.format(prefix=str(tmp_path)))
    assert done.returncode == 0, done.stderr
