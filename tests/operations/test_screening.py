from datetime import timedelta

import pytest

from condattest.formats.filtered import Filtered
from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.operations.screening import SHOWN, ByIndex, Decided, Gathering, epoch, sheet
from condattest.policy.rules import ChannelEntry, GitHubSigner, Policy, Revoked, Rule
from tests.rehearsal import CHANNEL, NOW

ME = GitHubSigner(name="me", repository="me/numbers")
A, B = "a" * 64, "b" * 64
FILE = "numbers-1-0.conda"


def rule(**how):
    return Rule(**{"name": "rule", "channel": CHANNEL, "signers": (ME,), **how})


def screen(*rules, channel=CHANNEL, **how):
    return ByIndex(Policy(source="p", rules=rules, **how), channel, NOW)


def code(screen, sha256=A, sidecar=None, file=FILE):
    finding = screen(file.split("-")[0], file, sha256, sidecar)
    return None if finding is None else finding.code


def test_a_record_without_an_attestation_goes_where_one_is_required():
    assert code(screen(rule())) is Code.MISSING_ATTESTATION
    assert code(screen(rule()), sidecar=B) is None


def test_a_package_without_a_rule_goes_even_if_it_is_attested():
    """Threat 57."""
    only = rule(package="letters")
    assert code(screen(only), sidecar=B) is Code.POLICY_NONE
    assert code(screen(only)) is Code.POLICY_NONE
    assert code(screen(only), sidecar=B, file="letters-1-0.conda") is None


def test_a_revoked_digest_goes_whatever_else_holds():
    revoked = screen(rule(baseline=frozenset({Sha256(A)})), revoked=Revoked(sha256=frozenset({Sha256(A)})))
    assert code(revoked, sidecar=B) is Code.IDENTITY_REVOKED
    assert code(revoked) is Code.IDENTITY_REVOKED


def test_a_digest_of_the_baseline_stays_and_another_of_the_same_name_goes():
    screened = screen(rule(baseline=frozenset({Sha256(A)})))
    assert code(screened, A) is None
    assert code(screened, B) is Code.MISSING_ATTESTATION
    assert code(screened, A) is None


@pytest.mark.parametrize(("days", "expected"), [(1, None), (-1, Code.MISSING_ATTESTATION)])
def test_a_rule_in_report_mode_lets_pass_until_it_expires(days, expected):
    reporting = rule(action="report", reason="soon", expires=NOW + timedelta(days=days))
    assert code(screen(reporting)) is expected


def test_the_epoch_changes_when_an_exception_ends():
    end = NOW + timedelta(days=1)
    policy = Policy(source="p", rules=(rule(action="report", reason="soon", expires=end),))
    assert epoch(policy, NOW) == epoch(policy, NOW + timedelta(hours=1))
    assert epoch(policy, NOW) != epoch(policy, end)


def test_a_mirror_is_judged_by_the_rules_of_its_channel():
    mirror = Channel("https://mirror.example/c")
    entry = ChannelEntry(url=CHANNEL, mirrors=(mirror,))
    assert code(screen(rule(), channel=mirror, channels=(entry,)), sidecar=B) is None
    assert code(screen(rule(), channel=mirror), sidecar=B) is Code.POLICY_NONE


def test_what_passes_is_gathered_and_what_was_not_accepted_goes():
    gathering = Gathering(screen(rule()))
    assert code(gathering) is Code.MISSING_ATTESTATION
    assert code(gathering, sidecar=B) is None
    assert gathering.passed == {FILE: A}
    why = Finding.of(Code.CRYPTO, "x")
    decided = Decided(gathering.screen, {FILE: why})
    assert decided("numbers", FILE, A, B) is why


def test_a_sheet_counts_all_and_shows_some():
    why = Finding.of(Code.CRYPTO, "x")
    many = {f"a-{number}-0.conda": why for number in range(SHOWN + 5)}
    summed = sheet([Filtered(b"", 2, many), Filtered(b"", 1, {}, ("v3.whl",)), Filtered(b"", 0, {}, ("v3.whl",))])
    assert (summed.kept, summed.left_out, len(summed.shown)) == (3, SHOWN + 5, SHOWN)
    assert summed.counts == {Code.CRYPTO: SHOWN + 5}
    assert summed.emptied == ("v3.whl",)
