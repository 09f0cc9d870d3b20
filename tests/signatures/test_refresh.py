"""Trust roots come through TUF, from the cache, or as shipped; and it is told which."""

import hashlib
import http.server
import json
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from condattest.errors import Unavailable
from condattest.model.finding import Code
from condattest.signatures import refresh

NOW = datetime.now(UTC).replace(microsecond=0)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        """Say nothing."""


@pytest.fixture
def repository(tmp_path):
    """A real TUF repository with one key, served over loopback: yields (instance, first root, folder)."""
    folder = tmp_path / "tuf"
    folder.mkdir()
    bootstrap = write_repository(folder, b'{"the": "root"}', b'{"the": "config"}')
    handler = partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield refresh.Instance("test", f"http://127.0.0.1:{server.server_port}"), bootstrap, folder
        server.shutdown()
        thread.join()


def write_repository(folder, trusted_root, signing_config, version=1):
    signer = CryptoSigner.generate_ecdsa()
    expires = datetime.now(UTC) + timedelta(days=30)
    root = Root(version=1, expires=expires, consistent_snapshot=True)
    for role in ("root", "timestamp", "snapshot", "targets"):
        root.add_key(signer.public_key, role)
    targets = Targets(version=version, expires=expires)
    (folder / "targets").mkdir(exist_ok=True)
    for name, data in (("trusted_root.json", trusted_root), ("signing_config.v0.2.json", signing_config)):
        targets.targets[name] = TargetFile.from_data(name, data)
        (folder / "targets" / f"{hashlib.sha256(data).hexdigest()}.{name}").write_bytes(data)
    snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(version)})
    timestamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
    named = {
        "1.root.json": root,
        f"{version}.targets.json": targets,
        f"{version}.snapshot.json": snapshot,
        "timestamp.json": timestamp,
    }
    for name, signed in named.items():
        metadata = Metadata(signed)
        metadata.sign(signer)
        (folder / name).write_bytes(metadata.to_bytes())
    return (folder / "1.root.json").read_bytes()


def test_a_root_is_fetched_verified_and_cached(repository, tmp_path):
    instance, bootstrap, folder = repository
    cache = tmp_path / "cache"
    got = refresh.obtain(instance, offline=False, now=NOW, cache=cache, bootstrap=bootstrap)
    assert (json.loads(got.trusted_root), got.notes) == ({"the": "root"}, ())
    # Within a day the cache answers, and the repository is not asked again.
    (folder / "timestamp.json").unlink()
    again = refresh.obtain(instance, offline=False, now=NOW + timedelta(hours=23), cache=cache, bootstrap=bootstrap)
    assert again == got


def test_an_outage_leaves_the_last_root_in_use_and_tells_its_age(repository, tmp_path):
    instance, bootstrap, folder = repository
    cache = tmp_path / "cache"
    first = refresh.obtain(instance, offline=False, now=NOW, cache=cache, bootstrap=bootstrap)
    (folder / "timestamp.json").unlink()
    later = refresh.obtain(instance, offline=False, now=NOW + timedelta(days=3), cache=cache, bootstrap=bootstrap)
    assert later.trusted_root == first.trusted_root
    [note] = later.notes
    assert note.code is Code.TRUST_ROOT_AGE
    assert note.facts["refreshed"] == NOW.isoformat()


def test_offline_tells_the_age_of_a_stale_root(repository, tmp_path):
    instance, bootstrap, _ = repository
    cache = tmp_path / "cache"
    refresh.obtain(instance, offline=False, now=NOW, cache=cache, bootstrap=bootstrap)
    [note] = refresh.obtain(instance, offline=True, now=NOW + timedelta(days=400), cache=cache).notes
    assert note.facts == {"refreshed": NOW.isoformat(), "reason": "offline"}


def test_a_target_that_nobody_signed_is_not_used(repository, tmp_path):
    """Whoever controls the mirror replaces the trusted root; the signed metadata names another digest."""
    instance, bootstrap, folder = repository
    for target in (folder / "targets").glob("*.trusted_root.json"):
        target.write_bytes(b'{"the": "evil"}')
    cache = tmp_path / "cache"
    with pytest.raises(Unavailable, match="could not be refreshed"):  # no root of this instance is shipped, either
        refresh.obtain(instance, offline=False, now=NOW, cache=cache, bootstrap=bootstrap)


def test_a_read_only_cache_is_no_error(repository, tmp_path):
    instance, bootstrap, _ = repository
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder would be")
    got = refresh.obtain(instance, offline=False, now=NOW, cache=blocked / "cache", bootstrap=bootstrap)
    assert json.loads(got.trusted_root) == {"the": "root"}


def test_offline_without_a_cache_uses_what_sigstore_ships(tmp_path):
    got = refresh.obtain(refresh.PRODUCTION, offline=True, now=NOW, cache=tmp_path)
    assert got.trusted_root == refresh.PRODUCTION.shipped("trusted_root.json")
    [note] = got.notes
    assert note.facts["refreshed"].startswith("never")
    assert list(tmp_path.iterdir()) == []


def test_a_stamp_from_the_future_is_not_believed(repository, tmp_path):
    """A clock that was wrong once must not stop refreshes for years."""
    instance, bootstrap, folder = repository
    cache = tmp_path / "cache"
    refresh.obtain(instance, offline=False, now=NOW + timedelta(days=1000), cache=cache, bootstrap=bootstrap)
    (folder / "timestamp.json").unlink()
    [note] = refresh.obtain(instance, offline=False, now=NOW, cache=cache, bootstrap=bootstrap).notes
    assert note.code is Code.TRUST_ROOT_AGE
