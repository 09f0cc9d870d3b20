"""`condattest verify --lock` and `--prefix`: whole environments by digest, from a channel that is served."""

import asyncio
import hashlib
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from condattest.formats import sidecar
from condattest.model.channel import Channel
from condattest.sandbox import github
from tests import channels
from tests.locks import conda_lock, conda_meta, conda_row, digest, explicit, pixi, pixi_row
from tests.rehearsal import REPOSITORY, a_package, artifact_of, attacker, payload_for, sandbox

NAMES = ("numbers", "letters", "words")
CONDA = os.environ.get("CONDATTEST_CONDA_PYTHON")


def advertise(package: Path, channel: str, repository: str = REPOSITORY, by=None) -> None:
    """Sign a package that lies in a channel, and name the sidecar in the index."""
    payload = payload_for(artifact_of(package), Channel(channel))
    data = sidecar.dump([(by or sandbox()).sign_statement(payload, github(repository))])
    sha256 = hashlib.sha256(data).hexdigest()
    package.with_name(f"{package.name}.sigs.{sha256}").write_bytes(data)
    edit(package.parent, package.name, attestations_sha256=sha256)


def edit(folder: Path, name: str, **keys) -> None:
    """Change a record of a monolithic index."""
    path = folder / "repodata.json"
    document = json.loads(path.read_bytes())
    record = document["packages.conda"][name] | keys
    document["packages.conda"][name] = {key: value for key, value in record.items() if value is not ...}
    path.write_text(json.dumps(document))
    # A later second than before: whoever asks on condition asks by that.
    os.utime(path, (path.stat().st_mtime + 10,) * 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A channel of three signed packages, indexed by the real conda-index and served."""
    root = tmp_path_factory.mktemp("served")
    folder = root / "channel"
    for name in NAMES:
        channels.put(folder, "noarch", a_package(root / "built", name))
    channels.conda_index(folder, "--no-write-shards", "--no-current-repodata", "--threads", "1")
    with channels.served(root) as url:
        for package in (folder / "noarch").glob("*.conda"):
            advertise(package, f"{url}/channel")
        yield SimpleNamespace(folder=folder, url=f"{url}/channel", index=(folder / "noarch/repodata.json").read_bytes())


@pytest.fixture
def channel(made):
    """That channel, whose index a test may change."""
    index = made.folder / "noarch" / "repodata.json"
    index.write_bytes(made.index)
    return made


@pytest.fixture
def verify(run, tmp_path):
    (tmp_path / "root.json").write_text(sandbox().trusted_root_json())

    def call(*arguments, who=("--repository", REPOSITORY), **how):
        return run("verify", "--trusted-root", "root.json", *arguments, *who, **how)

    return call


def path_of(channel, name):
    return channel.folder / "noarch" / f"{name}-1.0-0.conda"


def lines(channel, *names, algorithm="sha256"):
    names = names or NAMES
    return [f"{channel.url}/noarch/{each}-1.0-0.conda#{digest(path_of(channel, each), algorithm)}" for each in names]


def lock_of(channel, form, *names, **keys):
    names = names or NAMES
    urls = {name: f"{channel.url}/noarch/{name}-1.0-0.conda" for name in names}
    digests = {name: {"sha256": digest(path_of(channel, name))} for name in names}
    if form == "explicit":
        return explicit(*lines(channel, *names))
    if form == "conda-lock":
        return conda_lock(*(conda_row(name, urls[name], hash=digests[name], **keys) for name in names))
    return pixi(*(pixi_row(urls[name], **digests[name], **keys) for name in names), version=int(form[-1]))


def codes(ran):
    return [[finding["code"] for finding in result["findings"]] for result in ran.json["results"]]


@pytest.mark.parametrize("form", ["explicit", "conda-lock", "pixi 6", "pixi 7"])
def test_a_lock_file_is_verified_without_downloading_a_package(verify, channel, tmp_path, form):
    lock = tmp_path / "lock"
    lock.write_bytes(lock_of(channel, form))
    hidden = [path_of(channel, name).rename(tmp_path / name) for name in NAMES]
    try:
        ran = verify("--lock", lock)
        shown = verify("--lock", lock, "--json").json
    finally:
        for name, path in zip(NAMES, hidden, strict=True):
            path.rename(path_of(channel, name))
    assert ran.code == 0, ran.out
    assert "3 targets: 3 accepted, 0 rejected, 0 undecided" in ran.out
    assert "3 listed, 3 to verify" in ran.err
    assert shown["totals"] == {"targets": 3, "accepted": 3, "rejected": 0, "undecided": 0}
    [told] = shown["lists"]
    assert (told["kind"], told["listed"], told["targets"], told["source"]) == ("lock", 3, 3, str(lock))
    assert {code for result in shown["results"] for code in [each["code"] for each in result["findings"]]} == {
        "SUBDIR-UNCHECKED"
    }


def test_what_is_no_conda_package_is_told_and_totals_add_up(verify, channel, tmp_path):
    rows = [conda_row("numbers", f"{channel.url}/noarch/numbers-1.0-0.conda", each) for each in ("linux-64", "osx-64")]
    for row in rows:
        row["hash"] = {"sha256": digest(path_of(channel, "numbers"))}
    rows.append(conda_row("six", "https://files.example/six.whl", manager="pip"))
    (tmp_path / "conda-lock.yml").write_bytes(conda_lock(*rows))
    ran = verify("--lock", "conda-lock.yml", path_of(channel, "words"), "--json")
    [told] = ran.json["lists"]
    assert told["listed"] == 3 == told["targets"] + told["repeated"] + told["pypi"] + told["sourceBuilds"]
    assert ran.json["totals"]["targets"] == 2
    ran = verify("--lock", "conda-lock.yml", "--platform", "osx-64")
    assert ran.code == 0
    assert "3 listed, 1 to verify, 2 not selected" in ran.err


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda folder: edit(folder, "numbers-1.0-0.conda", sha256="ab" * 32), "BIND-DIGEST"),
        (lambda folder: edit(folder, "numbers-1.0-0.conda", attestations_sha256="AB" * 32), "SIDECAR-FIELD"),
        (lambda folder: edit(folder, "numbers-1.0-0.conda", attestations_sha256="ab" * 32), "NET-NOT-FOUND"),
        (lambda folder: edit(folder, "numbers-1.0-0.conda", sha256=None), "BIND-NO-DIGEST"),
        (
            lambda folder: advertise(folder / "numbers-1.0-0.conda", "https://conda.example/other"),
            "CHANNEL-MISMATCH",
        ),
    ],
)
def test_what_a_channel_does_to_one_package_is_found_and_the_others_pass(verify, channel, tmp_path, change, code):
    (tmp_path / "lock").write_bytes(lock_of(channel, "explicit"))
    change(channel.folder / "noarch")
    ran = verify("--lock", "lock", "--no-state", "--json")
    assert ran.code == (3 if code.startswith("NET") else 1)
    assert code in codes(ran)[0]
    assert [result["verdict"] for result in ran.json["results"][1:]] == ["accepted", "accepted"]


def test_a_stripped_field_an_attacker_s_signature_and_another_signer_are_found(verify, channel, tmp_path):
    (tmp_path / "lock").write_bytes(lock_of(channel, "explicit"))
    folder = channel.folder / "noarch"
    edit(folder, "numbers-1.0-0.conda", attestations_sha256=...)
    advertise(folder / "letters-1.0-0.conda", channel.url, by=attacker())
    advertise(folder / "words-1.0-0.conda", channel.url, "me/other")
    ran = verify("--lock", "lock", "--no-state", "--json")
    assert codes(ran) == [["MISSING-ATTESTATION"], ["CRYPTO"], ["IDENTITY-MISMATCH"]]


def test_a_stripped_field_is_a_rollback_for_a_machine_that_has_seen_it(verify, channel, tmp_path):
    (tmp_path / "lock").write_bytes(lock_of(channel, "explicit", "numbers"))
    assert verify("--lock", "lock").code == 0
    edit(channel.folder / "noarch", "numbers-1.0-0.conda", attestations_sha256=...)
    assert "ROLLBACK-UNATTESTED" in codes(verify("--lock", "lock", "--json"))[0]


def test_what_was_verified_once_is_verified_offline(verify, channel, tmp_path):
    (tmp_path / "lock").write_bytes(lock_of(channel, "explicit"))
    assert verify("--lock", "lock", "--offline").code == 3
    assert verify("--lock", "lock").code == 0
    ran = verify("--lock", "lock", "--offline", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["totals"]["accepted"] == 3


def test_md5_alone_is_rejected_with_what_to_do(verify, channel, tmp_path):
    (tmp_path / "lock").write_bytes(explicit(*lines(channel, "numbers", algorithm="md5")))
    ran = verify("--lock", "lock")
    assert ran.code == 1
    assert "BIND-NO-DIGEST" in ran.out
    assert "conda list --explicit --sha256" in ran.out


def test_a_lock_may_have_files_beside_it(verify, tmp_path):
    package = a_package(tmp_path / "dist")
    bundle = sandbox().sign_statement(payload_for(artifact_of(package)), github(REPOSITORY))
    package.with_name(f"{package.name}.sigstore.json").write_bytes(bundle)
    rows = [f"{package}#{digest(package)}", f"file://{package}", f"{package}#{'ab' * 32}"]
    (tmp_path / "lock").write_bytes(explicit(*rows))
    ran = verify("--lock", "lock", "--channel", "https://conda.example/channel", "--json")
    assert [result["verdict"] for result in ran.json["results"]] == ["accepted", "accepted", "rejected"]
    assert codes(ran)[2] == ["BIND-DIGEST"]
    package.unlink()
    ran = verify("--lock", "lock", "--json")
    assert ran.code == 3
    assert codes(ran) == [["NET-FILE"]] * 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lock", "none"],
        ["--lock", "."],
        ["--lock", "empty"],
        ["--lock", "pypi"],
        ["--lock", "bomb"],
        ["--prefix", "none"],
        ["--prefix", "."],
        ["--platform", "linux-64"],
        ["--lock", "good", "--environment", "default"],
        ["--lock", "good", "--platform", "win-64"],
        ["--lock", "good", "--bundle", "x"],
        ["--lock", "good", "--sidecars", "prefix-v0"],
        ["--lock", "good", "--lock-identities", "good"],
        ["--lock-identities", "good"],
        ["--prefix", "bare"],
    ],
)
def test_wrong_use_is_exit_2_with_a_document(verify, tmp_path, arguments):
    (tmp_path / "good").write_bytes(explicit("https://conda.example/c/linux-64/x-1-0.conda#" + "ab" * 32))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "pypi").write_bytes(conda_lock(conda_row("six", "x.whl", manager="pip")))
    (tmp_path / "bomb").write_text("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    (tmp_path / "bare" / "conda-meta").mkdir(parents=True)
    ran = verify(*arguments, "--json")
    assert ran.code == 2, ran.out
    assert ran.json["error"]["message"]


def test_credentials_of_a_lock_file_are_never_shown(verify, channel, tmp_path):
    secret = channel.url.replace("http://", "http://me:hunter2@").replace("/channel", "/t/tk-secret/channel")
    (tmp_path / "lock").write_bytes(
        explicit(f"{secret}/noarch/numbers-1.0-0.conda#{digest(path_of(channel, 'numbers'))}")
    )
    for more in ((), ("--json",), ("-vv",)):
        ran = verify("--lock", "lock", *more)
        assert "hunter2" not in ran.out + ran.err
        assert "tk-secret" not in ran.out + ran.err


class TestPrefix:
    def installed(self, channel, tmp_path, name="numbers", **keys):
        record = channels.record(channel.folder, "noarch", f"{name}-1.0-0.conda") | keys.pop("record", {})
        url = f"{channel.url}/noarch/{name}-1.0-0.conda"
        return conda_meta(tmp_path / "env", url, keys.pop("sha256", digest(path_of(channel, name))), record, **keys)

    def test_an_environment_is_verified(self, verify, channel, tmp_path):
        for name in NAMES:
            self.installed(channel, tmp_path, name)
        ran = verify("--prefix", "env", "--json")
        assert ran.code == 0, ran.out
        assert ran.json["totals"]["accepted"] == 3
        assert ran.json["lists"][0]["kind"] == "prefix"

    @pytest.mark.parametrize(
        ("keys", "code"),
        [
            ({"sha256": "ab" * 32}, "BIND-DIGEST"),
            ({"sha256": None, "record": {"sha256": None}}, "BIND-NO-DIGEST"),
            ({"version": "2.0"}, "BIND-INSTALLED"),
            ({"url": None}, "BIND-INSTALLED"),
        ],
    )
    def test_what_is_not_what_the_channel_has_is_rejected(self, verify, channel, tmp_path, keys, code):
        self.installed(channel, tmp_path, **keys)
        self.installed(channel, tmp_path, "letters")
        ran = verify("--prefix", "env", "--json")
        assert ran.code == 1
        assert sorted(result["verdict"] for result in ran.json["results"]) == ["accepted", "rejected"]
        assert [code] in codes(ran)
        assert ran.json["lists"][0]["listed"] == 2

    def test_a_name_that_is_no_text_is_rejected_and_escaped(self, verify, channel, tmp_path):
        self.installed(channel, tmp_path)
        (tmp_path / "env" / "conda-meta" / os.fsdecode(b"\xff\x1b[31m-1-0.json")).write_text("{}")
        for more in ((), ("--json",)):
            ran = verify("--prefix", "env", *more)
            assert ran.code == 1
            assert "\x1b" not in ran.out + ran.err

    def test_an_environment_that_py_rattler_installed_is_verified(self, verify, channel, tmp_path):
        rattler = pytest.importorskip("rattler")

        async def install():
            gateway = rattler.Gateway(cache_dir=tmp_path / "cache")
            records = await rattler.solve(
                [rattler.Channel(channel.url)], list(NAMES), gateway=gateway, platforms=[rattler.Subdir("noarch")]
            )  # fmt: skip
            await rattler.install(records, tmp_path / "env", cache_dir=tmp_path / "pkgs", show_progress=False)

        asyncio.run(install())
        ran = verify("--prefix", tmp_path / "env", "--json")
        assert ran.code == 0, ran.out
        assert ran.json["totals"]["accepted"] == 3

    @pytest.mark.skipif(not CONDA, reason="set CONDATTEST_CONDA_PYTHON to a Python that has conda")
    def test_an_environment_that_conda_installed_is_verified_and_so_is_its_list(self, verify, channel, tmp_path):
        (tmp_path / "want").write_bytes(explicit(*lines(channel)))
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path / "home"),
            "CONDA_PKGS_DIRS": str(tmp_path / "pkgs"),
        }

        def conda(*arguments):
            command = [CONDA, "-m", "conda", *map(str, arguments)]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
            assert done.returncode == 0, done.stderr
            return done.stdout

        conda("create", "-q", "-y", "--solver", "classic", "-p", tmp_path / "env", "--file", tmp_path / "want")
        ran = verify("--prefix", tmp_path / "env", "--json")
        assert ran.code == 0, ran.out
        (tmp_path / "list").write_text(conda("list", "--explicit", "--sha256", "-p", tmp_path / "env"))
        ran = verify("--lock", "list", "--json")
        assert ran.code == 0, ran.out
        assert ran.json["totals"]["accepted"] == 3
