import pytest

from condattest.model.audit import CHECKS, check_of
from condattest.model.finding import Code


@pytest.mark.parametrize("code", Code)
def test_every_finding_belongs_to_a_check(code):
    assert check_of(code) in CHECKS


@pytest.mark.parametrize(
    ("code", "check"),
    [
        (Code.AUDIT_SIGNER_CHANGED, "signer-changed"),
        (Code.IDENTITY_MISMATCH, "rejected"),
        (Code.SIDECAR_MUTABLE, "sidecars"),
        (Code.INDEX_ORPHAN, "orphans"),
        (Code.PATCH_STRIPPED, "patches"),
        (Code.NET_NOT_FOUND, "undecided"),
        (Code.MISSING_ATTESTATION, "unattested"),
    ],
)
def test_a_finding_belongs_to_the_check_of_its_class(code, check):
    assert check_of(code) == check


def test_what_the_audit_alone_says_has_a_check_of_its_own():
    assert {check_of(code) for code in Code if code.startswith("AUDIT-")} == {
        *("unattested", "signer-changed", "downgrade", "attested-late", "indexed-time", "seen-once")
    }
