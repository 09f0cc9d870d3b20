"""What is audited, and how."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from condattest.operations.audit_records import Selection
from condattest.policy.rules import GitHubSigner, PatchRule, Policy, Rule
from tests import audited_channel
from tests.operations.audits import order
from tests.rehearsal import DAY

SIGNERS = (GitHubSigner(name="x", repository="x/y"),)
POLICY = Policy(source="p", rules=(Rule(name="r", signers=SIGNERS),))
PATCHED = replace(POLICY, patches=(PatchRule(name="p", channel=audited_channel.CHANNEL, signers=SIGNERS, max_age=DAY),))


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        ({}, "full"),
        ({"index_only": True}, "index-only"),
        ({"selection": Selection(sample=5)}, "sample"),
        ({"selection": Selection(since=datetime(2026, 1, 1, tzinfo=UTC))}, "since"),
    ],
)
def test_the_mode_says_how_much_is_looked_at(tmp_path, how, mode):
    assert order(tmp_path, **how).mode == mode


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, "no policy"),
        ({"terms": {"policy": POLICY}}, "no [[patch]]"),
        ({"terms": {"policy": PATCHED}, "patches": "off"}, "left out"),
        ({"terms": {"policy": PATCHED}, "index_only": True}, "index-only"),
    ],
)
def test_why_patches_are_not_judged_is_said(tmp_path, how, reason):
    assert reason in order(tmp_path, **how).judges_patches


def test_patches_are_judged_where_the_policy_or_the_caller_asks_for_it(tmp_path):
    assert order(tmp_path, terms={"policy": PATCHED}).judges_patches == ""
    assert order(tmp_path, terms={"policy": POLICY}, patches="require").judges_patches == ""


def test_another_policy_selection_or_subdir_is_another_audit(tmp_path):
    keys = [
        order(tmp_path, **how).key()
        for how in (
            {},
            {"terms": {"policy": POLICY}},
            {"terms": {"policy": PATCHED}, "patches": "off"},
            {"subdirs": ("noarch",)},
            {"selection": Selection(part=(1, 2))},
            {"selection": Selection(part=(2, 2))},
        )
    ]
    assert len(set(keys)) == len(keys)
    assert order(tmp_path).key() == keys[0]
