"""Each check says what it found; what failed is told with what to do."""

from datetime import UTC, datetime

from condattest.errors import Unavailable
from condattest.operations.diagnose import diagnose
from condattest.operations.policy_file import Loaded
from condattest.policy.rules import for_repository
from tests.rehearsal import trust

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def checks(environ=None, *, interactive=False, now=NOW, root=trust, policy=lambda: None):
    found = diagnose(environ=environ or {}, interactive=interactive, now=now, trust=root, policy=policy)
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
