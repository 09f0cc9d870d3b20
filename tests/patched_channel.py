"""A channel that the real conda-index patched, and the people who sign its patches."""

import io
import json
import shutil
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from conda_package_streaming.create import conda_builder

from condattest.errors import Malformed
from condattest.formats.held_records import opened
from condattest.model.artifact import PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.operations import patch_attest, patch_blame, patch_inputs, patch_verify
from condattest.operations.patch_chain import Chain
from condattest.patches import engines
from condattest.policy.patch_signers import Authority
from condattest.policy.rules import GitHubSigner, PatchRule
from condattest.sandbox import Sandbox, github
from condattest.signatures.trust_root import TrustRoot
from condattest.transport.directory import Directory
from condattest.transport.origin import StoreOrigin
from tests import channels
from tests.publishers import digest_of
from tests.rehearsal import a_package

CHANNEL = Channel("https://conda.example/patched")
NAME = "numbers-1.0-0.conda"
FILE = PackageFile.parse(NAME)
TEAMS = ("patches/one", "patches/two", "patches/three")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
EMPTY = {"patch_instructions_version": 1, "packages": {}, "packages.conda": {}, "remove": [], "revoke": []}
CHANGES = (
    {"depends": ["python >=3"]},
    {"depends": ["python >=3"], "license": "MIT"},
    {"depends": ["python >=3.9"], "license": "MIT", "constrains": ["letters"]},
)
"""What the three generations of `make_history` patch."""


@cache
def sandbox() -> Sandbox:
    return Sandbox(now=lambda: START)


@cache
def trust() -> TrustRoot:
    return TrustRoot.from_json(sandbox().trusted_root_json().encode(), name="sandbox")


_INDEXED: dict[object, dict[str, bytes]] = {}


@dataclass
class World:
    """A channel, its indexer, and its teams; `now` is when they sign, `void` what its readers and authors revoke."""

    root: Path
    now: datetime = START
    void: frozenset[Sha256] = frozenset()
    trusted: tuple[str, ...] = TEAMS
    box: Sandbox = field(default_factory=sandbox)

    @property
    def trust(self) -> TrustRoot:
        return trust()

    def authority(self, *teams, threshold=1) -> Authority:
        signers = tuple(GitHubSigner(name=team, repository=team) for team in teams or self.trusted)
        rule = PatchRule(name="rule", channel=CHANNEL, signers=signers, max_age=DAY, threshold=threshold)
        return Authority(rule, trust().sha256)

    def chain(self, subdir="noarch", *teams, threshold=1, role="author") -> Chain:
        origin = StoreOrigin(Directory(self.root))
        return Chain(origin, CHANNEL, subdir, role, self.authority(*teams, threshold=threshold), [trust()], self.void)

    def index(self, instructions=None, subdir="noarch"):
        """Index as an operator does, with instructions that the indexer finds on disk.

        The same packages with the same instructions are indexed once for the whole run of tests.
        """
        if instructions is not None:
            (self.root / subdir / "patch_instructions.json").write_text(json.dumps(EMPTY | instructions))
        inputs = [*self.root.glob("*/*.conda"), *self.root.glob("*/*.tar.bz2"), *self.root.glob("*/patch_in*.json")]
        key = tuple(sorted((str(path.relative_to(self.root)), digest_of(path)) for path in inputs))
        if key not in _INDEXED:
            # Without shards: with them conda-index 0.13 overwrites the instructions with something of another shape.
            channels.conda_index(self.root, "--zst", "--no-write-shards", "--no-current-repodata", "--threads", "1")
            made = self.root.glob("*/repodata*")
            _INDEXED[key] = {str(path.relative_to(self.root)): path.read_bytes() for path in made}
        for name, data in _INDEXED[key].items():
            path = self.root / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)

    def order(self, subdir="noarch", **how) -> patch_attest.Order:
        store = Directory(self.root)
        settings = {
            "store": store,
            "chain": self.chain(subdir),
            "packages": StoreOrigin(store),
            "inputs": patch_inputs.read(StoreOrigin(store), subdir),
            "engine": engines.engine("conda-index"),
            "engine_version": "0.13.0",
        }
        return patch_attest.Order(**(settings | how))

    def sign(self, payload, team=TEAMS[0]) -> bytes:
        return self.box.sign_statement(payload, github(team), at=self.now)

    def attest(self, team=TEAMS[0], subdir="noarch", **how):
        return patch_attest.attest(self.order(subdir, **how), lambda payload: self.sign(payload, team), now=self.now)

    def blame(self, name=NAME, **how):
        return patch_blame.blame(self.chain(), PackageFile.parse(name), **how)

    def inputs(self):
        return patch_inputs.read(StoreOrigin(Directory(self.root)), "noarch")

    def record(self, side, name=NAME):
        """A record of noarch, `as_built` or `served`."""
        return opened(getattr(self.inputs(), side)["packages.conda"][name])

    def verify(self, **how):
        checked = patch_verify.verify(self.chain(), self.inputs(), **({"now": self.now} | how))
        return [finding.code for finding in checked.findings]

    def payload(self, number):
        """The payload of a generation, whoever is trusted."""
        return self.chain("noarch", *TEAMS).generation(number).payload

    def entry(self, name=NAME):
        """The newest entry of a file."""
        chain = self.chain("noarch", *TEAMS)
        file = PackageFile.parse(name)
        return chain.shard(file.name, chain.map(chain.newest())[file.name]).files["packages.conda", name]

    def patches(self, suffix):
        return sorted((self.root / "noarch" / "patches").glob(f"*{suffix}"))

    def edit(self, base, change):
        """Change the document of an index file of noarch, with its twins gone."""
        path = self.root / "noarch" / base
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))

    def point(self, generation):
        (self.root / "noarch" / "patches" / "head.json").write_text(json.dumps({"generation": generation}))


def a_patch_package(folder: Path, instructions: dict[str, object], *, name="patches-1-0.conda", extra=None) -> Path:
    """Make a package with instructions by subdir, and with `extra` in its about.json."""
    file = PackageFile.parse(name)
    index = {"name": file.name, "version": file.version, "build": file.build, "build_number": 0, "subdir": "noarch"}
    members = {"info/index.json": index, "info/about.json": {} if extra is None else {"extra": extra}}
    members |= {f"{subdir}/patch_instructions.json": given for subdir, given in instructions.items()}

    def fill(archive):
        for path, document in members.items():
            data = json.dumps(document).encode()
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

    folder.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    if file.kind == ".conda":
        with conda_builder(file.stem, folder) as archive:
            fill(archive)
    else:
        with tarfile.open(folder / name, "w:bz2") as archive:
            fill(archive)
    return folder / name


def fix(**keys):
    return {"packages.conda": {NAME: keys}}


def make_channel(root: Path, built: Path) -> World:
    """Four packages in two subdirs, indexed without instructions."""
    for name in ("numbers", "letters", "words"):
        channels.put(root, "noarch", a_package(built, name, depends=["python"]))
    channels.put(root, "linux-64", a_package(built / "linux", "numbers", subdir="linux-64", depends=["python"]))
    world = World(root)
    world.index()
    return world


def make_history(root: Path) -> None:
    """Three generations by three identities, with a day between them."""
    world = World(root)
    for team, keys in zip(TEAMS, CHANGES, strict=True):
        world.index(fix(**keys))
        assert world.attest(team).new
        world.now += DAY


def copied(root: Path, to: Path, *, days: int = 0) -> World:
    return World(Path(shutil.copytree(root, to)), now=START + days * DAY)


def refused(call, code):
    """Call what has to raise Malformed with a code; gives the finding."""
    with pytest.raises(Malformed) as caught:
        call()
    assert caught.value.finding.code is code, caught.value.finding
    return caught.value.finding


def finding_of(call):
    """Call what may raise Malformed, and nothing else; gives the finding, or None."""
    try:
        call()
    except Malformed as error:
        return error.finding
    return None
