"""Every vector of `fixtures/vectors` gives exactly the verdict and the codes that its case states."""

import tomllib
from pathlib import Path

import pytest

from condattest.errors import Malformed
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import attestations, judgement
from condattest.policy import rules
from condattest.signatures.trust_root import TrustRoot

FOLDER = Path(__file__).parent.parent / "fixtures" / "vectors"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/case.toml"))


@pytest.fixture(scope="module")
def trust():
    return TrustRoot.from_file(FOLDER / "trusted_root.json")


def policy_of(case):
    if "repository" in case:
        return rules.for_repository(case["repository"])
    if "identity" in case:
        return rules.for_identity(case["identity"], case["issuer"])
    return rules.nobody_required()


@pytest.mark.parametrize("slug", CASES)
def test_a_vector_gives_its_exact_verdict(slug, trust):
    case = tomllib.loads((FOLDER / slug / "case.toml").read_text("utf-8"))
    channel = Channel(case["channel"]) if "channel" in case else None
    try:
        found = attestations.given([FOLDER / slug / "attestation.json"])
        verdict = judgement.authenticate_and_decide(
            found, Artifact.parse(case["artifact"]), channel, policy_of(case), trust, now=case["now"]
        ).verdict
    except Malformed as error:
        verdict = Rejected((error.finding,))
    name = {Accepted: "accepted", Rejected: "rejected", Undecided: "undecided"}[type(verdict)]
    findings = verdict.notes if isinstance(verdict, Accepted) else verdict.findings
    patches = "POLICY-PATCHES-NOT-JUDGED"
    assert (name, [str(each.code) for each in findings if each.code != patches]) == (case["verdict"], case["codes"])
    if "times" in case:
        assert isinstance(verdict, Accepted)
        assert [time.source for time in verdict.evidence[0].times] == case["times"]


def test_there_are_vectors_for_every_class_of_manipulation():
    classes = {slug.split("-")[0] for slug in CASES}
    assert classes >= {"good", "bundle", "time", "statement", "channel", "predicate", "identity", "sidecar"}
    assert len(CASES) >= 80
