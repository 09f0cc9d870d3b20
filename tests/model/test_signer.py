from dataclasses import FrozenInstanceError, fields

import pytest

from condattest.model.signer import GITHUB_ISSUER, Claims, Signer


def test_claims_stand_in_the_order_of_their_oids_and_all_are_absent_at_first():
    assert Claims().present() == {}
    full = Claims(**{field.name: f"value of {field.name}" for field in fields(Claims)})
    assert list(full.present()) == [field.name for field in fields(Claims)]


def test_an_empty_claim_is_present_since_the_certificate_has_it():
    assert Claims(deployment_environment="").present() == {"deployment_environment": ""}


def test_a_claim_that_is_absent_is_not_shown():
    assert Claims(build_trigger="push").present() == {"build_trigger": "push"}


def test_a_signer_is_shown_as_its_subject_name():
    signer = Signer(san="https://github.com/o/r", san_kind="uri", issuer=GITHUB_ISSUER)
    assert str(signer) == "https://github.com/o/r"
    assert signer.claims == Claims()


def test_signers_with_one_name_and_two_issuers_differ():
    """The same email address at another identity provider is somebody else."""
    one = Signer(san="me@example.org", san_kind="email", issuer="https://accounts.google.com")
    other = Signer(san="me@example.org", san_kind="email", issuer="https://login.evil.example")
    assert len({one, other}) == 2


def test_a_signer_cannot_be_changed_after_it_was_authenticated():
    """Code that runs later puts a trusted name into an authenticated signer."""
    signer = Signer(san="https://github.com/o/r", san_kind="uri", issuer=GITHUB_ISSUER)
    with pytest.raises(FrozenInstanceError):
        signer.san = "https://github.com/trusted/r"
    with pytest.raises(FrozenInstanceError):
        signer.claims.build_trigger = "push"


def test_a_signer_is_made_by_keywords_alone_since_its_parts_are_all_text():
    with pytest.raises(TypeError):
        Signer("https://github.com/o/r", "uri", GITHUB_ISSUER)
