"""Fixtures that several floors share."""

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.patched_channel import World

ROOT = Path(__file__).parent.parent

# The suite is run often, on machines that do other things: fewer examples at a time (other ones each time) and no
# deadline. HYPOTHESIS_PROFILE=thorough tries more.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of packages and indexes that others published; a test that needs it is skipped where it is absent."""
    named = os.environ.get("CONDATTEST_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "packages").is_dir():
        pytest.skip(f"no real data at {folder}: set CONDATTEST_REAL_DATA to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """An S3 server on this machine; gives its URL. It handles one request at a time, as its conditions need it to."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *args, **kwargs):
            pass

    served = DomainDispatcherApplication(create_backend_app)
    turn = threading.Lock()

    def one_at_a_time(environ, start_response):
        with turn:
            return served(environ, start_response)

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL (s3://NAME) of a fresh bucket; the environment says how to get at it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "maintainer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    name = f"channel-{uuid.uuid4().hex[:12]}"
    # The signature is not looked at, only for which service and region it would be.
    signed = (
        "AWS4-HMAC-SHA256 Credential=maintainer/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    )
    httpx.put(f"{s3}/{name}", headers={"Authorization": signed}).raise_for_status()
    return f"s3://{name}"


@pytest.fixture(scope="session")
def _patched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from tests import patched_channel

    folder = tmp_path_factory.mktemp("patched")
    plain, history = folder / "plain", folder / "history"
    patched_channel.make_channel(plain, folder / "built")
    shutil.copytree(plain, history)
    patched_channel.make_history(history)
    return plain, history


@pytest.fixture
def world(_patched: tuple[Path, Path], tmp_path: Path) -> "World":
    """A channel that conda-index indexed, whose patches nobody attested yet."""
    from tests import patched_channel

    return patched_channel.copied(_patched[0], tmp_path / "channel")


@pytest.fixture
def history(_patched: tuple[Path, Path], tmp_path: Path) -> "World":
    """The same with three generations by three identities, a day between each and the next."""
    from tests import patched_channel

    return patched_channel.copied(_patched[1], tmp_path / "patched", days=3)
