"""Channels that condattest wrote, as conda clients see them: solved, downloaded, installed, their sidecars verified.

conda is on no registry. Its tests run with CONDATTEST_CONDA_PYTHON, the python of an environment that has conda and
conda-index; conda-rattler-solver is optional there.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import rattler
from rattler import sigstore

from condattest.model.channel import Channel
from condattest.operations import index, publish, publish_plan
from condattest.operations.admission import Terms
from condattest.policy import rules
from condattest.sandbox import Sandbox
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from tests import channels
from tests.rehearsal import REPOSITORY, a_package, signed

SAN = f"https://github.com/{REPOSITORY}/.github/workflows/release.yml@refs/heads/main"
FULL = ("--write-shards", "--zst", "--bz2", "--current-repodata", "--threads", "1")


@pytest.fixture(scope="module")
def box():
    return Sandbox()


@pytest.fixture(scope="module")
def conda_python():
    named = os.environ.get("CONDATTEST_CONDA_PYTHON")
    if not named:
        pytest.skip("needs CONDATTEST_CONDA_PYTHON, the python of an environment with conda and conda-index")
    return named


def make(tmp_path, url, box, indexer, python=sys.executable):
    """Index two packages, one of which needs the other, and publish both."""
    root = tmp_path / "channel"
    packages = [
        a_package(tmp_path / "built", "letters"),
        a_package(tmp_path / "built", "numbers", depends=["letters >=1"]),
    ]
    channels.put(root, "noarch", *packages)
    if indexer == "conda-index":
        full = python != sys.executable
        channels.conda_index(root, *(FULL if full else channels.WITHOUT_CONDA), python=python)
    else:
        channels.rattler_index(root)
    home = Channel(f"{url}/channel")
    for package in packages:
        signed(package, channel=home, by=box)
    trust = TrustRoot.from_json(box.trusted_root_json().encode(), name="sandbox")
    terms = Terms(trust=trust, policy=rules.for_repository(REPOSITORY), channel=home)
    store = Directory(root)
    plans = publish_plan.plan(list(map(str, packages)), store, terms)
    outcomes, _ = publish.publish(plans, store, terms)
    assert [(each.listed, each.problem) for each in outcomes] == [(True, None)] * 2
    assert [report.findings for report in index.check(store)] == [()]
    return SimpleNamespace(root=root, url=home.url)


def installed(prefix: Path) -> set[str]:
    return {json.loads(file.read_bytes())["name"] for file in (prefix / "conda-meta").glob("*.json")}


@pytest.mark.parametrize("form", ["shards", "zst", "json"])
@pytest.mark.parametrize("indexer", ["conda-index", "rattler-index"])
def test_py_rattler_solves_verifies_and_installs(tmp_path, box, indexer, form):
    with channels.served(tmp_path) as url:
        made = make(tmp_path, url, box, indexer)
        for pattern in {"shards": [], "zst": ["*_shards*"], "json": ["*_shards*", "*.json.zst", "*.bz2"]}[form]:
            for file in made.root.glob(f"noarch/{pattern}"):
                file.unlink()
        outcomes = asyncio.run(_with_rattler(made.url, tmp_path, box))
    assert installed(tmp_path / "prefix") == {"letters", "numbers"}
    assert all(outcome.is_verified for outcome in outcomes)
    assert {outcome.attestation.target_channel for outcome in outcomes} == {made.url}


async def _with_rattler(url, tmp_path, box):
    gateway = rattler.Gateway(cache_dir=tmp_path / "cache")
    records = await rattler.solve(
        [rattler.Channel(url)],
        ["numbers"],
        gateway=gateway,
        platforms=[rattler.Subdir("noarch")],
    )
    publisher = sigstore.Publisher(identity=SAN, issuer=sigstore.Issuer.github_actions())
    policy = sigstore.VerificationPolicy.require(publisher=publisher)
    root = sigstore.TrustedRoot.from_json(box.trusted_root_json())
    outcomes = [await sigstore.verify_attestation(record, policy, trusted_root=root) for record in records]
    await rattler.install(records, tmp_path / "prefix", cache_dir=tmp_path / "packages", show_progress=False)
    return outcomes


@pytest.mark.parametrize("solver", ["classic", "rattler"])
def test_conda_installs_before_and_after_a_reindex(tmp_path, box, conda_python, solver):
    if solver == "rattler" and _run(conda_python, "import conda_rattler_solver").returncode:
        pytest.skip("conda-rattler-solver is not there")
    with channels.served(tmp_path) as url:
        made = make(tmp_path, url, box, "conda-index", conda_python)
        assert "attestations_sha256" in (made.root / "noarch" / "current_repodata.json").read_text()
        _install(conda_python, solver, made.url, tmp_path / "first", tmp_path)
        channels.conda_index(made.root, *FULL, python=conda_python)
        plain = (made.root / "noarch" / "current_repodata.json").read_text()
        assert "attestations_sha256" not in plain
        assert [report.findings for report in index.index(Directory(made.root))] == [()]
        assert [report.findings for report in index.check(Directory(made.root))] == [()]
        _install(conda_python, solver, made.url, tmp_path / "second", tmp_path)
    for prefix in ("first", "second"):
        assert installed(tmp_path / prefix) == {"letters", "numbers"}


def _run(python, code):
    return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)


def _install(python, solver, url, prefix, tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "CONDA_PKGS_DIRS": str(tmp_path / f"{prefix.name}-packages"),
    }
    command = [python, "-m", "conda", "create", "--yes", "--quiet", "--prefix", str(prefix), "--solver", solver]
    command += ["--channel", url, "--override-channels", "numbers"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    shutil.rmtree(tmp_path / f"{prefix.name}-packages")
