"""How an audit ends."""

from dataclasses import replace

import pytest

from condattest.errors import Misuse
from condattest.model.audit import CheckRun
from condattest.model.finding import Code, Finding
from condattest.operations.audit_outcome import checked, outcome
from tests.formats.test_audit_report import made
from tests.operations.checks.rows import unsound
from tests.operations.test_audit_merge import package

GOOD = package("good")
BAD = package("bad", status="rejected", findings=[Finding.of(Code.CRYPTO, "x")])
BARE = package("bare", status="unattested", findings=[Finding.of(Code.AUDIT_UNATTESTED, "x")])
LATE = package("late", findings=[Finding.of(Code.AUDIT_LATE, "x")])


def audit(*packages, **found):
    runs = tuple(CheckRun(name, count is not None, count or 0) for name, count in found.items())
    return made(packages, checks=runs)


def test_what_is_rejected_fails_whatever_is_asked_for():
    assert outcome(audit(GOOD, BAD, rejected=1), ["unattested"]).failed == {"rejected": 1}


def test_what_is_unattested_fails_where_that_is_asked_for_or_a_policy_wants_it_attested():
    found = replace(audit(GOOD, BARE, unattested=1), policy=None)
    assert outcome(found).failed == {}
    assert outcome(found, ["unattested"]).failed == {"unattested": 1}
    found = replace(found, policy="policy.toml")
    assert outcome(found).failed == {"unattested": 1}
    assert outcome(found, ["patches"]).failed == {}


def test_a_check_that_was_asked_for_and_did_not_run_is_no_pass():
    found = audit(GOOD, patches=None, downgrade=0)
    assert outcome(found).not_run == ()
    assert outcome(found, ["patches", "downgrade"]).not_run == ("patches",)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (replace(audit(GOOD), complete=False), "interrupted"),
        (replace(audit(GOOD), mode="index-only"), "index-only"),
        (audit(GOOD, package("x", status="undecided")), "1 facts"),
        (replace(audit(GOOD), findings=(Finding.of(Code.NET_UNAVAILABLE),)), "1 facts"),
        (audit(BARE), "nothing was verified"),
        (audit(), "nothing was verified"),
    ],
)
def test_an_audit_that_missed_something_is_no_pass(found, reason):
    assert any(reason in each for each in outcome(found).missing)


def test_an_audit_of_good_packages_passes():
    ended = outcome(audit(GOOD, rejected=0))
    assert (ended.failed, ended.not_run, ended.missing) == ({}, (), ())


def test_only_what_is_not_in_the_baseline_fails():
    before = audit(GOOD, BAD, BARE, rejected=1, unattested=1)
    assert outcome(before, ["unattested"], before).failed == {}
    other = package("other", status="rejected", findings=[Finding.of(Code.CRYPTO, "x")])
    assert outcome(audit(GOOD, BAD, other, rejected=2), None, before).failed == {"rejected": 1}
    # The same package with another problem is news, too.
    worse = replace(BAD, findings=(Finding.of(Code.BIND_DIGEST, "x"),))
    assert outcome(audit(GOOD, worse, rejected=1), None, before).failed == {"rejected": 1}
    # And so are other bytes under the same name.
    swapped = replace(BAD, sha256="ab" * 32)
    assert outcome(audit(GOOD, swapped, rejected=1), None, before).failed == {"rejected": 1}


@pytest.mark.parametrize(
    ("code", "facts", "worse"),
    [
        (Code.PATCH_UNATTRIBUTED, {"expected": "a", "found": "b"}, {"found": "c"}),
        (Code.PATCH_KEY, {"key": "name"}, {"key": "version"}),
        (Code.PATCH_REPORTED, {"failed": "PATCH-KEY", "key": "name"}, {"failed": "PATCH-UNATTRIBUTED"}),
        (Code.BIND_METADATA, {"expected": "x", "found": "numpy"}, {"found": "openssl"}),
        (Code.ROLLBACK, {"expected": "as of generation 2", "found": "b"}, {"found": "c"}),
        (Code.AUDIT_SIGNER_CHANGED, {"expected": "a", "found": "b"}, {"found": "mallory"}),
    ],
)
def test_a_record_that_changed_once_more_is_new(code, facts, worse):
    """What is known and tolerated of a record must not hide what is done to it next: its package stays the same."""
    known = package("known", status="rejected", findings=[Finding.of(code, "x", **facts)])
    before = audit(GOOD, known, rejected=1)
    again = replace(known, findings=(Finding.of(code, "x", **{**facts, "expected": "another"}),))
    assert outcome(audit(GOOD, again, rejected=1), None, before).failed == {}
    changed = replace(known, findings=(Finding.of(code, "x", **{**facts, **worse}),))
    assert outcome(audit(GOOD, changed, rejected=1), None, before).failed["rejected"] == 1


def test_a_baseline_counts_by_check_and_for_the_audit_s_own_findings():
    before = replace(audit(GOOD), findings=(Finding.of(Code.SIDECAR_MUTABLE, "x"),))
    now = replace(audit(GOOD, LATE), findings=(*before.findings, Finding.of(Code.SIDECAR_MUTABLE, "y")))
    assert outcome(now, ["attested-late", "sidecars"], before).failed == {"attested-late": 1, "sidecars": 1}


def test_names_of_checks_are_checked():
    assert checked(["rejected", "patches", "rejected"]) == ("rejected", "patches")
    with pytest.raises(Misuse, match="no such check"):
        checked(["signers"])


def test_a_generation_that_is_not_sound_is_new_where_the_baseline_has_it_not():
    def found(*numbers, **checks):
        steps = tuple(unsound(number, Finding.of(Code.ROLLBACK, "x")) for number in numbers)
        return replace(audit(GOOD, **checks), patches=steps)

    assert outcome(found(1, 2, patches=2), baseline=found(1, patches=1)).failed == {"patches": 1}
    assert outcome(found(1, 2, patches=2), baseline=found(2, 1, patches=2)).failed == {}
    assert outcome(found(1, 2, patches=None), baseline=found(1, patches=None)).failed == {}


def test_another_fault_of_a_generation_is_new_though_the_baseline_tolerates_one():
    """Who puts another generation in the place of one that is known to be bad must not be hidden by that."""

    def found(signer):
        step = unsound(3, Finding.of(Code.IDENTITY_MISMATCH, "x", expected="octo", found=signer))
        return replace(audit(GOOD, patches=1), patches=(step,))

    assert outcome(found("old"), baseline=found("old")).failed == {}
    assert outcome(found("mallory"), baseline=found("old")).failed == {"patches": 1}


def test_what_is_wrong_with_a_chain_is_of_patches_whatever_else_it_is():
    """Where only patches count, a newest generation that is no sidecar any more must not pass by a baseline."""
    broken = Finding.of(Code.SIDECAR_SHAPE, "https://conda.example/c/noarch/patches/3.sigs")
    now = replace(audit(GOOD, patches=1), findings=(broken,))
    assert outcome(now, ["patches"]).failed == {"patches": 1}
    assert outcome(now, ["patches"], audit(GOOD, patches=0)).failed == {"patches": 1}
    assert outcome(now, ["patches"], now).failed == {}
    not_run = replace(audit(GOOD, patches=None), findings=(broken,))
    assert outcome(not_run, baseline=audit(GOOD)).failed == {"sidecars": 1}
