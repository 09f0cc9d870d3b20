"""A policy is named or found in a configuration directory, and is believed only if nobody else could write it."""

import stat
from pathlib import Path

import pytest

from condattest.policy.discovery import candidates, unsafe_mode

USER, SYSTEM = Path("/home/u/.config/condattest"), Path("/etc/condattest")


def test_the_user_s_comes_before_the_system_s():
    assert candidates(None, {}, USER, SYSTEM) == [USER / "policy.toml", SYSTEM / "policy.toml"]


def test_what_is_named_is_the_only_one():
    assert candidates(Path("p.toml"), {"CONDATTEST_POLICY": "e.toml"}, USER, SYSTEM) == [Path("p.toml")]
    assert candidates(None, {"CONDATTEST_POLICY": "e.toml"}, USER, SYSTEM) == [Path("e.toml")]
    assert candidates(None, {"CONDATTEST_POLICY": ""}, USER, None) == [USER / "policy.toml"]


def test_the_current_directory_is_never_looked_in():
    """A repository that is verified brings a policy that accepts itself, and XDG_CONFIG_HOME=. leads there."""
    assert candidates(None, {}, Path("."), Path("etc")) == []


@pytest.mark.parametrize(
    ("mode", "owner", "uid", "safe"),
    [
        (stat.S_IFREG | 0o644, 1000, 1000, True),
        (stat.S_IFREG | 0o664, 1000, 1000, True),
        (stat.S_IFREG | 0o644, 0, 1000, True),
        (stat.S_IFREG | 0o644, 1001, 0, True),
        (stat.S_IFREG | 0o646, 1000, 1000, False),
        (stat.S_IFREG | 0o666, 0, 0, False),
        (stat.S_IFREG | 0o644, 1001, 1000, False),
        (stat.S_IFDIR | 0o755, 1000, 1000, False),
        (stat.S_IFIFO | 0o600, 1000, 1000, False),
    ],
)
def test_a_file_that_others_can_write_is_not_believed(mode, owner, uid, safe):
    """Any user of the machine rewrites a world-writable policy, and then installs what they like elsewhere."""
    assert (unsafe_mode(mode, owner, uid) is None) is safe
