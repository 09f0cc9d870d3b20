"""A policy file is found where it is promised, and believed only when nobody else may write it."""

import pytest

from condattest.errors import Misuse, PolicyInvalid
from condattest.operations import policy_file
from condattest.policy.starter import starter
from tests.rehearsal import CHANNEL, NOW, sandbox

TEXT = starter(CHANNEL)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "policy.toml"
    made.write_text(TEXT)
    return made


def test_a_named_file_is_the_only_candidate(path, tmp_path):
    assert policy_file.find(path, {}, tmp_path, None) == path
    with pytest.raises(Misuse, match="no such policy"):
        policy_file.find(tmp_path / "no.toml", {}, tmp_path, None)
    with pytest.raises(Misuse, match="no such policy"):
        policy_file.find(None, {"CONDATTEST_POLICY": "/no/such.toml"}, tmp_path, None)


def test_the_user_s_comes_before_the_system_s(path, tmp_path):
    system = tmp_path / "system"
    system.mkdir()
    (system / "policy.toml").write_text(TEXT)
    assert policy_file.find(None, {}, tmp_path, system) == path
    path.unlink()
    assert policy_file.find(None, {}, tmp_path, system) == system / "policy.toml"
    assert policy_file.find(None, {}, tmp_path / "nowhere", None) is None


def test_a_policy_is_read_with_its_digest(path):
    loaded = policy_file.read(path, now=NOW)
    assert loaded.policy.sha256 is not None
    assert loaded.policy.source == str(path)
    assert policy_file.text(path) == TEXT


def test_a_file_that_others_may_write_is_refused(path):
    path.chmod(0o646)
    for read in (lambda: policy_file.read(path, now=NOW), lambda: policy_file.text(path)):
        with pytest.raises(PolicyInvalid, match="may write"):
            read()


def test_a_file_without_end_is_refused(path):
    path.write_bytes(b"#" * (policy_file.MAX_POLICY + 1))
    with pytest.raises(PolicyInvalid, match="at most"):
        policy_file.read(path, now=NOW)


def test_trust_roots_are_read_beside_the_policy(path):
    (path.parent / "root.json").write_text(sandbox().trusted_root_json())
    path.write_text(TEXT.replace("[[rule]]\n", '[[rule]]\ntrusted-root = "root.json"\n', 1))
    loaded = policy_file.read(path, now=NOW)
    assert loaded.policy.trust_roots == {"root.json": loaded.roots["root.json"].sha256}
    (path.parent / "root.json").unlink()
    with pytest.raises(Misuse, match="cannot be read"):
        policy_file.read(path, now=NOW)
