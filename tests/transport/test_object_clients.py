"""How an object store is connected to."""

import os

import pytest
from obstore.exceptions import GenericError

from condattest.errors import Misuse
from condattest.transport.object_clients import Clients, reason


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://key:hunter2@bucket/x",
        "s3://bucket?token=hunter2",
        "s3://bucket/x#hunter2",
        "s3://bucket/../x",
        "s3://bucket//x",
        "s3://bucket/%2e%2e/x",
        "s3://bucket/x\n",
        "s3://[bucket/x",
        "ftp://bucket/x",
        "S3",
    ],
)
def test_a_url_that_could_mean_something_else_is_refused(url):
    """Credentials on a command line are seen by every process; escapes and dots name other keys."""
    with pytest.raises(Misuse, match="expected a URL such as s3://bucket/channel") as caught:
        Clients(url, 10)
    assert "hunter2" not in str(caught.value).replace("#hunter2", "")


@pytest.mark.parametrize("given", ["s3://bucket", "s3://bucket/", "gs://bucket/a/b/", "az://container/a"])
def test_a_url_is_shown_without_a_slash_at_its_end(given):
    assert Clients(given, 10).url == given.rstrip("/")


def test_a_scheme_in_capitals_is_the_same_scheme():
    assert Clients("S3://bucket/A", 10).url == "s3://bucket/A"


def test_larger_requests_have_more_patience():
    clients = Clients("s3://bucket", 10)
    assert clients.sized() is clients.sized(1000)
    assert clients.sized(5_000_000) is not clients.sized()

    def wait(size):
        return clients.sized(size).client_options["read_timeout"]

    assert [wait(size) for size in (0, 1 << 20, 3 << 20, 7 << 20)] == ["10s", "20s", "40s", "1m 20s"]


@pytest.mark.parametrize("scheme", ["s3://bucket", "az://container"])
@pytest.mark.parametrize("endpoint", ["http://storage.example.org", "HTTP://u:hunter2@10.0.0.1:9000", "http://[::2]"])
def test_plain_http_to_another_machine_is_refused(monkeypatch, scheme, endpoint):
    """Whoever listens on the way would read the packages, and could answer for the store."""
    family = "AWS" if scheme.startswith("s3") else "AZURE"
    monkeypatch.setenv("AWS_ENDPOINT_URL" if family == "AWS" else "AZURE_STORAGE_ENDPOINT", endpoint)
    with pytest.raises(Misuse, match="expected an https URL") as caught:
        Clients(scheme, 10)
    assert "hunter2" not in str(caught.value)
    assert f"{family}_ALLOW_HTTP" in caught.value.hint
    monkeypatch.setenv(f"{family}_ALLOW_HTTP", "true")
    Clients(scheme, 10)


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost", True),
        ("http://[::1]:9000", True),
        ("https://storage.example.org", False),
        ("", False),
    ],
)
def test_plain_http_to_this_machine_is_allowed(monkeypatch, endpoint, plain):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert Clients("s3://bucket", 10).sized().client_options["allow_http"] == str(plain).lower()


def test_an_environment_that_does_not_say_enough_is_a_misuse():
    with pytest.raises(Misuse, match=r"az://container: cannot be opened: .*Account must be specified"):
        Clients("az://container", 10).sized()


def test_a_store_with_another_conditional_copy_is_told_so(monkeypatch):
    monkeypatch.setenv("AWS_COPY_IF_NOT_EXISTS", "header: cf-copy-destination-if-none-match: *")
    assert "cf-copy" in Clients("s3://bucket", 10).sized().config["copy_if_not_exists"]
    monkeypatch.delenv("AWS_COPY_IF_NOT_EXISTS")
    assert Clients("s3://bucket", 10).sized().config["copy_if_not_exists"] == "multipart"


def test_a_reason_has_the_code_and_not_the_page():
    error = GenericError(
        "Error performing GET http://h/x in 1ms - 400: <Error>\n<Code>Odd</Code><Key>k</Key>\n\nDebug source:\nx"
    )
    assert reason(error) == "Error performing GET http://h/x in 1ms - 400: Odd"
    assert len(reason(ValueError("x" * 9999))) == 400
