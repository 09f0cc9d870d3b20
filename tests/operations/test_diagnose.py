"""Each check says what it found; what failed is told with what to do."""

from datetime import UTC, datetime

import pytest

from condattest.errors import LocalFailure, Unavailable
from condattest.operations.diagnose import diagnose
from condattest.operations.policy_file import Loaded
from condattest.policy.rules import for_repository
from tests.rehearsal import trust

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def checks(environ=None, *, interactive=False, now=NOW, root=trust, policy=lambda: None, conda=None):
    found = diagnose(environ=environ or {}, interactive=interactive, now=now, trust=root, policy=policy, conda=conda)
    return {check.name: check for check in found}


def test_a_clock_before_this_version_is_wrong():
    assert checks(now=datetime(2000, 1, 1, tzinfo=UTC))["clock"].state == "failed"
    assert checks()["clock"].state == "ok"


def test_a_trust_root_that_cannot_be_had_is_a_failure():
    def fails():
        raise Unavailable("https://tuf.example", "down")

    check = checks(root=fails)["trust root"]
    assert (check.state, "down" in check.found) == ("failed", True)
    assert check.advice


def test_a_policy_that_applies_is_named():
    loaded = Loaded(for_repository("me/numbers"))
    assert checks(policy=lambda: loaded)["policy"].found.startswith("--repository me/numbers, 1 rules")
    assert checks()["policy"].state == "ok"


def test_identities_are_told_by_the_environment():
    assert checks({"SIGSTORE_ID_TOKEN": "x"})["identity"].state == "ok"
    assert checks({"GITHUB_ACTIONS": "true"})["identity"].state == "warning"
    assert checks({"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"})["identity"].state == "ok"
    assert checks(interactive=True)["identity"].state == "ok"
    assert checks({"CI": "true"}, interactive=True)["identity"].state == "warning"
    assert "1803" in checks({"TF_BUILD": "True"})["identity"].advice


def test_a_token_in_the_environment_is_not_shown():
    assert "secret" not in str(checks({"SIGSTORE_ID_TOKEN": "secret"}))


def test_the_libraries_are_named_with_their_versions():
    assert "sigstore 4" in checks()["libraries"].found


def test_extras_are_told_as_installed_or_not():
    check = checks()["extras"]
    assert (check.state, check.found) == ("ok", "proxy, s3")


def test_a_conda_in_another_environment_is_named_with_what_to_do():
    assert checks()["conda"].found == "not in this Python environment; nothing here needs it"
    check = checks({"CONDA_EXE": "/opt/conda/bin/conda"})["conda"]
    assert "/opt/conda/bin/conda" in check.found
    assert "install condattest into its environment" in check.advice


def shown(mode="", policy=""):
    return lambda: {
        "plugins": {"condattest_mode": mode, "condattest_policy": policy and str(policy)},
    }


@pytest.mark.parametrize(
    ("mode", "expected"), [("", "off"), ("False", "off"), ("off", "off"), ("require", None), ("bogus", None)]
)
def test_without_a_policy_the_gate_is_off_or_wrong(mode, expected):
    check = checks(conda=shown(mode))["conda"]
    assert check.state == ("failed" if expected is None else "ok")
    assert (f"the gate is {expected}" in check.found) is (expected is not None)
    assert check.advice


def test_the_gate_s_mode_is_told(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.touch()
    assert "warns" in checks(conda=shown("", policy))["conda"].found
    check = checks(conda=shown("require", policy))["conda"]
    assert (check.state, check.advice) == ("ok", "")
    assert "refuses what the policy does not accept" in check.found
    assert "warns" in checks(conda=shown(), policy=lambda: Loaded(for_repository("me/numbers")))["conda"].found


def test_a_policy_of_conda_s_that_is_not_there_is_a_failure(tmp_path):
    check = checks(conda=shown("require", tmp_path / "none.toml"))["conda"]
    assert (check.state, "none.toml" in check.found) == ("failed", True)


@pytest.mark.parametrize("told", [{"plugins": {}}, {"error": "Invalid configuration parameters"}])
def test_a_conda_that_does_not_load_the_plugin_is_told(told):
    """A plugin that cannot be loaded is passed over by conda, which then installs without the gate."""
    check = checks(conda=lambda: told)["conda"]
    assert (check.state, bool(check.advice)) == ("warning", True)


def test_a_conda_that_does_not_run_is_told():
    def fails():
        raise LocalFailure("it does not run")

    assert checks(conda=fails)["conda"].state == "warning"
