"""What is observed was authenticated; what was not teaches nothing."""

import functools
import http.server
import json
import threading

import pytest

from condattest.errors import Misuse
from condattest.formats import sidecar
from condattest.model.channel import Channel
from condattest.operations import learn, targets
from condattest.transport.fetch import Fetcher
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, artifact_of, attacker, signed, trust


def observe(text, channel=None):
    with Fetcher(offline=True) as fetcher:
        return learn.observe(targets.parse(str(text)), channel, trust(), fetcher)


def test_a_file_is_observed_with_its_signed_channel(tmp_path):
    package = a_package(tmp_path)
    signed(package)
    seen = observe(package)
    assert (seen.artifact, seen.channel) == (artifact_of(package), CHANNEL)
    assert REPOSITORY in seen.evidence[0].signer.san


def test_a_forged_attestation_teaches_nothing(tmp_path):
    """The attacker's own Sigstore must not become the publisher on first sight."""
    package = a_package(tmp_path)
    signed(package, by=attacker())
    assert observe(package, CHANNEL).evidence == ()


def test_a_package_of_no_known_channel_is_a_usage_error(tmp_path):
    package = a_package(tmp_path)
    with pytest.raises(Misuse, match="nothing says which channel"):
        observe(package)
    signed(package, channel=None)
    with pytest.raises(Misuse, match="nothing says which channel"):
        observe(package)
    with pytest.raises(Misuse, match="expected a package file"):
        observe(f"x-1-0.conda@sha256:{'a' * 64}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):
        """Say nothing."""


def test_a_whole_channel_is_observed_without_its_packages(tmp_path):
    folder = tmp_path / "channel" / "noarch"
    folder.mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        channel = Channel(f"http://127.0.0.1:{server.server_port}/channel")
        records = {}
        for number in range(3):
            package = a_package(folder, f"numbers{number}")
            records[package.name] = {"sha256": artifact_of(package).sha256}
            if number:
                data = sidecar.dump([signed(package, channel=channel)])
                digest = __import__("hashlib").sha256(data).hexdigest()
                (folder / f"{package.name}.sigs.{digest}").write_bytes(data)
                records[package.name]["attestations_sha256"] = digest
            package.unlink()
        (folder / "repodata.json").write_text(json.dumps({"packages.conda": records}))
        try:
            with Fetcher(attempts=1) as fetcher:
                seen = list(learn.observe_channel(channel, ["noarch"], trust(), fetcher))
        finally:
            server.shutdown()
            thread.join()
    assert [each.artifact.file.name for each in seen] == ["numbers1", "numbers2"]
    assert all(each.evidence for each in seen)
