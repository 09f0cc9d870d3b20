"""The real conda, with the settings that `--print-config conda` prints.

conda is on no registry: this runs with CONDATTEST_CONDA_PYTHON, the python of an environment that has it.
"""

import json
import os
import subprocess

import pytest

from condattest.reports.client_settings import settings
from tests.proxy.conftest import LETTERS, OLD


@pytest.fixture(scope="module")
def conda_python():
    named = os.environ.get("CONDATTEST_CONDA_PYTHON")
    if not named:
        pytest.skip("needs CONDATTEST_CONDA_PYTHON, the python of an environment with conda")
    return named


def test_conda_takes_the_attested_version_and_nothing_from_elsewhere(proxy, tmp_path, conda_python):
    running = proxy()
    condarc = tmp_path / "condarc"
    condarc.write_text(settings("conda", running.url, running.app.channels))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "CONDARC": str(condarc),
        "CONDA_PKGS_DIRS": str(tmp_path / "packages"),
        "CONDA_PLUGINS_AUTO_ACCEPT_TOS": "yes",
    }

    def create(prefix, *arguments):
        command = [conda_python, "-m", "conda", "create", "--yes", "--quiet", "--solver", "classic", "--prefix", prefix]
        return subprocess.run(
            [*map(str, command), *arguments], env=environment, capture_output=True, text=True, timeout=300
        )

    done = create(tmp_path / "first", "numbers")
    assert done.returncode == 0, done.stderr + done.stdout
    meta = [json.loads(file.read_bytes()) for file in (tmp_path / "first" / "conda-meta").glob("*.json")]
    assert {each["fn"] for each in meta} == {OLD, LETTERS}
    assert {each["channel"] for each in meta} == {f"{running.url}/mine/noarch"}
    assert create(tmp_path / "second", "numbers=2").returncode != 0
    elsewhere = create(tmp_path / "third", "--override-channels", "--channel", "http://127.0.0.1:9/else", "numbers")
    assert elsewhere.returncode != 0
    assert "ChannelNotAllowed" in elsewhere.stderr
