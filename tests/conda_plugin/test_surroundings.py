"""What conda can read, the check can read; and what conda's settings say holds."""

import base64
import contextlib
import functools
import http.server
import json
import threading

import pytest

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
