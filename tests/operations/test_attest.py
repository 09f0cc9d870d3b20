"""Many packages, one certificate; what is written was verified, and nothing is half written."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from condattest.errors import LocalFailure, Malformed, Misuse, NoIdentity, ServiceFailed
from condattest.formats import bundle, publish, statement
from condattest.model.evidence import Evidence
from condattest.model.finding import Code
from condattest.operations import attest
from condattest.sandbox import Sandbox, github
from condattest.signatures.identity import Token
from condattest.signatures.sign import Signing
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import CHANNEL, REPOSITORY, a_package


@pytest.fixture(params=[(1, False), (1, True), (2, True)], ids=["v1", "v1-tsa", "v2"])
def running(request):
    rekor, tsa = request.param
    with Sandbox(rekor=rekor, tsa=tsa).serve() as started:
        yield started


@pytest.fixture
def one_kind():
    with Sandbox(rekor=1, tsa=True).serve() as started:
        yield started


def sign(running, packages, *, force=False, channel=CHANNEL, source=None, **options):
    trust = TrustRoot.from_json(running.trust_config_json().encode(), name="sandbox")
    source = source or (lambda: Token(running.sandbox.token(github(REPOSITORY)), source="the test"))
    orders = attest.prepare(packages, force=force)
    signing = Signing(trust, source, **options)
    now = datetime.now(UTC)
    made = attest.attest(orders, channel=channel, trust=trust, source=source, now=now, force=force, signing=signing)
    return sorted(made, key=lambda each: str(each.order.path))


def written(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith((".json", ".tmp")))


def test_many_packages_are_signed_with_one_certificate(running, tmp_path):
    packages = [a_package(tmp_path, f"numbers{number}") for number in range(5)]
    outcomes = sign(running, packages)
    assert all(isinstance(each.outcome, Evidence) for each in outcomes)
    certificates = {bundle.parse(each.order.output.read_bytes()).certificate for each in outcomes}
    assert len(certificates) == 1


def test_the_statement_is_exactly_cep_27_s(one_kind, tmp_path):
    package = a_package(tmp_path)
    [outcome] = sign(one_kind, [package])
    said = json.loads(outcome.outcome.payload)
    assert said == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": package.name, "digest": {"sha256": outcome.order.artifact.sha256}}],
        "predicateType": publish.PREDICATE_TYPE,
        "predicate": {"targetChannel": CHANNEL.url},
    }


def test_without_a_channel_there_is_no_predicate(one_kind, tmp_path):
    [outcome] = sign(one_kind, [a_package(tmp_path)], channel=None)
    evidence = outcome.outcome
    assert statement.parse(evidence.payload_type, evidence.payload).predicate is None
    assert "predicate" not in json.loads(evidence.payload)


def test_a_bundle_in_the_way_is_kept(one_kind, tmp_path):
    package = a_package(tmp_path)
    path = tmp_path / f"{package.name}.sigstore.json"
    path.write_text("precious")
    with pytest.raises(Misuse, match="already"):
        sign(one_kind, [package])
    assert path.read_text() == "precious"
    [outcome] = sign(one_kind, [package], force=True)
    assert isinstance(outcome.outcome, Evidence)
    assert bundle.parse(path.read_bytes())


def test_one_bad_package_stops_all_before_anything_is_signed(one_kind, tmp_path):
    good, bad = a_package(tmp_path, "good"), a_package(tmp_path, "bad")
    bad.write_bytes(b"no package")
    with pytest.raises(Malformed) as caught:
        sign(one_kind, [good, bad])
    assert caught.value.finding.code is Code.ARCHIVE_FORMAT
    assert written(tmp_path) == []


def test_a_package_that_changes_while_it_is_signed_gets_no_bundle(one_kind, tmp_path):
    """A build that is still writing, or somebody who swaps the file between hash and signature."""
    package = a_package(tmp_path)

    def source():
        package.write_bytes(package.read_bytes() + b"more")
        return Token(one_kind.sandbox.token(github(REPOSITORY)), source="the test")

    [outcome] = sign(one_kind, [package], source=source)
    assert isinstance(outcome.outcome, LocalFailure)
    assert "changed while it was signed" in str(outcome.outcome)
    assert written(tmp_path) == []


def test_a_dead_time_stamp_authority_is_named(one_kind, tmp_path):
    one_kind.sandbox.faults.tsa_down = True
    [outcome] = sign(one_kind, [a_package(tmp_path)], attempts=2)
    assert isinstance(outcome.outcome, ServiceFailed)
    assert "time-stamp authority" in str(outcome.outcome)
    assert f"{one_kind.url}/api/v1/timestamp" in str(outcome.outcome)
    assert written(tmp_path) == []


def test_fulcios_refusal_is_shown_in_its_own_words(one_kind, tmp_path):
    one_kind.sandbox.faults.fulcio_refuses = "your issuer is not welcome"
    with pytest.raises(ServiceFailed, match=r"HTTP 400.*your issuer is not welcome"):
        sign(one_kind, [a_package(tmp_path)])
    assert written(tmp_path) == []


def test_a_log_that_fails_at_first_is_tried_again(one_kind, tmp_path):
    one_kind.sandbox.faults.fail_first = 1
    [outcome] = sign(one_kind, [a_package(tmp_path)])
    assert isinstance(outcome.outcome, Evidence)


def test_a_dead_log_is_an_error_in_its_own_words(one_kind, tmp_path):
    one_kind.sandbox.faults.rekor_down = True
    [outcome] = sign(one_kind, [a_package(tmp_path)], attempts=2)
    assert isinstance(outcome.outcome, ServiceFailed)
    assert "HTTP 503" in str(outcome.outcome)
    assert written(tmp_path) == []


def test_a_log_that_never_answers_is_given_up(one_kind, tmp_path):
    one_kind.sandbox.faults.rekor_delay = 3
    outcomes = sign(one_kind, [a_package(tmp_path, f"numbers{number}") for number in range(2)], deadline=0.6)
    assert [type(each.outcome) for each in outcomes] == [ServiceFailed] * 2
    assert "no answer within 0.6 s" in str(outcomes[0].outcome)
    assert written(tmp_path) == []


def test_a_certificate_that_expires_in_the_middle_is_replaced(one_kind, tmp_path):
    one_kind.sandbox.faults.certificate_lifetime = timedelta(seconds=1)
    one_kind.sandbox.faults.rekor_delay = 0.7
    packages = [a_package(tmp_path, f"numbers{number}") for number in range(5)]
    trust = TrustRoot.from_json(one_kind.trust_config_json().encode(), name="sandbox")
    signing = Signing(trust, lambda: Token(one_kind.sandbox.token(github(REPOSITORY)), source="the test"))
    payloads = [
        statement.dump(publish.statement(order.artifact, CHANNEL)) for order in attest.prepare(packages, force=True)
    ]
    signed = list(signing.sign(payloads, jobs=1))
    bundles = [bundle.parse(each.outcome) for each in signed if isinstance(each.outcome, bytes)]
    assert len(bundles) == 5
    assert len({each.certificate for each in bundles}) > 1


def test_a_token_that_expires_in_the_middle_says_so(one_kind, tmp_path):
    one_kind.sandbox.faults.certificate_lifetime = timedelta(seconds=1)
    one_kind.sandbox.faults.rekor_delay = 1.2
    token = Token(one_kind.sandbox.token(github(REPOSITORY), lifetime=timedelta(seconds=2)), source="the test")
    packages = [a_package(tmp_path, f"numbers{number}") for number in range(4)]
    trust = TrustRoot.from_json(one_kind.trust_config_json().encode(), name="sandbox")
    payloads = [
        statement.dump(publish.statement(order.artifact, CHANNEL)) for order in attest.prepare(packages, force=True)
    ]
    outcomes = [each.outcome for each in Signing(trust, lambda: token).sign(payloads, jobs=1)]
    assert any(isinstance(outcome, NoIdentity) and "expired" in str(outcome) for outcome in outcomes)


def test_a_certificate_authority_that_is_down_is_an_error(tmp_path):
    with Sandbox().serve() as started:
        config = started.trust_config_json()
        token = Token(started.sandbox.token(github(REPOSITORY)), source="the test")
    trust = TrustRoot.from_json(config.encode(), name="sandbox")
    with pytest.raises(ServiceFailed):
        list(Signing(trust, lambda: token).sign([b"{}"], jobs=1))


@pytest.mark.parametrize("name", ["notes.txt", "x-1.conda", "x-1-0.CONDA"])
def test_what_is_no_package_is_a_usage_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(Misuse):
        attest.prepare([path], force=False)


def test_missing_and_doubled_packages_are_usage_errors(tmp_path):
    package = a_package(tmp_path)
    other = a_package(tmp_path / "other")
    for paths in ([], [tmp_path / "no-1-0.conda"], [tmp_path], [package, package]):
        with pytest.raises(Misuse):
            attest.prepare(paths, force=False)
    with pytest.raises(Misuse, match="twice"):
        attest.prepare([package, other], force=False, output_dir=tmp_path)
