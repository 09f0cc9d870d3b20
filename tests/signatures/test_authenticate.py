"""Only what was verified comes out, whatever is put in."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.errors import Malformed, NotAuthenticated
from condattest.model.finding import Code
from condattest.sandbox import email, github
from condattest.signatures.authenticate import authenticate
from condattest.signatures.trust_root import TrustRoot
from tests.rehearsal import NOW, REPOSITORY, attacker, sandbox, trust

PAYLOAD = b'{"any": "payload"}'
PLAIN = sandbox().sign_statement(PAYLOAD, github(REPOSITORY), rekor=1, tsa=False)
STAMPED = sandbox().sign_statement(PAYLOAD, github(REPOSITORY), rekor=2, tsa=True)


def refusal(bundle, root=None):
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(bundle, root or trust())
    return caught.value.finding


def changed(bundle, change):
    document = json.loads(bundle)
    change(document)
    return json.dumps(document).encode()


def test_evidence_holds_payload_signer_and_verified_times():
    evidence = authenticate(PLAIN, trust())
    assert evidence.payload == PAYLOAD
    assert evidence.payload_type == "application/vnd.in-toto+json"
    assert evidence.signer.claims.source_repository_uri == f"https://github.com/{REPOSITORY}"
    assert [(time.at, time.source) for time in evidence.times] == [(NOW, "log")]
    assert evidence.log_index is not None
    assert evidence.notes == ()


def test_a_rekor_v2_entry_takes_its_time_from_the_token_and_tells_no_index():
    evidence = authenticate(STAMPED, trust())
    assert [(time.at, time.source) for time in evidence.times] == [(NOW, "tsa")]
    assert evidence.log_index is None


def test_both_times_are_told_earliest_first():
    bundle = sandbox().sign_statement(PAYLOAD, github(REPOSITORY), rekor=1, tsa=True)
    assert [time.source for time in authenticate(bundle, trust()).times] == ["log", "tsa"]


def test_the_payload_need_not_be_a_statement():
    bundle = sandbox().sign_statement(b"\x00\xff", github(REPOSITORY), payload_type="text/plain")
    assert authenticate(bundle, trust()).payload == b"\x00\xff"


def test_a_person_is_a_signer():
    signer = authenticate(sandbox().sign_statement(PAYLOAD, email("me@example.org")), trust()).signer
    assert (signer.san, signer.san_kind) == ("me@example.org", "email")


def test_a_claimed_time_that_nothing_signed_is_not_told():
    """An attacker writes a time of its own beside an entry whose log signs none."""
    forged = changed(STAMPED, lambda d: d["verificationMaterial"]["tlogEntries"][0].update(integratedTime="1000000000"))
    assert [time.source for time in authenticate(forged, trust()).times] == ["tsa"]


def test_an_integrated_time_of_zero_is_no_time():
    """Zero is false in Python: the library then skips the signed entry timestamp."""
    forged = changed(PLAIN, lambda d: d["verificationMaterial"]["tlogEntries"][0].update(integratedTime="0"))
    assert refusal(forged).code is Code.TIME_NONE


def test_an_absurd_integrated_time_is_refused():
    """A time that no calendar has must be a finding, not a crash."""
    forged = changed(PLAIN, lambda d: d["verificationMaterial"]["tlogEntries"][0].update(integratedTime=str(2**63 - 1)))
    assert refusal(forged).code is Code.CRYPTO


def test_a_time_stamp_beside_a_bad_one_still_counts():
    """An attacker adds a token, so that the bundle is refused; it must gain nothing by it."""
    stamps = {"signedTimestamp": base64.b64encode(b"junk").decode()}
    data = "timestampVerificationData"
    forged = changed(STAMPED, lambda d: d["verificationMaterial"][data]["rfc3161Timestamps"].append(stamps))
    evidence = authenticate(forged, trust())
    assert [time.source for time in evidence.times] == ["tsa"]
    assert [note.code for note in evidence.notes] == [Code.TIME_DROPPED]


def test_another_trust_root_is_refused():
    assert refusal(attacker().sign_statement(PAYLOAD, github(REPOSITORY))).code is Code.CRYPTO
    assert refusal(PLAIN, TrustRoot.production(offline=True)).code is Code.CRYPTO


def test_a_foreign_certificate_under_a_known_log_is_refused():
    """The attacker's own CA, and the log entry of an honest bundle."""
    forged = json.loads(attacker().sign_statement(PAYLOAD, github(REPOSITORY), rekor=1, tsa=False))
    honest = json.loads(PLAIN)
    forged["verificationMaterial"]["tlogEntries"] = honest["verificationMaterial"]["tlogEntries"]
    assert refusal(json.dumps(forged).encode()).code is Code.CRYPTO


def test_a_signature_by_another_key_is_refused():
    """The certificate of one bundle on the envelope of another."""
    other = json.loads(sandbox().sign_statement(PAYLOAD, github("me/other"), rekor=1, tsa=False))
    forged = changed(
        PLAIN,
        lambda d: d["verificationMaterial"].update(certificate=other["verificationMaterial"]["certificate"]),
    )
    assert refusal(forged).code is Code.CRYPTO


def test_the_windows_of_the_root_are_judged_at_the_verified_time():
    """A key that was retired before the signature: sigstore-python takes it, since its certificate is still valid."""
    for group, inner in (("certificateAuthorities", None), ("tlogs", "publicKey"), ("ctlogs", "publicKey")):
        document = json.loads(sandbox().trusted_root_json())
        for member in document[group]:
            end = (NOW - timedelta(days=1)).isoformat().replace("+00:00", "Z")
            (member[inner] if inner else member)["validFor"]["end"] = end
        root = TrustRoot.from_json(json.dumps(document).encode(), name="retired")
        assert refusal(PLAIN, root).code is Code.CRYPTO_WINDOW, group


def test_a_retired_time_stamp_authority_gives_no_time():
    document = json.loads(sandbox().trusted_root_json())
    for member in document["timestampAuthorities"]:
        member["validFor"]["end"] = NOW.isoformat().replace("+00:00", "Z")  # exclusive
    root = TrustRoot.from_json(json.dumps(document).encode(), name="retired")
    assert refusal(STAMPED, root).code is Code.TIME_NONE


def test_a_root_whose_keys_begin_in_the_clock_s_future_verifies_all_the_same(monkeypatch):
    """The local clock is set back by years; sigstore-python would not load the keys then."""
    import sigstore._utils

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(1999, 1, 1, tzinfo=tz or UTC)

    monkeypatch.setattr(sigstore._utils, "datetime", Behind)
    root = TrustRoot.from_json(sandbox().trusted_root_json().encode(), name="behind")
    assert authenticate(PLAIN, root) == authenticate(PLAIN, trust())
    assert authenticate(STAMPED, root).times == authenticate(STAMPED, trust()).times


def test_the_real_bundle_proves_what_it_should(real_data):
    path = real_data / "signed-package" / "signed-package-2.1.0-hb0f4dca_0.conda.sigstore.json"
    evidence = authenticate(path.read_bytes(), TrustRoot.production(offline=True))
    claims = evidence.signer.claims
    assert claims.source_repository_uri == "https://github.com/prefix-dev/sigstore-example"
    assert (claims.source_repository_id, claims.source_repository_owner_id) == ("1048392115", "111356225")
    assert claims.build_trigger == "push"
    assert [(time.at.isoformat(), time.source) for time in evidence.times] == [("2025-09-01T12:13:59+00:00", "log")]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_mutation_raises_anything_else_or_changes_what_is_proved(data):
    bundle = data.draw(st.sampled_from([PLAIN, STAMPED]))
    mutated = bytearray(bundle)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(mutated) - 1))
        mutated[position] = data.draw(st.integers(0, 255))
    try:
        evidence = authenticate(bytes(mutated), trust())
    except (Malformed, NotAuthenticated):
        return
    honest = authenticate(bundle, trust())
    assert (evidence.payload, evidence.signer) == (honest.payload, honest.signer)
    assert set(evidence.times) <= set(honest.times)


def _paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _paths(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _paths(child, (*path, index))


PATHS = sorted((path for path in _paths(json.loads(PLAIN)) if path), key=str)
JUNK = st.sampled_from([None, True, 0, -1, 1.5, "", "x", "AA==", "9" * 19, [], {}, [{}], "\x00", "\U0001f600"])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATHS), JUNK, st.booleans())
def test_no_change_of_structure_raises_anything_else(path, junk, drop):
    document = json.loads(PLAIN)
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    if drop:
        del parent[path[-1]]
    else:
        parent[path[-1]] = junk
    try:
        evidence = authenticate(json.dumps(document).encode(), trust())
    except (Malformed, NotAuthenticated):
        return
    assert evidence.payload == PAYLOAD
    assert {time.at for time in evidence.times} == {NOW}
