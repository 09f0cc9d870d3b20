"""Audits of whole channels."""

import contextlib
import http.server
import json
import os
import random
import shutil
import signal
import socket
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import stamina

from condattest.errors import Misuse, Unavailable
from condattest.formats import compression
from condattest.model.finding import Code
from condattest.operations.audit_merge import merge
from condattest.operations.audit_outcome import outcome
from condattest.operations.audit_records import SUBDIRS, Selection
from condattest.policy.rules import GitHubSigner, Policy, Revoked, Rule
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.evidence_store import EvidenceStore
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin
from tests import audited_channel, publishers
from tests.operations.audits import Counted, by_code, order, run


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return audited_channel.make(tmp_path_factory.mktemp("audited") / "channel", packages=140, each=1)


@pytest.fixture(scope="module")
def whole(planted):
    with run(order(planted.root)) as found:
        yield replace(found, results=list(found.results))


def test_every_planted_fault_is_found_under_its_code_and_nothing_else(planted, whole):
    assert by_code(whole) == planted.expected()
    assert sum(whole.totals.values()) == len(whole.results) == planted.packages
    assert whole.complete
    found = {run.name: run.found for run in whole.checks if run.ran}
    assert found["signer-changed"] == 2
    assert found["downgrade"] == found["attested-late"] == found["indexed-time"] == found["seen-once"] == 1
    assert found["orphans"] == 1
    assert found["unattested"] == whole.totals["unattested"]


def test_what_is_wrong_with_the_files_of_a_store_is_found(planted, whole):
    found = {
        (finding.code.value, place)
        for finding in whole.findings
        for place in (place for places in planted.places.values() for place in places)
        if place.rpartition("/")[2] in finding.where
    }
    assert found == planted.stored()
    assert len(whole.findings) == len(found)
    # What each of these rows says already is not told again.
    told = {finding for each in whole.results for finding in each.findings}
    assert not told & set(whole.findings)


def test_results_come_in_the_order_of_subdir_and_file(whole):
    places = [(each.subdir, each.file) for each in whole.results]
    assert places == sorted(places)
    assert set(whole.subdirs) == set(audited_channel.SUBDIRS)


def test_processes_find_what_one_process_finds(tmp_path, whole, planted):
    """Enough sidecars that others are started."""
    more = audited_channel.make(tmp_path / "more", packages=200, faults=["untrusted", "other-bytes"], each=1)
    with EvidenceStore(tmp_path / "evidence") as store, run(order(more.root, jobs=2, evidence=store)) as found:
        assert by_code(found) == more.expected()
        assert found.totals["accepted"] == more.packages - 2


def test_a_second_audit_neither_fetches_nor_verifies_what_did_not_change(tmp_path, planted, whole):
    with EvidenceStore(tmp_path / "evidence") as store:
        with run(order(planted.root, evidence=store)) as first:
            assert list(first.results) == whole.results
        counted = Counted(order(planted.root).origin)
        with run(order(planted.root, origin=counted, files=False, evidence=store)) as again:
            results = list(again.results)
    assert results == whole.results
    # Only what did not hold is looked at again.
    broken = {place for fault in ("untrusted", "changed-sidecar", "no-sidecar", "broken-sidecar")
              for place in planted.places[fault]}  # fmt: skip
    assert {path.partition(".sigs")[0] for path in counted.sidecars} == broken


def test_policy_time_and_revocation_are_judged_again_on_kept_evidence(tmp_path, planted):
    """A verdict that was kept would outlive the key that it was based on."""
    signers = tuple(GitHubSigner(name=f"team-{number}", repository=f"team-{number}/feedstock") for number in range(20))
    rule = Rule(name="rule", channel=audited_channel.CHANNEL, signers=signers)
    policy = Policy(source="policy.toml", rules=(rule,))
    with EvidenceStore(tmp_path / "evidence") as store:
        terms = {"policy": policy}
        with run(order(planted.root, evidence=store, terms=terms)) as found:
            accepted = next(each for each in found.results if each.status == "accepted")
            assert "IDENTITY-MISMATCH" in by_code(found)
            assert accepted.rule == "rule"
        revoking = replace(policy, revoked=Revoked(sha256=frozenset({accepted.sha256})))
        with run(order(planted.root, evidence=store, terms={"policy": revoking})) as found:
            place = f"{accepted.subdir}/{accepted.file}"
            assert by_code(found)["IDENTITY-REVOKED"] == {place}
            assert {each.name: each.found for each in found.checks}["revoked"] == 1
        slow = replace(policy, rules=(replace(rule, min_age=timedelta(days=3650)),))
        with run(order(planted.root, evidence=store, terms={"policy": slow})) as found:
            assert found.totals["accepted"] == 0
            assert place in by_code(found)["POLICY-TOO-YOUNG"]


def test_without_an_attestation_under_a_policy_a_package_is_unattested(planted):
    policy = Policy(source="p", rules=(Rule(name="r", signers=(GitHubSigner(name="x", repository="x/y"),)),))
    with run(order(planted.root, terms={"policy": policy})) as found:
        [place] = planted.places["unattested"][:1]
        [status] = {each.status for each in found.results if f"{each.subdir}/{each.file}" == place}
    assert status == "unattested"


def test_four_parts_joined_are_the_whole(planted, whole):
    with contextlib.ExitStack() as stack:
        parts = [
            stack.enter_context(run(order(planted.root, selection=Selection(part=(number, 4)))))
            for number in range(1, 5)
        ]
        joined = merge(parts)
        assert list(joined.results) == whole.results
    assert sum(len(part.results) > 0 for part in parts) == 4
    assert replace(joined, results=[]) == replace(whole, results=[])


def test_a_sample_is_the_same_each_time_and_says_that_it_is_one(planted):
    with run(order(planted.root, selection=Selection(sample=20))) as one:
        places = [each.file for each in one.results]
    with run(order(planted.root, selection=Selection(sample=20))) as two:
        assert [each.file for each in two.results] == places
    with run(order(planted.root, selection=Selection(sample=20, seed="other"))) as three:
        assert [each.file for each in three.results] != places
    assert (one.mode, one.limit, len(places)) == ("sample", f"20 of {planted.packages}", 20)
    assert all(each.reason for each in one.checks)


def test_since_a_time_only_what_was_indexed_later_is_looked_at(planted):
    since = audited_channel.START + timedelta(days=3)
    with run(order(planted.root, selection=Selection(since=since))) as found:
        assert 0 < len(found.results) < planted.packages
        assert all(each.indexed_at is None or each.indexed_at >= since for each in found.results)
    assert found.limit == since.isoformat()


def test_index_only_fetches_no_sidecar_and_accepts_nothing(planted):
    counted = Counted(order(planted.root).origin)
    with run(order(planted.root, origin=counted, index_only=True)) as found:
        codes = by_code(found)
    assert counted.sidecars == []
    assert found.totals["accepted"] == 0
    expected = planted.expected()
    for code in ("AUDIT-UNATTESTED", "AUDIT-DOWNGRADE", "SIDECAR-FIELD", "BIND-NO-DIGEST", "BIND-METADATA"):
        assert codes[code] == expected[code]


def test_an_audit_that_is_stopped_is_incomplete_and_goes_on_where_it_stopped(tmp_path, planted, whole):
    resume, done = tmp_path / "state", []
    with run(order(planted.root, resume=resume), stop=lambda: len(done) >= 64, on_done=done.append) as part:
        assert not part.complete
        assert 0 < len(part.results) < planted.packages
        had = list(part.results)
    assert [(each.file, each.status) for each in had] == [
        (each.file, each.status) for each in whole.results[: len(had)]
    ]
    counted = Counted(order(planted.root).origin)
    with run(order(planted.root, origin=counted, files=False, resume=resume)) as rest:
        assert rest.complete
        assert list(rest.results) == whole.results
    asked = {path.partition(".sigs")[0] for path in counted.sidecars}
    decided = {f"{each.subdir}/{each.file}" for each in had if each.status != "undecided"}
    assert asked
    assert not asked & decided
    # Something is undecided, so the file stays, and the next run asks for that alone.
    assert resume.exists()


@pytest.mark.parametrize(
    ("later", "is_asked"),
    [(timedelta(hours=23), False), (timedelta(days=1), True), (timedelta(hours=-1), True)],
)
def test_what_was_decided_a_day_ago_is_decided_again(tmp_path, planted, later, is_asked):
    """The file stays where something is undecided each time, and must not keep verdicts for that long."""
    resume = tmp_path / "state"
    with run(order(planted.root, files=False, resume=resume)) as first:
        before = list(first.results)
    counted = Counted(order(planted.root).origin)
    now = audited_channel.NOW + later
    with run(order(planted.root, origin=counted, files=False, resume=resume), now=now) as again:
        assert list(again.results) == before
    assert (len(counted.sidecars) > 100) == is_asked
    assert resume.exists()


def test_what_to_resume_from_is_of_the_same_audit(tmp_path, planted):
    resume = tmp_path / "state"
    with run(order(planted.root, resume=resume)):
        pass
    with pytest.raises(Misuse, match="another channel"), run(order(planted.root, resume=resume, subdirs=("noarch",))):
        pass
    (tmp_path / "other").write_text("hello")
    with pytest.raises(Misuse, match="something else"), run(order(planted.root, resume=tmp_path / "other")):
        pass


@pytest.mark.parametrize("change", [{"depends": ["evil"]}, {"name": "numpy"}])
def test_a_record_that_changed_since_is_judged_again(tmp_path, change):
    """The index is changed between two runs: digest, sidecar and time stay, and what a solver goes by does not."""
    root = audited_channel.make(tmp_path / "channel", packages=20, faults=["no-sidecar"], each=1).root
    resume = tmp_path / "state"
    with run(order(root, files=False, resume=resume)) as found:
        assert found.totals["undecided"] == 1
    index = root / "noarch" / "repodata.json"
    document = json.loads(index.read_bytes())
    file = next(iter(document["packages.conda"]))
    document["packages.conda"][file].update(change)
    index.write_text(json.dumps(document, separators=(",", ":")))
    counted = Counted(order(root).origin)
    with run(order(root, origin=counted, store=None, resume=resume)) as found:
        changed = next(each for each in found.results if (each.subdir, each.file) == ("noarch", file))
    asked = {path.partition(".sigs")[0] for path in counted.sidecars}
    assert f"noarch/{file}" in asked or changed.status == "rejected"
    assert len(asked) <= 2  # And the one that was undecided.
    assert ("name" in change) == (changed.status == "rejected")


def _audit_and_die(root: str, trusted: bytes, resume: str, after: int) -> None:
    left = [after]

    def count(number: int) -> None:
        left[0] -= number
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    trust = TrustRoot.from_json(trusted, name="sandbox")
    with run(order(Path(root), resume=Path(resume), terms={"trust": trust}), on_done=count):
        pass


def test_a_killed_audit_loses_no_more_than_a_batch(tmp_path, planted, whole):
    resume = tmp_path / "state"
    arguments = (str(planted.root), audited_channel.trust().json, str(resume), 120)
    process = publishers.context().Process(target=_audit_and_die, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    counted = Counted(order(planted.root).origin)
    with run(order(planted.root, origin=counted, files=False, resume=resume)) as found:
        assert list(found.results) == whole.results
    first = {f"{each.subdir}/{each.file}" for each in whole.results[:100] if each.status != "undecided"}
    assert not first & {path.partition(".sigs")[0] for path in counted.sidecars}


class _Flaky(http.server.SimpleHTTPRequestHandler):
    """One request in twenty is answered with 503, one in twenty not at all."""

    chance = random.Random(5)
    gone: frozenset[str] = frozenset()
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        number = self.chance.randrange(20)
        if number == 0 or self.path in self.gone:
            self.send_response(503)
            self.send_header("content-length", "0")
            self.end_headers()
        elif number == 1:
            self.close_connection = True
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def _flaky(root, gone=()):
    handler = type("Handler", (_Flaky,), {"gone": frozenset(gone)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *how: handler(*how, directory=str(root)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fetcher = Fetcher(attempts=6, first_wait=0.01, longest_wait=0.02)
    try:
        yield HttpOrigin(f"http://127.0.0.1:{server.server_port}", fetcher)
    finally:
        fetcher.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_stumbles_is_asked_again_until_every_fact_is_had(planted, whole):
    with (
        _flaky(planted.root) as origin,
        run(order(planted.root, origin=origin, store=None, subdirs=("noarch",))) as found,
    ):
        expected = {each.file: each.status for each in whole.results if each.subdir == "noarch"}
        assert {each.file: each.status for each in found.results} == expected


def test_exactly_what_a_server_does_not_give_is_undecided(planted, whole):
    """An outage must not become "unattested", and must not take other packages with it."""
    here = [each for each in whole.results if each.subdir == "noarch"]
    missing = [each for each in here if each.status == "accepted"][::10]
    records = {}
    for each in missing:
        [path] = (planted.root / each.subdir).glob(f"{each.file}.sigs.*")
        records[f"/{each.subdir}/{path.name}"] = each
    with (
        _flaky(planted.root, gone=records) as origin,
        run(order(planted.root, origin=origin, store=None, subdirs=("noarch",))) as found,
    ):
        undecided = {each.file: each for each in found.results if each.status == "undecided"}
    known = {each.file for each in here if each.status == "undecided"}
    assert set(undecided) == {each.file for each in missing} | known
    assert {finding.code for each in missing for finding in undecided[each.file].findings} == {Code.NET_UNAVAILABLE}


def test_a_subdir_whose_index_cannot_be_had_is_said_and_the_others_are_audited(planted):
    def fail(path):
        if path.startswith("noarch/repodata"):
            raise Unavailable(path, "no route")

    counted = Counted(order(planted.root).origin, fail=fail)
    with run(order(planted.root, origin=counted, store=None)) as found:
        assert [finding.code for finding in found.findings] == [Code.NET_UNAVAILABLE]
        assert "noarch" not in {each.subdir for each in found.results}
        assert {each.name: each.found for each in found.checks}["undecided"] == found.totals["undecided"] + 1


def test_a_dead_host_is_said_for_each_platform_and_not_waited_for_by_each(planted):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/channel"
    waits = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    with Fetcher(attempts=3, first_wait=0.01, longest_wait=0.02) as fetcher:
        asked = order(planted.root, origin=HttpOrigin(url, fetcher), store=None)
        with run(asked) as found:
            said = {finding.where.partition("/repodata")[0]: finding.code for finding in found.findings}
            assert said == {f"{url}/{subdir}": Code.NET_UNAVAILABLE for subdir in SUBDIRS}
            assert outcome(found).failed == {}
            assert outcome(found).missing
    stamina.instrumentation.set_on_retry_hooks(None)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "how", [{"subdirs": ("linux-32",)}, {"selection": Selection(since=audited_channel.NOW + timedelta(days=9999))}]
)
def test_nothing_to_audit_is_misuse(planted, how):
    with pytest.raises(Misuse), run(order(planted.root, files=False, **how)):
        pass


def test_a_part_without_packages_is_one_all_the_same(planted):
    with run(order(planted.root, files=False, selection=Selection(part=(1, 10**6)))) as found:
        assert len(found.results) == 0


def test_a_folder_that_is_no_channel_is_misuse(tmp_path):
    (tmp_path / "noarch").mkdir()
    with pytest.raises(Misuse, match="no channel"), run(order(tmp_path)):
        pass


def test_an_index_that_is_none_is_an_error_of_the_subdir(tmp_path, planted):
    root = Path(shutil.copytree(planted.root, tmp_path / "channel"))
    (root / "noarch" / "repodata.json").write_text("<html>")
    with run(order(root, files=False)) as found:
        assert [finding.code for finding in found.findings] == [Code.NET_UNAVAILABLE]


@pytest.mark.parametrize("files", [True, False])
def test_an_index_that_is_cut_short_by_a_wrong_shard_is_no_pass(tmp_path, files):
    """A server swaps one shard: its subdir is not looked at, and all that is left is in order."""
    root = audited_channel.make(tmp_path / "channel", packages=20, faults=[]).root
    folder = root / "noarch"
    (folder / "repodata.json").unlink()
    index = {"version": 1, "info": {"shards_base_url": ""}, "shards": {"x": bytes(32)}}
    (folder / f"{bytes(32).hex()}.msgpack.zst").write_bytes(b"another")
    (folder / "repodata_shards.msgpack.zst").write_bytes(compression.zstd_small(msgspec.msgpack.encode(index)))
    with run(order(root, files=files)) as found:
        codes = {finding.code for finding in found.findings}
        assert {Code.INDEX_SHARDS, Code.NET_UNAVAILABLE} <= codes
        assert outcome(found).failed["sidecars"] >= 1
        # Known from an audit before, or not asked for, it is a subdir that nobody looked at all the same.
        assert "1 facts could not be had" in outcome(found, ["rejected"], found).missing
