from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest

from condattest.model.artifact import Sha256
from condattest.model.evidence import Evidence, VerifiedTime
from condattest.model.signer import GITHUB_ISSUER, Signer

EARLY = VerifiedTime(datetime(2025, 9, 1, 12, 13, 59, tzinfo=UTC), "log", "rekor.example")
LATE = VerifiedTime(datetime(2025, 9, 1, 12, 14, 1, tzinfo=UTC), "tsa", "tsa.example")


def an_evidence(**changes):
    parts = {
        "payload_type": "application/vnd.in-toto+json",
        "payload": b"{}",
        "signer": Signer(san="https://github.com/o/r", san_kind="uri", issuer=GITHUB_ISSUER),
        "times": (EARLY, LATE),
        "log": "rekor.example",
        "log_index": 7,
        "bundle_sha256": Sha256("0" * 64),
        "trust_root_sha256": Sha256("1" * 64),
    }
    return Evidence(**{**parts, **changes})


def test_the_earliest_time_is_the_first():
    assert an_evidence().earliest == EARLY


def test_times_sort_by_when_they_are():
    assert sorted([LATE, EARLY]) == [EARLY, LATE]


def test_evidence_cannot_be_changed():
    """Code that runs later puts other signed bytes into authenticated evidence."""
    evidence = an_evidence()
    with pytest.raises(FrozenInstanceError):
        evidence.payload = b"[]"


def test_evidence_has_no_field_that_says_whether_it_is_true():
    """A record with `verified=False` is taken for evidence by whoever forgets to look."""
    assert not [field.name for field in fields(Evidence) if "verif" in field.name or "valid" in field.name]


def test_every_part_of_evidence_but_its_notes_must_be_given():
    assert an_evidence().notes == ()
    for name in ("payload", "signer", "times", "log_index", "bundle_sha256", "trust_root_sha256"):
        parts = {field.name: getattr(an_evidence(), field.name) for field in fields(Evidence)}
        del parts[name]
        with pytest.raises(TypeError, match=name):
            Evidence(**parts)


def test_evidence_is_a_value():
    assert len({an_evidence(), an_evidence(), an_evidence(log_index=None)}) == 2
