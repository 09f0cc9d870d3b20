"""A sandbox that was closed answers nobody, not even on a connection that a client kept."""

import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from condattest.sandbox import Sandbox
from condattest.sandbox.listener import Listener


def test_a_kept_connection_ends_with_the_sandbox():
    """Whoever still holds a connection would get certificates from a sandbox that everybody takes for dead."""
    with httpx.Client() as client:
        with Sandbox().serve() as running:
            assert client.get(f"{running.url}/keys").status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(f"{running.url}/keys")


def test_its_port_is_free_again_at_once():
    with Sandbox().serve() as first:
        port = int(first.url.rpartition(":")[2])
        assert httpx.get(f"{first.url}/keys").status_code == 200
    with Sandbox().serve(port=port) as second:
        assert httpx.get(f"{second.url}/keys").status_code == 200


def test_closing_does_not_wait_for_a_slow_answer():
    sandbox = Sandbox()
    sandbox.faults.rekor_delay = 1.0
    with sandbox.serve() as running:
        connection = http.client.HTTPConnection(running.url.removeprefix("http://"))
        connection.request("POST", "/api/v1/log/entries", "{}")
        time.sleep(0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 0.5
    connection.close()


@pytest.mark.parametrize(("error", "shown"), [(BrokenPipeError, False), (ZeroDivisionError, True)])
def test_a_client_that_goes_away_is_no_news_and_a_fault_of_the_sandbox_is(capfd, error, shown):
    done = threading.Event()

    class Failing(BaseHTTPRequestHandler):
        def handle(self):
            raise error

    class Watched(Listener):
        def handle_error(self, request, client_address):
            super().handle_error(request, client_address)
            done.set()

    listener = Watched(0, Failing)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", listener.server_port)
        connection.connect()
        assert done.wait(5)
        connection.close()
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
    assert (error.__name__ in capfd.readouterr().err) is shown
