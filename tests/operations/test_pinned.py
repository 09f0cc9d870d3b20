"""Pinned identities take verdicts away, and never give one."""

from dataclasses import replace

import pytest

from condattest.errors import Misuse, PolicyInvalid
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.model.verdict import Accepted, Rejected, Undecided
from condattest.operations import pinned
from condattest.operations.question import Verification
from condattest.policy.rules import ChannelEntry, Policy
from tests.policy import made_evidence
from tests.policy.made_evidence import CHANNEL, NOW

PINS = f"""
version = 1
[signer.me]
kind = "email"
email = "me@example.org"
issuer = "https://issuer.example"
[[rule]]
channel = "{CHANNEL}"
package = "numbers"
signers = ["me"]
"""
MIRROR = Channel("https://mirror.example/releases")
POLICY = Policy(source="p", channels=(ChannelEntry(url=CHANNEL, mirrors=(MIRROR,)),))
MINE = made_evidence.published(signer=made_evidence.email("me@example.org", "https://issuer.example"))
THEIRS = made_evidence.published(signer=made_evidence.email("you@example.org", "https://issuer.example"))
ANSWER = Verification(
    target="t", file=PackageFile.parse("numbers-1.0-0.conda"), sha256=None, channel=CHANNEL, attestations=(),
    judged=None, verdict=Accepted("rule", (MINE,)),
)  # fmt: skip


@pytest.fixture
def pins(tmp_path):
    (tmp_path / "lock.attest.toml").write_text(PINS)
    return pinned.read(tmp_path / "lock.attest.toml", now=NOW)


def narrowed(pins, *, times=1, **keys):
    [answer] = pinned.narrowed([replace(ANSWER, **keys)], [pins] * times, POLICY)
    return answer.verdict


def test_the_pinned_signer_changes_nothing(pins):
    assert narrowed(pins) == ANSWER.verdict
    assert narrowed(pins, channel=MIRROR) == ANSWER.verdict
    [answer] = pinned.narrowed([ANSWER], [], POLICY)
    assert answer == ANSWER


@pytest.mark.parametrize("evidence", [(), (THEIRS,)])
def test_another_signer_that_the_policy_accepts_is_rejected(pins, evidence):
    verdict = narrowed(pins, verdict=Accepted("rule", evidence))
    assert isinstance(verdict, Rejected)
    assert [finding.code for finding in verdict.findings] == [Code.IDENTITY_PINNED]
    assert verdict.seen == evidence


@pytest.mark.parametrize("kind", [Rejected, Undecided])
def test_what_is_not_accepted_stays_so(pins, kind):
    """The pinned signer signed it, and the policy does not allow that one."""
    verdict = kind((Finding.of(Code.IDENTITY_MISMATCH),), (MINE,))
    assert narrowed(pins, verdict=verdict) is verdict


def test_a_package_that_is_not_pinned_is_noted_once_for_each_file(pins):
    verdict = narrowed(pins, file=PackageFile.parse("letters-1.0-0.conda"), times=2)
    assert [note.code for note in verdict.notes] == [Code.IDENTITY_UNPINNED] * 2


def test_a_file_that_others_may_write_is_not_believed(tmp_path):
    path = tmp_path / "lock.attest.toml"
    path.write_text(PINS)
    path.chmod(0o666)
    with pytest.raises(PolicyInvalid, match="may not be believed"):
        pinned.read(path, now=NOW)
    with pytest.raises(Misuse):
        pinned.read(tmp_path / "none", now=NOW)
