"""Who must have signed: one answer, whole, or a usage error."""

import pytest

from condattest.cli.requirement import requirement
from condattest.cli.session import Session
from condattest.cli.settings import Settings
from condattest.errors import Misuse

NOTHING = {"repository": None, "workflow": None, "ref": None, "identity": None, "issuer": None, "policy_file": None}


def policy(**given):
    return requirement(Session(Settings(quiet=True)), {**NOTHING, **given}).policy


def test_each_way_to_say_it_makes_a_policy():
    assert policy(repository="o/r").source == "--repository o/r"
    assert "me@x.example" in policy(identity="me@x.example", issuer="https://i.example").source


@pytest.mark.parametrize(
    "given",
    [
        {"identity": "x"},
        {"identity": "", "issuer": ""},
        {"issuer": "https://x"},
        {"workflow": "x"},
        {"ref": "refs/heads/main"},
        {"repository": "o/r", "identity": "x", "issuer": "https://x"},
        {"repository": "o"},
        {"repository": "o/*"},
    ],
)
def test_half_an_answer_or_two_are_refused(given):
    with pytest.raises(Misuse):
        policy(**given)
