"""A token is found in the order that is promised, is a secret, and its absence says what to add."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest

from condattest.errors import NoIdentity, ServiceFailed
from condattest.sandbox import github
from condattest.signatures import identity
from condattest.signatures.identity import Surroundings, Token
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import REPOSITORY, trust


@pytest.fixture
def secret():
    from condattest.sandbox import Sandbox

    return Sandbox().token(github(REPOSITORY))


@pytest.fixture(autouse=True)
def _no_platform(monkeypatch):
    for name in (
        "GITHUB_ACTIONS",
        "GITLAB_CI",
        "CI",
        "TF_BUILD",
        "BUILDKITE",
        "CIRCLECI",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
    ):
        monkeypatch.delenv(name, raising=False)


def find(given=None, environ=None, *, interactive=False, offline=False):
    return identity.find(given, Surroundings(environ or {}, interactive), trust(), offline=offline)


def test_a_given_token_comes_before_the_environment(secret):
    token = find(lambda: Token(secret, source="given"), {"SIGSTORE_ID_TOKEN": "junk"})
    assert token.source == "given"


@pytest.mark.parametrize("name", identity.VARIABLES)
def test_the_environment_is_read(secret, name):
    assert find(environ={name: secret}).source == name


def test_a_token_is_not_in_any_text(secret):
    token = Token(secret, source="the test")
    for text in (repr(token), str(token), f"{token}", repr(vars(type(token)))):
        assert secret.split(".")[1] not in text


def test_a_token_knows_whom_it_names(secret):
    assert REPOSITORY in Token(secret, source="the test").subject


@pytest.mark.parametrize("text", ["", "junk", "a.b.c", "\x00", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused_without_being_shown(text):
    with pytest.raises(NoIdentity) as caught:
        Token(text, source="the test")
    assert "the test" in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GITHUB_ACTIONS": "true"}, "id-token: write"),
        ({"GITLAB_CI": "true"}, "aud: sigstore"),
        ({"TF_BUILD": "True"}, "1803"),
        ({"CI": "1"}, "export SIGSTORE_ID_TOKEN"),
        ({}, "in a terminal"),
    ],
)
def test_how_to_sign_fits_the_platform(environ, words):
    assert words in identity.how_to_sign(environ)


def test_nobody_at_a_terminal_means_no_browser():
    with pytest.raises(NoIdentity, match="no identity"):
        find()


def test_a_terminal_in_ci_means_no_browser():
    """Some CI systems give jobs a terminal; a browser would hang the job."""
    with pytest.raises(NoIdentity):
        find(environ={"CI": "true"}, interactive=True)


def test_offline_asks_nobody():
    with pytest.raises(NoIdentity, match="--offline"):
        find(interactive=True, offline=True)


def test_a_browser_needs_a_root_that_says_who_to_ask():
    from condattest.errors import Misuse

    with pytest.raises(Misuse, match="where to sign"):
        find(interactive=True)
    assert TrustRoot.production(offline=True).trust_config.signing_config.get_oidc_url().startswith("https://")


def test_a_token_file_is_read_each_time(secret, tmp_path):
    path = tmp_path / "token"
    source = identity.from_file(path)
    with pytest.raises(NoIdentity, match="cannot be read"):
        source()
    path.write_text(f"  {secret}\n")
    assert source().source == str(path)


def test_a_job_of_github_without_permission_is_told_the_line(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    with pytest.raises(NoIdentity) as caught:
        find(environ={"GITHUB_ACTIONS": "true"})
    assert "id-token: write" in caught.value.hint


@pytest.fixture
def job(monkeypatch):
    """A GitHub job that may ask for tokens: gives the environment, and takes another URL to ask at."""
    from condattest.sandbox import Sandbox

    def at(url):
        environ = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return environ

    with Sandbox().serve(ambient=github(REPOSITORY)) as running:
        yield lambda url=f"{running.url}/ambient/github?version=1": at(url)


@pytest.mark.parametrize("audience", ["sigstore", "prefix.dev", "127.0.0.1"])
def test_a_platform_makes_a_token_out_to_the_audience(job, audience):
    """A token for Sigstore that is shown to another service could be used to sign."""
    token = identity.ambient(job(), audience)
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == audience


def test_a_platform_is_asked_for_sigstore_by_itself(job):
    token = identity.ambient(job())
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "sigstore"
    assert find(environ=job()).source == "the CI platform"


def test_a_token_for_another_audience_is_none_to_sign_with(job):
    with pytest.raises(NoIdentity):
        Token(identity.ambient(job(), "prefix.dev"), source="the test")


def test_where_there_is_no_platform_there_is_no_token():
    assert identity.ambient({}) is None
    assert identity.ambient({}, "prefix.dev") is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://[::1/x", "no url", "http://127.0.0.1:99999/x", "NOT FOUND"]
)
def test_a_platform_that_does_not_answer_is_the_services_fault(job, url):
    """Also where the library lets through what its own libraries raise."""
    environ = job()
    if url == "NOT FOUND":
        url = environ["ACTIONS_ID_TOKEN_REQUEST_URL"].replace("ambient", "nowhere")
    with pytest.raises(ServiceFailed, match="identity service") as caught:
        identity.ambient(job(url), "prefix.dev")
    assert "request-token" not in str(caught.value)


def test_an_answer_that_is_no_text_is_the_services_fault(job):
    class Binary(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(500)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"\xff\xfe")

        def log_message(self, format, *args):
            pass

    listener = HTTPServer(("127.0.0.1", 0), Binary)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with pytest.raises(ServiceFailed, match="identity service"):
            identity.ambient(job(f"http://127.0.0.1:{listener.server_port}/"))
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.mark.parametrize(
    ("audience", "lines"),
    [
        ("sigstore", "      SIGSTORE_ID_TOKEN:\n        aud: sigstore"),
        ("prefix.dev", "      PREFIX_DEV_ID_TOKEN:\n        aud: prefix.dev"),
        ("127.0.0.1", "      _27_0_0_1_ID_TOKEN:\n        aud: 127.0.0.1"),
    ],
)
def test_a_job_of_gitlab_is_told_the_variable_of_the_audience(monkeypatch, audience, lines):
    """The variable that the hint names is the one that is looked for."""
    monkeypatch.setenv("GITLAB_CI", "true")
    environ = {"GITLAB_CI": "true"}
    with pytest.raises(NoIdentity) as caught:
        identity.ambient(environ, audience)
    assert caught.value.hint.endswith(f"id_tokens:\n{lines}")
    token = jwt.encode({"aud": audience}, "k" * 32, algorithm="HS256")
    monkeypatch.setenv(lines.partition(":")[0].strip(), token)
    assert identity.ambient(environ, audience) == token


BROWSER = """
import sys, threading, urllib.request, webbrowser
from condattest.signatures import identity
from condattest.signatures.trust_root import TrustRoot
from pathlib import Path

class Browser(webbrowser.BaseBrowser):
    def open(self, url, new=0, autoraise=True):
        threading.Thread(target=lambda: urllib.request.urlopen(url).read(), daemon=True).start()
        return True

webbrowser.register("test", None, Browser(), preferred=True)
trust = TrustRoot.from_file(Path(sys.argv[1]))
token = identity.find(None, identity.Surroundings({}, True), trust)
print(token.source, token.subject)
"""


def test_a_browser_is_asked_at_a_terminal(tmp_path):
    """The whole OAuth flow, with a browser that follows redirects; in a process of its own, as it registers one."""
    from condattest.sandbox import Sandbox

    with Sandbox().serve() as running:
        config = running.write(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", BROWSER, config],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    assert done.stdout.strip().splitlines()[-1:] == ["a browser rehearsal@example.org"], done.stderr
