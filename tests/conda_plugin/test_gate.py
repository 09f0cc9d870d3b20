"""Installing with conda itself, behind the gate. Nothing is linked, and before a solve's end nothing is fetched."""

import functools
import hashlib
import http.server
import json
import shutil
from types import SimpleNamespace

import pytest

from condattest.model.channel import Channel
from tests import channels, conda_installs, patched_channel
from tests.conda_installs import Conda, policy
from tests.patched_channel import TEAMS, World, fix
from tests.rehearsal import a_package, artifact_of, signed

PLACE = {"python_site_packages_path": "../escaped"}


def at(served, *what):
    return ("--channel", served.url, "--override-channels", *what)


def explicit(served, folder, *names, digest="sha256"):
    lines = ["@EXPLICIT"]
    for name in names:
        package = served.packages[name]
        lines.append(f"{served.url}/noarch/{package.name}#{hashlib.new(digest, package.read_bytes()).hexdigest()}")
    path = folder / "explicit.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_attested_packages_are_installed(conda, served):
    done = conda.create("env", *at(served, "numbers"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert conda.installed("env") == {"letters", "numbers"}
    assert "condattest" not in done.stderr


@pytest.mark.parametrize(("name", "code"), [("words", "MISSING-ATTESTATION"), ("forged", "IDENTITY-MISMATCH")])
def test_a_solved_package_is_refused_before_it_is_fetched(conda, served, name, code):
    """An attacker who can write to the channel adds a package, or signs it himself."""
    done = conda.create("env", *at(served, name))
    assert done.returncode == 1
    assert code in done.stderr
    assert "next:" in done.stderr
    assert "conda attest verify" in done.stderr
    assert conda.fetched() == set()
    assert conda.installed("env") == set()


def test_an_archive_that_is_not_its_record_is_refused(conda, served):
    """The mirror serves other bytes than the index and the attestation say."""
    done = conda.create("env", *at(served, "tampered"))
    assert done.returncode == 1
    assert conda.installed("env") == set()


def test_an_explicit_list_is_judged_before_linking(one_conda, served, tmp_path):
    """A list passes no solver: the digest in it is only what its author wrote."""
    done = one_conda.create("bad", "--file", explicit(served, tmp_path, "words"))
    assert done.returncode == 1
    assert "MISSING-ATTESTATION" in done.stderr
    assert one_conda.installed("bad") == set()
    for digest in ("sha256", "md5"):
        done = one_conda.create(f"good-{digest}", "--file", explicit(served, tmp_path, "letters", digest=digest))
        assert done.returncode == 0, done.stderr
        assert one_conda.installed(f"good-{digest}") == {"letters"}


def test_a_package_file_is_judged_before_linking(one_conda, served, tmp_path):
    """Somebody sends a file."""
    alone = tmp_path / "alone"
    alone.mkdir()
    bare = shutil.copy(served.packages["letters"], alone)
    done = one_conda.create("bad", bare)
    assert done.returncode == 1
    assert "MISSING-ATTESTATION" in done.stderr
    assert one_conda.installed("bad") == set()
    signed(alone / served.packages["letters"].name, channel=Channel(served.url), by=served.box)
    done = one_conda.create("good", bare)
    assert done.returncode == 0, done.stderr
    assert one_conda.installed("good") == {"letters"}


def test_disabled_safety_checks_do_not_disable_the_gate(one_conda, served, tmp_path):
    """Conda then calls no action's `verify`."""
    one_conda.environment["CONDA_SAFETY_CHECKS"] = "disabled"
    done = one_conda.create("bad", "--file", explicit(served, tmp_path, "words"))
    assert done.returncode == 1
    assert "MISSING-ATTESTATION" in done.stderr
    assert one_conda.installed("bad") == set()


def test_report_warns_and_installs(conda, served, tmp_path):
    conda.configure("report", policy(served.url))
    done = conda.create("env", *at(served, "words", "letters"))
    assert done.returncode == 0, done.stderr
    assert conda.installed("env") == {"letters", "words"}
    assert done.stderr.count("MISSING-ATTESTATION") == 1
    assert "of 2 packages, 1 rejected" in done.stderr
    done = conda.create("other", "--file", explicit(served, tmp_path, "words"))
    assert done.returncode == 0
    assert "MISSING-ATTESTATION" in done.stderr


def test_extracted_files_that_were_changed_are_refused(one_conda, served):
    """Whoever may write to the package cache changes what conda links from, or adds a script that it runs."""
    assert one_conda.create("env", *at(served, "letters")).returncode == 0
    [payload] = one_conda.packages.glob("letters-*/share/letters/payload.txt")
    payload.write_bytes(payload.read_bytes().replace(b"Hello", b"Hullo"))
    done = one_conda.create("again", *at(served, "letters"))
    assert done.returncode == 1
    assert "ARCHIVE-EXTRACTED" in done.stderr
    assert one_conda.installed("again") == set()


def test_an_archive_in_the_cache_that_was_changed_is_refused(one_conda, served):
    """The cache has an archive of the right name, and a record that says that all is well."""
    assert one_conda.create("env", *at(served, "letters")).returncode == 0
    [archive] = one_conda.packages.glob("letters-*.conda")
    archive.write_bytes(archive.read_bytes() + b"\0")
    done = one_conda.create("again", *at(served, "letters"))
    assert done.returncode == 1
    assert "BIND-DIGEST" in done.stderr
    assert one_conda.installed("again") == set()


def test_extracted_files_without_their_archive_are_refused(one_conda, served):
    assert one_conda.create("env", *at(served, "letters")).returncode == 0
    [archive] = one_conda.packages.glob("letters-*.conda")
    archive.unlink()
    done = one_conda.create("again", *at(served, "letters"))
    assert done.returncode == 1
    assert "ARCHIVE-GONE" in done.stderr, done.stderr
    assert one_conda.installed("again") == set()


def test_offline_with_a_warm_cache_works(conda, served):
    assert conda.create("env", *at(served, "numbers")).returncode == 0
    done = conda.create("again", "--offline", *at(served, "numbers"))
    assert done.returncode == 0, done.stderr
    assert conda.installed("again") == {"letters", "numbers"}


def test_offline_with_a_cold_cache_is_refused(one_conda, served):
    assert one_conda.create("env", *at(served, "numbers")).returncode == 0
    shutil.rmtree(one_conda.home / "cache")
    done = one_conda.create("again", "--offline", *at(served, "numbers"))
    assert done.returncode == 1
    assert "NET-OFFLINE" in done.stderr


def test_json_has_the_findings(one_conda, served):
    done = one_conda.create("env", "--json", *at(served, "words"))
    assert done.returncode == 1
    error = json.loads(done.stdout or done.stderr)
    assert error["exception_name"] == "PackagesRefused"
    assert [each["code"] for each in error["findings"]] == ["MISSING-ATTESTATION"]


class TwoFaced(http.server.SimpleHTTPRequestHandler):
    """Shows conda `repodata.json` as `shown` has it and no other index, and everybody else what there is."""

    shown = b""

    def log_message(self, format, *arguments):
        pass

    def do_GET(self):
        if "repodata" not in self.path or "condattest" in self.headers.get("user-agent", ""):
            return super().do_GET()
        if not self.path.endswith("/noarch/repodata.json"):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("content-length", str(len(self.shown)))
        self.end_headers()
        self.wfile.write(self.shown)


def two_faced(folder):
    return channels.serving(functools.partial(TwoFaced, directory=folder))


def test_a_record_that_claims_another_name_to_conda_alone_is_refused(served, tmp_path, monkeypatch):
    """Whoever may sign `letters` gets it installed as `openssl`, by a server that tells the check from conda."""
    shutil.copytree(served.root, tmp_path / "served" / "channel")
    document = json.loads((served.root / "noarch" / "repodata.json").read_bytes())
    document["packages.conda"]["letters-1.0-0.conda"] |= {"name": "openssl", "version": "99"}
    monkeypatch.setattr(TwoFaced, "shown", json.dumps(document).encode())
    with two_faced(tmp_path / "served") as url:
        conda = Conda(served.python, tmp_path / "home", "classic", served.box)
        mirror = f'[[channel]]\nurl = "{served.url}"\nmirrors = ["{url}/channel"]\n'
        conda.configure("require", policy(served.url, more=mirror))
        done = conda.create("env", *at(SimpleNamespace(url=f"{url}/channel"), "openssl"))
    assert done.returncode == 1
    assert "BIND-METADATA" in done.stderr, done.stderr
    assert conda.installed("env") == set()


def test_a_record_that_leads_out_of_the_environment_is_refused(served, tmp_path):
    """A server says of Python that its packages go elsewhere, and conda writes attested files there (CEP 17)."""
    root, built = tmp_path / "served" / "channel", tmp_path / "built"
    with channels.served(root.parent) as url:
        home = Channel(f"{url}/channel")
        packages = [a_package(built, "python", "3.12.0"), a_package(built, "numbers", noarch="python")]
        channels.put(root, "noarch", *packages)
        channels.conda_index(root, "--no-current-repodata", "--threads", "1", python=served.python)
        for package in packages:
            signed(package, channel=home, by=served.box)
        conda_installs.publish_all(root, home, packages, served.box)
        conda = Conda(served.python, tmp_path / "home", "classic", served.box)
        conda.configure("require", policy(home.url))
        conda.environment["CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY"] = "false"
        done = conda.create("good", *at(SimpleNamespace(url=home.url), "python", "numbers"))
        assert done.returncode == 0, done.stderr
        index = root / "noarch" / "repodata.json"
        document = json.loads(index.read_bytes())
        record = document["packages.conda"]["python-3.12.0-0.conda"]
        index.write_text(json.dumps(document).replace(json.dumps(record), json.dumps(record | PLACE)))
        conda.run("clean", "--index-cache", "--yes")
        done = conda.create("env", *at(SimpleNamespace(url=home.url), "python", "numbers"))
    assert done.returncode == 1
    assert "BIND-METADATA" in done.stderr, done.stderr
    assert conda.installed("env") == set()
    assert not (conda.home / "escaped").exists()


@pytest.fixture
def patched(served, tmp_path):
    """A channel whose patches are attested, on a mirror, and the conda that is set up for it."""
    root = tmp_path / "served" / "patched"
    packages = [a_package(tmp_path / "built", name) for name in ("numbers", "letters")]
    channels.put(root, "noarch", *packages)
    world = World(root)
    world.index()
    world.index(fix(constrains=["zlib"]))
    assert world.attest().new
    with channels.served(root.parent) as url:
        yield world, f"{url}/patched", [artifact_of(package).sha256 for package in packages]


@pytest.mark.parametrize("solver", ["rattler", "classic"])
def test_a_patch_that_was_stripped_is_refused(patched, served, tmp_path, solver):
    """A mirror takes a hotfix away: the archive is what it was, and the solver knows less."""
    if solver == "rattler" and conda_installs.run_python(served.python, "import conda_rattler_solver").returncode:
        pytest.skip("conda-rattler-solver is not there")
    world, url, digests = patched
    home = patched_channel.CHANNEL
    conda = Conda(served.python, tmp_path / "home", solver, world.box)
    conda.configure(
        "require",
        f'version = 1\n{conda_installs.signer(TEAMS[0])}[[rule]]\nchannel = "{home}"\npackage = "*"\n'
        f'signers = ["us"]\nbaseline = {json.dumps(digests)}\n'
        f'[[patch]]\nchannel = "{home}"\nsigners = ["us"]\nmax-age = "3650d"\n'
        f'[[channel]]\nurl = "{home}"\nmirrors = ["{url}"]\n',
    )
    install = ("--channel", url, "--override-channels", "numbers")
    done = conda.create("env", *install, "letters")
    assert done.returncode == 0, done.stderr
    assert conda.installed("env") == {"letters", "numbers"}
    # `letters` was never patched: only its archive tells that this is another dependency than it was built with.
    (world.root / "noarch" / "repodata.json.zst").unlink()
    world.edit(
        "repodata.json", lambda index: index["packages.conda"]["letters-1.0-0.conda"].update(depends=["numbers"])
    )
    conda.run("clean", "--index-cache", "--yes")
    done = conda.create("other", *install, "letters")
    assert done.returncode == 1
    assert "PATCH-UNATTRIBUTED" in done.stderr, done.stderr
    assert conda.installed("other") == set()
    world.index(fix())
    conda.run("clean", "--index-cache", "--yes")
    done = conda.create("again", *install)
    assert done.returncode == 1
    assert "PATCH-STRIPPED" in done.stderr, done.stderr
    assert conda.installed("again") == set()
