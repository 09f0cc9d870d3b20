"""A lock file's identities name signers, and do nothing else; they speak against a package, never for one."""

import pytest

from condattest.errors import PolicyInvalid
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.policy import pins
from tests.policy import made_evidence
from tests.policy.made_evidence import CHANNEL, NOW

FILE = PackageFile.parse("numbers-1.0-0.conda")
SIGNER = """
version = 1
[signer.me]
kind = "email"
email = "me@example.org"
issuer = "https://issuer.example"
"""
RULE = f"""
[[rule]]
channel = "{CHANNEL}"
package = "numbers"
signers = ["me"]
"""


def evidence(address, issuer):
    return made_evidence.published(signer=made_evidence.email(address, issuer))


def parse(text):
    return pins.parse(text.encode(), where="lock.attest.toml", now=NOW)


def problems(text):
    with pytest.raises(PolicyInvalid) as caught:
        parse(text)
    return caught.value.problems


def found(*seen, file=FILE, channel=CHANNEL, text=SIGNER + RULE):
    return parse(text).finding(file, channel, seen)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (RULE.replace('"numbers"', '"*"'), "'*'"),
        (RULE + "threshold = 2\n", "threshold"),
        (RULE + f'baseline = ["{"ab" * 32}"]\n', "baseline"),
        (RULE + 'action = "report"\nreason = "x"\nexpires = 2030-01-01\n', "action"),
        (RULE + 'min-age = "1h"\n', "min-age"),
        (RULE + 'target-channel = "optional"\n', "target-channel"),
        (RULE + 'trusted-root = "root.json"\n', "trusted-root"),
        (RULE + f'[[channel]]\nurl = "{CHANNEL}"\nmirrors = ["https://m.example/x"]\n', "channel"),
        (RULE + "[revoked]\nsha256 = []\n", "revoked"),
        (RULE + f'[[patch]]\nchannel = "{CHANNEL}"\nsigners = ["me"]\nmax-age = "1d"\n', "patch"),
        (RULE + 'unknown = "x"\n', "unknown"),
        (RULE.replace('["me"]', "[]"), "signers"),
        ("", "rule"),
    ],
)
def test_all_that_could_let_something_pass_is_refused(more, key):
    assert any(key in problem for problem in problems(SIGNER + more))


@pytest.mark.parametrize(
    "text", ["", "x", "version = 2", "[" * 5000, "version = 1\nrule = 3\n", "version = 1\nrule = [3]"]
)
def test_another_text_is_refused(text):
    assert problems(text)


def test_all_problems_are_told_at_once():
    told = problems(SIGNER + RULE + 'threshold = 2\nbaseline = []\nunknown = 1\n[revoked]\nsha256 = ["x"]\n')
    assert len(told) >= 4


def test_the_pinned_signer_is_no_finding():
    seen = evidence("me@example.org", "https://issuer.example")
    assert found(seen) is None
    assert found(evidence("other@example.org", "https://issuer.example"), seen) is None
    assert found(seen, channel=None) is None


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [evidence("other@example.org", "https://issuer.example")],
        [evidence("me@example.org", "https://evil.example")],
    ],
)
def test_another_signer_or_none_is_a_finding(seen):
    """A maintainer's account signs from another place now; or an exception in the policy lets it pass unsigned."""
    finding = found(*seen)
    assert finding.code is Code.IDENTITY_PINNED
    assert "me@example.org" in finding.facts["expected"]
    assert finding.facts["found"]


def test_another_channel_is_a_finding():
    """A lock file is edited so that the package comes from another channel, whose publisher the policy allows too."""
    finding = found(
        evidence("me@example.org", "https://issuer.example"), channel=Channel("https://conda.example/other")
    )
    assert finding.code is Code.IDENTITY_PINNED
    assert finding.facts["field"] == "channel"


def test_who_built_it_is_not_who_published_it():
    """Another repository publishes what the pinned one has built."""
    signer = made_evidence.email("me@example.org", "https://issuer.example")
    finding = found(evidence("you@example.org", "https://issuer.example"), made_evidence.built(signer=signer))
    assert finding.code is Code.IDENTITY_PINNED
    assert "you@" in finding.facts["found"]


def test_a_package_that_is_not_pinned_is_a_note():
    assert found(file=PackageFile.parse("letters-1.0-0.conda")).code is Code.IDENTITY_UNPINNED
