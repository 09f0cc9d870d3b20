"""What was learned and why a verdict came out is told whole, and safely."""

import io
import json

from rich.console import Console

from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.policy.decide import judge
from condattest.policy.explain import explain as steps_of
from condattest.policy.match import Mismatch
from condattest.policy.proposals import (
    AttestationLost,
    NotLearned,
    RuleAdded,
    SeveralSigners,
    SignerAdded,
    SignerChanged,
    Unchanged,
)
from condattest.policy.rules import for_repository
from condattest.reports import policies
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from tests.rehearsal import CHANNEL, NOW, payload_for, sandbox, trust

ARTIFACT = Artifact.parse(f"numbers-1.0-0.conda@sha256:{'ab' * 32}")
WRONG = Mismatch("ref", "refs/heads/main", "refs/heads/\x1b[31mevil")
CHANGES = [
    SignerAdded("me", "me/numbers"),
    RuleAdded(Channel("https://x.example/c"), "numbers", ("me",)),
    Unchanged(CHANNEL, "numbers", "rule 1"),
    SignerChanged(CHANNEL, "numbers", "rule 1", "https://github.com/evil", (WRONG,), applied=False),
    AttestationLost(CHANNEL, "numbers", "rule 1", ARTIFACT),
    SeveralSigners(CHANNEL, "numbers", ("a", "b"), applied=True),
    NotLearned(CHANNEL, "numbers", Finding.of(Code.MISSING_ATTESTATION)),
]


def test_every_kind_of_change_has_a_sentence_and_a_document():
    for change in CHANGES:
        told = policies.change(change)
        assert told["change"] == type(change).__name__
        assert told["sentence"] == str(policies.change_line(change))
        assert "\x1b" not in json.dumps(told, ensure_ascii=False)


def test_regressions_are_called_so():
    assert [str(policies.change_line(change)).startswith("REGRESSION") for change in CHANGES] == [
        False, False, False, True, True, False, False,
    ]  # fmt: skip


def test_an_explanation_names_the_field_expected_and_found():
    evidence = authenticate(sandbox().sign_statement(payload_for(ARTIFACT), github("me/numbers")), trust())
    policy = for_repository("me/other")
    judgement = judge(policy, ARTIFACT, CHANNEL, [evidence], [], now=NOW)
    explanation = steps_of(judgement, policy, ARTIFACT, ())
    out = io.StringIO()
    policies.explain(Console(file=out, width=400), judgement.verdict, explanation)
    shown = out.getvalue()
    assert "repository: expected https://github.com/me/other, found https://github.com/me/numbers" in shown
    told = policies.explanation(explanation)
    assert told["bundles"][0]["signers"][0]["mismatches"][0]["expected"] == "https://github.com/me/other"
    json.dumps(told)
