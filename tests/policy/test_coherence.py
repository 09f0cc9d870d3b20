"""What no single key can say is found beside whatever else is wrong."""

import pytest

from condattest.policy import coherence
from tests.policy.made_evidence import NOW

CHANNEL = "https://prefix.dev/x"


def paths(raw):
    return {problem.path for problem in coherence.check(raw, now=NOW)}


def test_a_policy_of_wrong_types_is_left_to_others():
    raw = {"version": 1, "signer": {"a": 1, "b": {"kind": [], "issuer": {}, "valid": 3}}, "rule": [1, {}], "patch": "x"}
    assert coherence.check(raw, now=NOW) is not None
    list(coherence.check(raw, now=NOW))


def test_a_signer_with_a_wrong_field_is_still_known_to_rules():
    raw = {
        "signer": {"octo": {"kind": "github", "repository": 3, "repository-id": 1}},
        "rule": [{"channel": CHANNEL, "package": "*", "signers": ["octo"]}],
    }
    assert paths(raw) == set()


def test_a_gitlab_has_one_claim_for_workflow_and_build_signer():
    signer = {"kind": "gitlab", "repository": "g/p", "owner-id": 1, "workflow": "a.yml", "build-signer": "https://x"}
    raw = {"signer": {"lab": {**signer, "issuer": "https://gitlab.example/"}}, "rule": [{}]}
    assert paths(raw) == {("signer", "lab", "workflow"), ("signer", "lab", "issuer")}


@pytest.mark.parametrize(
    ("provenance", "inside"),
    [
        (CHANNEL, True),
        (f"{CHANNEL}/noarch/watch", True),
        ("https://prefix.dev/xy", False),
        ("https://watch.example/x", False),
    ],
)
def test_an_observer_s_chain_is_outside_the_channel(provenance, inside):
    """Whoever rewrites the channel would rewrite what its observer said about it."""
    patch = {"channel": CHANNEL, "role": "observer", "min-age": "1h", "provenance": provenance, "signers": []}
    assert (("patch", 0, "provenance") in paths({"patch": [patch]})) is inside


def test_an_observer_needs_a_place_and_a_cool_down():
    found = paths({"patch": [{"channel": CHANNEL, "role": "observer"}]})
    assert found == {("patch", 0, "provenance"), ("patch", 0, "min-age")}


def test_a_threshold_over_a_wildcard_may_be_reached():
    signer = {"kind": "github", "repository": "o/*", "owner-id": 1}
    raw = {"signer": {"a": signer}, "rule": [{"channel": CHANNEL, "package": "*", "signers": ["a"], "threshold": 3}]}
    assert paths(raw) == set()


def test_a_policy_that_is_about_nothing_is_a_mistake():
    assert paths({"version": 1}) == {()}
