"""Channels that a publisher works on."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import channels
from tests.rehearsal import a_package, signed


@pytest.fixture(scope="session")
def _made(tmp_path_factory) -> SimpleNamespace:
    root, packages = tmp_path_factory.mktemp("made") / "channel", tmp_path_factory.mktemp("packages")
    for name in ("numbers", "letters", "words"):
        channels.put(root, "noarch", a_package(packages, name))
    channels.put(root, "linux-64", a_package(packages / "linux", "numbers", kind=".tar.bz2", subdir="linux-64"))
    channels.conda_index(root)
    return SimpleNamespace(root=root, packages=packages)


@pytest.fixture
def channel(_made, tmp_path) -> Path:
    """A channel with four packages in two subdirs, indexed by the real conda-index; none is attested.

    The packages are beside it, too, in `packages`.
    """
    shutil.copytree(_made.packages, tmp_path / "packages")
    return Path(shutil.copytree(_made.root, tmp_path / "channel"))


@pytest.fixture
def package(tmp_path):
    """A package that the channel has, at its place of origin, with a bundle beside it."""
    package = tmp_path / "packages" / "numbers-1.0-0.conda"
    made = package if package.exists() else a_package(tmp_path / "packages", subdir="noarch")
    signed(made)
    return made
