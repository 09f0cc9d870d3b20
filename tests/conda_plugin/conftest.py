"""A channel that was signed in the sandbox, and conda in front of it."""

import shutil
from types import SimpleNamespace

import pytest

from condattest.model.channel import Channel
from condattest.sandbox import Sandbox
from tests import channels, conda_installs
from tests.conda_installs import Conda, policy
from tests.rehearsal import a_package


@pytest.fixture(scope="session")
def python():
    return conda_installs.conda_python()


@pytest.fixture(scope="session")
def served(tmp_path_factory, python):
    """A channel over HTTP, whose server also wants to be asked with a token, or with a password, under other paths."""
    folder, box = tmp_path_factory.mktemp("served"), Sandbox()
    with channels.served(folder) as url:
        home = Channel(f"{url}/channel")
        packages = conda_installs.make_channel(folder / "channel", home, folder / "built", box, python)
        # The record, and with it the attestation, is about other bytes than those that are served.
        other = a_package(folder / "other", "tampered", payload=b"something else\n")
        shutil.copy(other, folder / "channel" / "noarch" / other.name)
        yield SimpleNamespace(python=python, box=box, root=folder / "channel", url=home.url, packages=packages)


def _conda(served, home, solver):
    made = Conda(served.python, home, solver, served.box)
    made.configure("require", policy(served.url))
    return made


@pytest.fixture(params=["rattler", "classic"])
def conda(request, served, tmp_path):
    """With each solver."""
    if (
        request.param == "rattler"
        and conda_installs.run_python(served.python, "import conda_rattler_solver").returncode
    ):
        pytest.skip("conda-rattler-solver is not there")
    return _conda(served, tmp_path / "home", request.param)


@pytest.fixture
def one_conda(served, tmp_path):
    """With one solver, for what no solver has to do with."""
    return _conda(served, tmp_path / "home", "classic")
