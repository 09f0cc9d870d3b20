"""Nothing is uploaded unless all of it may be, and what is uploaded is what was judged."""

import json
import shutil

import pytest
import stamina

from condattest.errors import LocalFailure, Malformed, Misuse, ServiceFailed
from condattest.formats import publish
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.operations import upload
from condattest.operations.admission import Terms
from condattest.policy import rules
from condattest.sandbox import github
from condattest.transport import prefix_dev
from tests.prefix_dev_server import TOKEN, serving
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, artifact_of, attacker, payload_for, sandbox, signed, trust

PROVENANCE = {
    "_type": "https://in-toto.io/Statement/v1",
    "predicateType": "https://example.org/review/v1",
    "predicate": {},
}


@pytest.fixture
def server():
    with serving() as running:
        yield running


def terms(channel=CHANNEL, repository=REPOSITORY):
    return Terms(trust=trust(), policy=rules.for_repository(repository), channel=channel)


def other_statement(package):
    subject = {"name": package.name, "digest": {"sha256": artifact_of(package).sha256}}
    return sandbox().sign_statement(json.dumps({**PROVENANCE, "subject": [subject]}).encode(), github(REPOSITORY))


def codes(plans):
    return [[finding.code for finding in each.findings] for each in plans]


def sent(server, plans, **how):
    return list(upload.upload(plans, server.url, "my-channel", token=TOKEN, **how))


def test_packages_go_with_the_bundles_beside_them(server, tmp_path):
    packages = [a_package(tmp_path, "numbers"), a_package(tmp_path, "letters", kind=".tar.bz2")]
    bundles = [signed(package) for package in packages]
    plans = upload.plan(packages, terms())
    assert codes(plans) == [[], []]
    assert [each.outcome for each in sent(server, plans)] == [prefix_dev.Upload("uploaded", "HTTP 201")] * 2
    assert [[content for _, content in taken.parts] for taken in server.taken] == [
        [package.read_bytes(), bundle] for package, bundle in zip(packages, bundles, strict=True)
    ]
    assert [taken.target for taken in server.taken] == ["/api/v1/upload/my-channel"] * 2


def test_a_plan_knows_the_package_by_its_bytes_and_tells_how_many_were_read(tmp_path):
    package = a_package(tmp_path, subdir="linux-64")
    signed(package)
    read = []
    [plan] = upload.plan([package], terms(), on_bytes=read.append)
    assert (plan.artifact.file, plan.artifact.sha256) == (artifact_of(package).file, artifact_of(package).sha256)
    assert plan.artifact.subdir == "linux-64"
    assert sum(read) == package.stat().st_size


def test_a_bundle_of_another_place_can_be_given(server, tmp_path):
    package = a_package(tmp_path)
    bundle = signed(package)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(b"\n" + bundle + b"\n")
    (tmp_path / f"{package.name}.sigstore.json").write_bytes(b"junk, and not looked at")
    [plan] = upload.plan([package], terms(), bundles=[elsewhere])
    assert plan.offers[0].place == str(elsewhere)
    sent(server, [plan])
    assert server.taken[0].parts[1][1] == bundle


def test_a_sidecar_of_one_bundle_can_be_given_for_that_bundle(server, tmp_path):
    package = a_package(tmp_path)
    bundle = signed(package)
    sidecar = tmp_path / f"{package.name}.sigs"
    sidecar.write_bytes(b"[" + bundle + b"]")
    plans = upload.plan([package], terms(), bundles=[sidecar])
    assert codes(plans) == [[]]
    sent(server, plans)
    assert server.taken[0].parts[1][1] == bundle


def test_a_sidecar_that_lies_beside_is_what_a_channel_has_and_no_offer(tmp_path):
    package = a_package(tmp_path)
    (tmp_path / f"{package.name}.sigs").write_bytes(b"[" + signed(package) + b"," + signed(package) + b"]")
    assert codes(upload.plan([package], terms())) == [[]]


def test_a_package_without_a_bundle_is_refused(tmp_path):
    assert codes(upload.plan([a_package(tmp_path)], terms())) == [[Code.MISSING_ATTESTATION]]


def test_two_bundles_are_refused_as_the_server_takes_one(tmp_path):
    package = a_package(tmp_path)
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        path.write_bytes(signed(package))
    [plan] = upload.plan([package], terms(), bundles=paths)
    [finding] = plan.findings
    assert finding.code is Code.MISSING_PUBLISH
    assert finding.facts["found"] == f"{publish.PREDICATE_TYPE}, {publish.PREDICATE_TYPE}"


def test_an_attestation_of_another_kind_is_refused(tmp_path):
    """The server would take the package, and no installer would find who published it."""
    package = a_package(tmp_path)
    path = tmp_path / "review.json"
    path.write_bytes(other_statement(package))
    [plan] = upload.plan([package], terms(), bundles=[path])
    assert [finding.code for finding in plan.findings] == [Code.MISSING_PUBLISH]
    assert plan.findings[0].facts["found"] == "https://example.org/review/v1"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"channel": Channel("https://conda.example/other")}, Code.CHANNEL_MISMATCH),
        ({"channel": None}, Code.CHANNEL_ABSENT),
        ({"identity": github("mallory/numbers")}, Code.IDENTITY_MISMATCH),
        ({"by": attacker()}, Code.CRYPTO),
    ],
)
def test_a_bundle_that_installers_would_refuse_is_refused(tmp_path, how, code):
    """Made for another channel, or by somebody else, or under another Sigstore."""
    package = a_package(tmp_path)
    signed(package, **how)
    [plan] = upload.plan([package], terms())
    assert [finding.code for finding in plan.findings] == [code]
    assert plan.findings[0].where.startswith(str(tmp_path))


def test_the_bundle_of_another_package_is_refused(tmp_path):
    package, other = a_package(tmp_path, "numbers"), a_package(tmp_path, "letters")
    signed(other)
    shutil.copy(tmp_path / f"{other.name}.sigstore.json", tmp_path / f"{package.name}.sigstore.json")
    assert codes(upload.plan([package], terms())) == [[Code.BIND_NAME]]


def test_a_package_that_was_built_anew_after_signing_is_refused(tmp_path):
    package = a_package(tmp_path)
    signed(package)
    a_package(tmp_path, payload=b"changed")
    assert codes(upload.plan([package], terms())) == [[Code.BIND_DIGEST]]


def test_one_refused_package_stops_them_all(server, tmp_path):
    good, bad = a_package(tmp_path, "numbers"), a_package(tmp_path, "letters")
    signed(good)
    plans = upload.plan([good, bad], terms())
    assert codes(plans) == [[], [Code.MISSING_ATTESTATION]]
    with pytest.raises(Misuse, match="refused"):
        sent(server, plans)
    assert server.connections == 0


@pytest.mark.parametrize("name", ["README.md", "numbers.conda", "numbers-1.0-0.zip"])
def test_what_is_no_package_by_its_name_is_misuse(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"junk")
    with pytest.raises(Misuse, match="expected"):
        upload.plan([path], terms())


def test_what_is_no_package_by_its_bytes_is_malformed(tmp_path):
    package = a_package(tmp_path)
    signed(package)
    renamed = package.rename(tmp_path / "letters-1.0-0.conda")
    with pytest.raises(Malformed) as caught:
        upload.plan([renamed], terms())
    assert caught.value.finding.code is Code.BIND_METADATA
    renamed.write_bytes(b"junk")
    with pytest.raises(Malformed) as caught:
        upload.plan([renamed], terms())
    assert caught.value.finding.code is Code.ARCHIVE_FORMAT


def test_a_bundle_that_is_none_is_malformed_and_named(tmp_path):
    package = a_package(tmp_path)
    (tmp_path / f"{package.name}.sigstore.json").write_bytes(b"{}")
    with pytest.raises(Malformed, match=f"{package.name}.sigstore.json"):
        upload.plan([package], terms())


def test_wrong_use_is_misuse(tmp_path):
    packages = [a_package(tmp_path, "numbers"), a_package(tmp_path, "letters")]
    for package in packages:
        signed(package)
    bundle = tmp_path / f"{packages[0].name}.sigstore.json"
    with pytest.raises(Misuse, match="nothing to upload"):
        upload.plan([], terms())
    with pytest.raises(Misuse, match="one package"):
        upload.plan(packages, terms(), bundles=[bundle])
    with pytest.raises(Misuse, match="no such file"):
        upload.plan([tmp_path / "none-1.0-0.conda"], terms())


def test_the_same_package_twice_is_misuse_and_the_same_name_in_two_subdirs_is_not(tmp_path):
    """The second would fail for the first, or replace what was said of it."""
    one, two = a_package(tmp_path / "a"), a_package(tmp_path / "b")
    three = a_package(tmp_path / "c", subdir="linux-64")
    for package in (one, two, three):
        signed(package)
    for twice in ([one, one], [one, two]):
        with pytest.raises(Misuse, match=r"noarch/numbers-1\.0-0\.conda is named twice"):
            upload.plan(twice, terms())
    assert codes(upload.plan([one, three], terms())) == [[], []]


def test_a_package_that_changes_after_it_was_judged_is_not_sent(server, tmp_path):
    """Somebody who can write to the folder swaps the package between the check and the upload."""
    package = a_package(tmp_path)
    signed(package)
    plans = upload.plan([package], terms())
    a_package(tmp_path, payload=b"evil")
    [done] = sent(server, plans)
    assert isinstance(done.outcome, LocalFailure)
    assert server.taken == []


def test_a_bundle_that_changes_after_it_was_judged_is_sent_as_it_was(server, tmp_path):
    package = a_package(tmp_path)
    bundle = signed(package)
    plans = upload.plan([package], terms())
    (tmp_path / f"{package.name}.sigstore.json").write_bytes(b"evil")
    sent(server, plans)
    assert server.taken[0].parts[1][1] == bundle


def test_a_failure_is_told_of_its_package_and_the_others_go_on(server, tmp_path):
    packages = [a_package(tmp_path, name) for name in ("letters", "numbers", "words")]
    for package in packages:
        signed(package)
    server.answers = [(201, b""), (422, b"no attestation"), (201, b"")]
    with stamina.set_testing(True):
        outcomes = [each.outcome for each in sent(server, upload.plan(packages, terms()))]
    assert isinstance(outcomes[1], ServiceFailed)
    assert [outcome for outcome in outcomes if isinstance(outcome, prefix_dev.Upload)] == [outcomes[0], outcomes[2]]
    assert len(server.taken) == 3


def test_what_is_there_already_can_be_taken_as_it_is(server, tmp_path):
    package = a_package(tmp_path)
    signed(package)
    server.answers = [(409, b"exists")]
    plans = upload.plan([package], terms())
    assert sent(server, plans, skip_existing=True)[0].outcome.status == "already-there"
    assert isinstance(sent(server, plans)[0].outcome, ServiceFailed)


def test_anybody_may_sign_where_that_is_said(server, tmp_path):
    package = a_package(tmp_path)
    signed(package, github("mallory/numbers"))
    anybody = Terms(trust=trust(), policy=None, channel=CHANNEL)
    plans = upload.plan([package], anybody)
    assert codes(plans) == [[]]
    assert sent(server, plans)[0].outcome.status == "uploaded"


def test_an_uploaded_bundle_is_about_the_package(tmp_path):
    package = a_package(tmp_path)
    signed(package)
    [plan] = upload.plan([package], terms())
    assert plan.offers[0].outcome.evidence.payload == payload_for(artifact_of(package))
