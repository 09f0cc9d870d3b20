"""A verdict for each target, by its own bytes, its attestations and a policy; never one for nothing."""

import functools
import hashlib
import http.server
import json
import shutil
import threading
from datetime import timedelta

import pytest

from condattest.errors import Misuse
from condattest.formats import sidecar
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import targets
from condattest.operations.question import Question
from condattest.operations.verify import verify
from condattest.policy import rules
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate_parsed
from condattest.transport.fetch import Fetcher
from condattest.transport.file_memory import FileMemory
from tests.rehearsal import CHANNEL, NOW, REPOSITORY, a_package, artifact_of, attacker, signed, trust

REQUIRED = rules.for_repository(REPOSITORY)


def ask(*texts, policy=REQUIRED, channel=CHANNEL, offline=True, now=NOW, memory=None, **more):
    """Verify targets as they stand on the command line, and return the answers."""
    question = Question(policy=policy, channel=channel, **more)
    parsed = [targets.parse(str(text)) for text in texts]
    with Fetcher(offline=offline, attempts=1) as fetcher:
        return list(verify(parsed, question, trust=trust(), fetcher=fetcher, now=now, memory=memory))


def codes(answer):
    assert not isinstance(answer.verdict, Accepted)
    return [finding.code for finding in answer.verdict.findings]


@pytest.fixture
def package(tmp_path):
    made = a_package(tmp_path)
    signed(made)
    return made


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):
        """Say nothing."""


@pytest.fixture
def served(tmp_path):
    """A channel in a folder, served on loopback: yields (folder, channel)."""
    folder = tmp_path / "served"
    (folder / "channel" / "noarch").mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder / "channel" / "noarch", Channel(f"http://127.0.0.1:{server.server_port}/channel")
        server.shutdown()
        thread.join()


def publish(package, folder, channel, **record):
    """Put a signed package, its sidecar and its record into a served channel, as CEP 50 says."""
    shutil.copy(package, folder)
    data = sidecar.dump([signed(package, channel=channel)])
    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{package.name}.sigs").write_bytes(data)
    (folder / f"{package.name}.sigs.{digest}").write_bytes(data)
    record = {"sha256": artifact_of(package).sha256, "attestations_sha256": digest, **record}
    (folder / "repodata.json").write_text(json.dumps({"packages.conda": {package.name: record}}))
    return f"{channel}/noarch/{package.name}"


def test_a_signed_package_is_accepted_with_its_evidence(package):
    [answer] = ask(package)
    assert isinstance(answer.verdict, Accepted)
    [evidence] = answer.verdict.evidence
    assert evidence.signer.claims.source_repository_uri == f"https://github.com/{REPOSITORY}"
    assert answer.sha256 == artifact_of(package).sha256
    assert [place.rsplit("/", 1)[1] for place in answer.attestations] == [f"{package.name}.sigstore.json"]


def test_a_package_in_the_older_format_is_accepted(tmp_path):
    package = a_package(tmp_path, kind=".tar.bz2")
    signed(package)
    [answer] = ask(package)
    assert isinstance(answer.verdict, Accepted)


def test_one_flipped_bit_is_found(package):
    """Somebody changes the package after it was signed."""
    data = bytearray(package.read_bytes())
    data[-40] ^= 1
    package.write_bytes(data)
    assert codes(*ask(package)) == [Code.BIND_DIGEST]


def test_a_package_under_another_name_is_found(package):
    """A signed package is offered as another version of itself."""
    renamed = package.with_name("numbers-9.0-0.conda")
    shutil.copy(package, renamed)
    shutil.copy(f"{package}.sigstore.json", f"{renamed}.sigstore.json")
    assert codes(*ask(renamed)) == [Code.BIND_NAME]


def test_another_channel_is_found(package):
    """A package that was published to a test channel is replayed on the main one."""
    assert codes(*ask(package, channel=Channel("https://conda.example/main"))) == [Code.CHANNEL_MISMATCH]


def test_another_signer_is_found(package):
    assert codes(*ask(package, policy=rules.for_repository("me/other"))) == [Code.IDENTITY_MISMATCH]


def test_a_package_without_attestation_is_rejected(tmp_path):
    assert codes(*ask(a_package(tmp_path))) == [Code.MISSING_ATTESTATION]


def test_a_signature_of_another_sigstore_is_rejected(tmp_path):
    """The attacker runs a Sigstore of its own, which vouches for any name."""
    package = a_package(tmp_path)
    signed(package, by=attacker())
    assert codes(*ask(package)) == [Code.CRYPTO]


def test_without_a_requirement_nothing_is_accepted(package):
    [answer] = ask(package, policy=rules.nobody_required())
    assert isinstance(answer.verdict, Undecided)
    assert codes(answer) == [Code.IDENTITY_NOT_REQUIRED]
    assert answer.verdict.seen[0].signer.claims.source_repository_uri == f"https://github.com/{REPOSITORY}"


def test_a_signed_archive_that_is_malformed_is_rejected(tmp_path):
    """A maintainer is made to sign an archive that two readers unpack differently."""
    package = a_package(tmp_path)
    package.write_bytes(package.read_bytes() + b"more")
    signed(package)
    assert codes(*ask(package)) == [Code.ARCHIVE_FORMAT]


def test_a_signed_archive_with_other_metadata_is_rejected(tmp_path):
    """The file name says one package, the metadata inside another."""
    package = a_package(tmp_path, kind=".tar.bz2")
    renamed = package.with_name("numbers-9.0-0.tar.bz2")
    shutil.copy(package, renamed)
    signed(renamed)
    assert codes(*ask(renamed)) == [Code.BIND_METADATA]


def test_a_bundle_elsewhere_is_used_when_it_is_named(package, tmp_path):
    bundle = tmp_path / "elsewhere.json"
    shutil.move(f"{package}.sigstore.json", bundle)
    [answer] = ask(package, bundles=(bundle,))
    assert isinstance(answer.verdict, Accepted)


def test_a_digest_is_verified_without_the_package(package):
    artifact = artifact_of(package)
    [answer] = ask(artifact, bundles=(package.with_name(f"{package.name}.sigstore.json"),))
    assert isinstance(answer.verdict, Accepted)


def test_a_digest_without_a_place_to_look_is_a_usage_error():
    with pytest.raises(Misuse, match="nothing says where"):
        ask(f"x-1-0.conda@sha256:{'a' * 64}")


def test_answers_are_as_many_as_targets_and_in_their_order(tmp_path):
    packages = [a_package(tmp_path, f"numbers{number}") for number in range(6)]
    for package in packages[::2]:
        signed(package)
    answers = ask(*packages)
    assert [answer.file.name for answer in answers] == [f"numbers{number}" for number in range(6)]
    assert [type(answer.verdict) for answer in answers] == [Accepted, Rejected] * 3


def test_no_target_is_a_usage_error():
    """Nothing verified must never look like success."""
    with pytest.raises(Misuse, match="nothing to verify"):
        ask()


def test_one_bundle_for_many_targets_is_a_usage_error(package):
    with pytest.raises(Misuse, match="one target"):
        ask(package, package, bundles=(package,))


def test_a_url_is_verified_through_the_index(tmp_path, served):
    folder, channel = served
    url = publish(a_package(tmp_path), folder, channel)
    [answer] = ask(url, channel=None, offline=False)
    assert isinstance(answer.verdict, Accepted), answer.verdict
    assert answer.channel == channel


def test_a_url_offline_is_undecided(served, tmp_path):
    folder, channel = served
    url = publish(a_package(tmp_path), folder, channel)
    [answer] = ask(url, channel=None)
    assert isinstance(answer.verdict, Undecided)
    assert codes(answer) == [Code.NET_OFFLINE]


def test_a_package_that_is_not_the_index_s_is_rejected(tmp_path, served):
    """The server swaps the archive behind an honest index."""
    folder, channel = served
    package = a_package(tmp_path)
    url = publish(package, folder, channel)
    (folder / package.name).write_bytes(package.read_bytes()[:-1] + b"\xff")
    assert codes(*ask(url, channel=None, offline=False)) == [Code.BIND_DIGEST]


def test_a_lost_sidecar_leaves_a_url_undecided(tmp_path, served):
    """Whoever drops the sidecar's request must not make the package look unsigned."""
    folder, channel = served
    url = publish(a_package(tmp_path), folder, channel)
    for path in folder.glob("*.sigs.*"):
        path.unlink()
    [answer] = ask(url, channel=None, offline=False)
    assert isinstance(answer.verdict, Undecided)
    assert codes(answer) == [Code.NET_NOT_FOUND]


def test_a_package_in_another_subdir_is_rejected(tmp_path, served):
    """A noarch package is served as one for a platform."""
    folder, channel = served
    url = publish(a_package(tmp_path), folder, channel)
    shutil.copytree(folder, folder.parent / "linux-64")
    assert codes(*ask(url.replace("noarch", "linux-64"), channel=None, offline=False)) == [Code.BIND_METADATA]


def test_a_server_that_is_down_leaves_a_url_undecided():
    [answer] = ask("http://127.0.0.1:9/channel/noarch/x-1-0.conda", channel=None, offline=False)
    assert isinstance(answer.verdict, Undecided)


def test_a_sidecar_at_a_named_url_is_used(tmp_path, served):
    folder, channel = served
    package = a_package(tmp_path)
    publish(package, folder, channel)
    artifact = artifact_of(package)
    [answer] = ask(artifact, channel=channel, sigs_url=f"{channel}/noarch/{package.name}.sigs", offline=False)
    assert isinstance(answer.verdict, Accepted)


def test_older_sidecars_are_read_only_when_asked_for(tmp_path, served):
    folder, channel = served
    package = a_package(tmp_path)
    url = publish(package, folder, channel)
    (folder / f"{package.name}.sigs").rename(folder / f"{package.name}.v0.sigs")
    (folder / "repodata.json").write_text(
        json.dumps({"packages.conda": {package.name: {"sha256": artifact_of(package).sha256}}})
    )
    assert codes(*ask(url, channel=None, offline=False)) == [Code.MISSING_ATTESTATION]
    [answer] = ask(url, channel=None, offline=False, style="prefix-v0")
    assert isinstance(answer.verdict, Accepted)


def test_an_older_sidecar_under_an_older_index_is_a_rollback(tmp_path, served):
    """A mirror serves last month's index with last month's sidecar, without the attestation that was added since."""
    folder, channel = served
    package = a_package(tmp_path)
    url = publish(package, folder, channel)
    older = (folder / "repodata.json").read_bytes()
    first = next(folder.glob("*.sigs.*")).read_bytes()
    data = sidecar.dump([first[1:-1], signed(package, channel=channel)])
    digest = hashlib.sha256(data).hexdigest()
    (folder / f"{package.name}.sigs.{digest}").write_bytes(data)
    record = {"sha256": artifact_of(package).sha256, "attestations_sha256": digest}
    (folder / "repodata.json").write_text(json.dumps({"packages.conda": {package.name: record}}))
    memory = FileMemory(tmp_path / "state")
    assert isinstance(ask(url, channel=None, offline=False, memory=memory)[0].verdict, Accepted)
    assert memory.save() == ()
    (folder / "repodata.json").write_bytes(older)
    fresh = FileMemory(tmp_path / "state")
    assert codes(*ask(url, channel=None, offline=False, memory=fresh)) == [Code.ROLLBACK]
    assert isinstance(ask(url, channel=None, offline=False)[0].verdict, Accepted)


def test_an_attestation_that_is_stripped_is_a_rollback_too(tmp_path, served):
    """The index drops the field of a package that was attested before."""
    folder, channel = served
    package = a_package(tmp_path)
    url = publish(package, folder, channel)
    memory = FileMemory(tmp_path / "state")
    assert isinstance(ask(url, channel=None, offline=False, memory=memory)[0].verdict, Accepted)
    record = {"sha256": artifact_of(package).sha256}
    (folder / "repodata.json").write_text(json.dumps({"packages.conda": {package.name: record}}))
    found = codes(*ask(url, channel=None, offline=False, memory=memory))
    assert found == [Code.MISSING_ATTESTATION, Code.ROLLBACK_UNATTESTED]


def test_damaged_memory_is_undecided_and_says_how_to_start_afresh(tmp_path, served):
    """Whoever damages the state must not switch the memory off."""
    folder, channel = served
    url = publish(a_package(tmp_path), folder, channel)
    memory = FileMemory(tmp_path / "state")
    memory.path(channel).parent.mkdir()
    memory.path(channel).write_text("{")
    [answer] = ask(url, channel=None, offline=False, memory=memory)
    assert isinstance(answer.verdict, Undecided)
    assert f"delete {memory.path(channel)}" in answer.verdict.findings[0].facts["hint"]


def test_the_local_clock_plays_no_part(package):
    """A clock that is a year off gives the same verdict, where no age is judged."""
    for now in (NOW - timedelta(days=365), NOW + timedelta(days=365)):
        [answer] = ask(package, now=now)
        assert isinstance(answer.verdict, Accepted)


def test_a_signer_by_pull_request_is_rejected(tmp_path):
    """A pull request from a stranger runs the workflow with the repository's name (CVE-2026-45321)."""
    package = a_package(tmp_path)
    signed(package, github(REPOSITORY, trigger="pull_request_target"))
    assert codes(*ask(package)) == [Code.IDENTITY_MISMATCH]


def test_the_real_package_verifies_offline(real_data):
    """A package that was published on prefix.dev in September 2025, under the root that sigstore ships."""
    from condattest.signatures.trust_root import TrustRoot

    path = real_data / "signed-package" / "signed-package-2.1.0-hb0f4dca_0.conda"
    channel = Channel("https://prefix.dev/sigstore-example")
    root = TrustRoot.production(offline=True)
    for repository, expected in (("prefix-dev/sigstore-example", Accepted), ("prefix-dev/sigstore", Rejected)):
        question = Question(policy=rules.for_repository(repository), channel=channel)
        with Fetcher(offline=True) as fetcher:
            [answer] = verify([targets.parse(str(path))], question, trust=root, fetcher=fetcher, now=NOW)
        assert isinstance(answer.verdict, expected)
        evidence = answer.verdict.evidence if isinstance(answer.verdict, Accepted) else answer.verdict.seen
        assert evidence[0].earliest.at.isoformat() == "2025-09-01T12:13:59+00:00"
        assert evidence[0].earliest.source == "log"
        assert evidence[0].log_index == 456119071


def ask_listed(url, sha256, *, policy=REQUIRED, memory=None, **more):
    """Verify what a client lists."""
    question = Question(policy=policy)
    target = targets.listed(url, sha256, more.get("held"))
    with Fetcher(attempts=1) as fetcher:
        [answer] = verify([target], question, trust=trust(), fetcher=fetcher, now=NOW, memory=memory)
        return answer


def test_what_a_client_lists_is_judged_without_the_archive(tmp_path, served):
    folder, channel = served
    package = a_package(tmp_path)
    digest = artifact_of(package).sha256
    url = publish(package, folder, channel)
    (folder / package.name).unlink()
    answer = ask_listed(url, digest)
    assert isinstance(answer.verdict, Accepted)
    assert [note.code for note in answer.verdict.notes] == [Code.SUBDIR_UNCHECKED]
    assert codes(ask_listed(url, Sha256("0" * 64))) == [Code.BIND_DIGEST]
    assert codes(ask_listed(url, None)) == [Code.BIND_NO_DIGEST]


def test_a_caller_can_say_what_authenticates(tmp_path, served):
    folder, channel = served
    package = a_package(tmp_path)
    url = publish(package, folder, channel)
    asked = []

    def counting(bundle, root):
        asked.append(bundle)
        return authenticate_parsed(bundle, root)

    target = targets.listed(url, artifact_of(package).sha256)
    with Fetcher(attempts=1) as fetcher:
        for policy, kind in ((REQUIRED, Accepted), (rules.for_repository("octo/other"), Rejected)):
            question = Question(policy=policy)
            [answer] = verify([target], question, trust=trust(), fetcher=fetcher, now=NOW, authenticate=counting)
            assert isinstance(answer.verdict, kind)
    assert len(asked) == 2
