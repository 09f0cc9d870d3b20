"""Every kind of fault, each planted twice: `condattest audit` finds exactly those, in every format.

`python -m tests.benchmarks faults` does the same with 20,000 packages.
"""

import os

import pytest

from condattest.cli import main
from condattest.model.finding import CODES
from tests import channels
from tests.audit_proof import Proof
from tests.audited_faults import EVERY


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    return Proof.made(tmp_path_factory.mktemp("faults"), packages=460, each=2)


@pytest.fixture
def differences(proof, monkeypatch, capsys, tmp_path):
    """What an audit in this process says otherwise than was planted; what one proved is known to the next."""
    for name in [name for name in os.environ if name.startswith(("CONDATTEST_", "GITHUB_"))] + ["CI"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(arguments, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return main.run([*arguments, "--jobs", "1"]), capsys.readouterr().err

    def found(target, *, ruled, browser=False):
        cache = proof.folder / "cache"
        return list(proof.differences(str(target), ruled=ruled, cache=cache, run=run, browser=browser))

    return found


@pytest.mark.parametrize("ruled", [False, True], ids=["no policy", "a policy"])
def test_an_audit_over_http_finds_what_was_planted_and_every_report_says_just_that(proof, differences, ruled):
    with channels.served(proof.planted.root) as url:
        assert differences(url, ruled=ruled) == []


@pytest.mark.parametrize("ruled", [False, True], ids=["no policy", "a policy"])
def test_an_audit_of_the_store_finds_what_was_planted_and_every_report_says_just_that(proof, differences, ruled):
    assert differences(proof.planted.root, ruled=ruled, browser=ruled) == []


def test_a_fault_that_is_not_found_and_a_finding_that_was_not_planted_are_differences(proof, differences):
    """A proof that cannot fail proves nothing."""
    lost = proof.planted.places["flipped"].pop()
    proof.planted.places["revoked"].append(proof.planted.places["patched"][0])
    try:
        told = differences(proof.planted.root, ruled=True)
    finally:
        proof.planted.places["flipped"].append(lost)
        proof.planted.places["revoked"].pop()
    for format in ("json", "jsonl", "sarif", "html"):
        assert any(f"{format}: not planted: CRYPTO of {lost}" in each for each in told), format
        assert any(f"{format}: not found: IDENTITY-REVOKED" in each for each in told), format
    for format in ("markdown", "table"):
        assert any(f"{format}: CRYPTO: expected" in each for each in told), format


def test_every_fault_is_about_codes_that_there_are():
    for name, fault in EVERY.items():
        assert {*fault.plain, *(fault.ruled or ()), *fault.stored} <= CODES.keys(), name
