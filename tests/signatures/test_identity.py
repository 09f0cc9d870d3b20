"""A token is found in the order that is promised, is a secret, and its absence says what to add."""

import subprocess
import sys

import pytest

from condattest.errors import NoIdentity
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
