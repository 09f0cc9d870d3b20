"""Bundles become evidence under the right root, and failures become the right kind of verdict."""

import hashlib
from dataclasses import replace
from datetime import timedelta

from condattest.errors import NotFound, Offline, TooLarge, Unavailable
from condattest.formats import bundle
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import judgement
from condattest.operations.attestations import Collected
from condattest.policy import load, rules
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.evidence_store import EvidenceStore
from tests.rehearsal import CHANNEL, NOW, REPOSITORY, a_package, artifact_of, attacker, sandbox, signed, trust

REQUIRED = rules.for_repository(REPOSITORY)
OWN_ROOT = TrustRoot.from_json(attacker().trusted_root_json().encode(), name="own")


def collected(*bundles):
    return Collected(tuple(bundle.parse(each) for each in bundles))


def policy(text=""):
    identity = github(REPOSITORY).claims
    return load.parse(
        f"""
version = 1
[signer.me]
kind = "github"
repository = "{REPOSITORY}"
repository-id = {identity["repository_id"]}
workflow = ".github/workflows/release.yml"
ref = "refs/heads/main"
[[rule]]
channel = "{CHANNEL}"
package = "numbers"
signers = ["me"]
{text}
""".encode(),
        where="policy.toml",
        now=NOW,
    )


def test_a_good_bundle_beside_a_bad_one_is_accepted_with_a_note(tmp_path):
    package = a_package(tmp_path)
    good, bad = signed(package), signed(package, by=attacker())
    verdict = judgement.authenticate_and_decide(
        collected(bad, good), artifact_of(package), CHANNEL, REQUIRED, trust(), now=NOW
    ).verdict
    assert isinstance(verdict, Accepted)
    [note] = verdict.notes
    assert (note.code, note.facts["failed"]) == (Code.SIDECAR_ELEMENT, "CRYPTO")


def test_a_rule_s_own_root_is_the_only_one_that_counts(tmp_path):
    """The public root must not vouch for a channel that has its own."""
    package = a_package(tmp_path)
    own = rules.with_trust_roots(policy('trusted-root = "own.json"'), {"own.json": OWN_ROOT.sha256})
    roots = {"own.json": OWN_ROOT}
    artifact = artifact_of(package)
    for by, expected in ((attacker(), Accepted), (sandbox(), Rejected)):
        found = collected(signed(package, by=by))
        for channel in (CHANNEL, None):
            verdict = judgement.authenticate_and_decide(found, artifact, channel, own, trust(), roots, now=NOW).verdict
            assert isinstance(verdict, expected), (by is attacker(), channel)


def test_a_root_of_one_rule_does_not_vouch_under_another(tmp_path):
    """Whoever runs the company's own CA could else sign as anybody for every other channel that the policy has."""
    package = a_package(tmp_path)
    other = policy().rules[0]
    own = replace(other, name="own", channel=Channel("https://conda.example/own"), trusted_root="own.json")
    both = replace(policy(), rules=(other, own), trust_roots={"own.json": OWN_ROOT.sha256})
    found = collected(signed(package, by=attacker()))
    for channel in (None, CHANNEL):
        verdict = judgement.authenticate_and_decide(
            found, artifact_of(package), channel, both, trust(), {"own.json": OWN_ROOT}, now=NOW
        ).verdict
        assert isinstance(verdict, Rejected)
        assert verdict.findings[0].code is Code.CRYPTO


def test_a_cool_down_counts_from_the_verified_time(tmp_path):
    package = a_package(tmp_path)
    found, artifact = collected(signed(package)), artifact_of(package)
    for age, expected in ((timedelta(hours=23), Rejected), (timedelta(hours=25), Accepted)):
        verdict = judgement.authenticate_and_decide(
            found, artifact, CHANNEL, policy('min-age = "24h"'), trust(), now=NOW + age
        ).verdict
        assert isinstance(verdict, expected)


def test_the_index_s_time_can_only_lengthen_a_cool_down(tmp_path):
    package = a_package(tmp_path)
    found, artifact, later = collected(signed(package)), artifact_of(package), NOW + timedelta(hours=25)
    for indexed, expected in ((later, Rejected), (NOW - timedelta(days=900), Accepted)):
        verdict = judgement.authenticate_and_decide(
            found, artifact, CHANNEL, policy('min-age = "24h"'), trust(), now=later, indexed_at=indexed
        ).verdict
        assert isinstance(verdict, expected)


def test_outages_are_undecided_each_with_its_code():
    for error, code in (
        (NotFound("u", "404"), Code.NET_NOT_FOUND),
        (TooLarge("u", "big"), Code.NET_LIMIT),
        (Offline("u", "no"), Code.NET_OFFLINE),
        (Unavailable("u", "500"), Code.NET_UNAVAILABLE),
    ):
        verdict = judgement.of_outage(error)
        assert isinstance(verdict, Undecided)
        assert verdict.findings[0].code is code


def test_a_finding_is_judged_by_its_severity():
    assert isinstance(judgement.of_finding(Finding.of(Code.NET_UNAVAILABLE)), Undecided)
    assert isinstance(judgement.of_finding(Finding.of(Code.BIND_NAME)), Rejected)


def test_a_large_package_of_the_old_format_is_read_in_part_and_a_note_says_so(tmp_path):
    package = a_package(tmp_path, kind=".tar.bz2")
    verdict = Accepted("rule", ())
    with package.open("rb") as opened:
        whole, index = judgement.with_metadata(verdict, opened, artifact_of(package).file, None)
    assert index is not None
    assert index["name"] == artifact_of(package).file.name
    assert whole == verdict
    with package.open("r+b") as opened:
        opened.truncate(judgement.MAX_SCANNED + 1)  # A sparse tail: what follows the metadata is not looked at.
        partly, _ = judgement.with_metadata(verdict, opened, artifact_of_name(package), None)
    assert isinstance(partly, Accepted)
    assert [note.code for note in partly.notes] == [Code.ARCHIVE_PARTLY_READ]


def artifact_of_name(package):
    from condattest.model.artifact import PackageFile

    return PackageFile.parse(package.name)


def test_what_is_kept_is_not_verified_again_and_never_vouches_for_another_bundle(tmp_path, monkeypatch):
    package = a_package(tmp_path)
    good, bad = signed(package), signed(package, by=attacker())
    asked = []

    def counting(parsed, root):
        asked.append(parsed.raw)
        return authenticate_parsed(parsed, root)

    monkeypatch.setattr(judgement, "authenticate_parsed", counting)
    with EvidenceStore(tmp_path / "evidence.sqlite") as store:
        for number in (1, 2, 3):
            store.save()
            evidence, failures = judgement.authenticate_all(collected(bad, good), [trust()], judgement.kept_in(store))
            assert [each.bundle_sha256 for each in evidence] == [hashlib.sha256(good).hexdigest()]
            assert [each.code for each in failures] == [Code.CRYPTO]
            assert (asked.count(good), asked.count(bad)) == (1, number)
