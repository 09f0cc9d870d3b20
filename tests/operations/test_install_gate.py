"""What an installer is told of the packages that it wants to link; through the functions that the hooks call."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from conda_package_streaming.package_streaming import stream_conda_component

from condattest.errors import Misuse
from condattest.formats import package, sidecar
from condattest.formats.patch_files import Change, Shard, Value
from condattest.model.artifact import PackageFile
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected
from condattest.operations import install_gate
from condattest.operations.install_gate import Answer, Mode, Unpacked, Wanted, mode, refused, with_cache
from condattest.operations.question import Question
from condattest.policy import rules
from condattest.policy.rules import ChannelEntry, GitHubSigner, PatchRule, Policy, Rule
from condattest.sandbox import github
from condattest.transport.fetch import Fetcher
from condattest.transport.file_memory import FileMemory
from condattest.transport.routed import Route, Routed
from tests import channels, patched_channel
from tests.operations.test_patch_verify import publish, replace_shard
from tests.patched_channel import DAY, NAME, START, TEAMS, fix
from tests.rehearsal import NOW, REPOSITORY, a_package, artifact_of, attacker, signed, trust
from tests.transport.conftest import TRUSTS_NOBODY, http, start_peer  # noqa: F401 (a fixture)

REQUIRED = rules.for_repository(REPOSITORY)


def codes(answer):
    assert not isinstance(answer.verdict, Accepted), answer
    return [finding.code for finding in answer.verdict.findings]


@pytest.mark.parametrize(
    ("setting", "has_policy", "expected"),
    [
        ("", True, Mode.REPORT),
        ("", False, Mode.OFF),
        ("off", True, Mode.OFF),
        ("off", False, Mode.OFF),
        ("Report ", True, Mode.REPORT),
        ("require", True, Mode.REQUIRE),
    ],
)
def test_a_policy_that_is_there_is_reported_on_unless_more_is_asked_for(setting, has_policy, expected):
    assert mode(setting, has_policy=has_policy) is expected


@pytest.mark.parametrize("setting", ["require", "report"])
def test_to_judge_without_a_policy_is_an_error_that_says_what_to_do(setting):
    with pytest.raises(Misuse, match="no policy") as caught:
        mode(setting, has_policy=False)
    assert "policy init" in caught.value.hint


def test_a_mode_that_does_not_exist_is_an_error():
    """A misspelt `require` must not be `off`."""
    with pytest.raises(Misuse, match="expected off, report or require"):
        mode("required", has_policy=True)


class Served:
    """A channel on a server that can be made to do anything: `files` are bodies, or lists of raw parts."""

    def __init__(self, start, package):
        self.files: dict[str, bytes | list[bytes]] = {}
        self.peer = start(self.answer)
        self.channel = Channel(f"{self.peer.url}/channel")
        self.package = package
        self.sidecar = sidecar.dump([signed(package, channel=self.channel)])
        self.publish()

    def answer(self, asked):
        found = self.files.get(asked.path.removeprefix("/channel/noarch/"))
        if isinstance(found, list):
            return found
        return [http("404 Not Found")] if found is None else [http("200 OK", found)]

    def publish(self, data=None, **record):
        data = self.sidecar if data is None else data
        digest = hashlib.sha256(data).hexdigest()
        self.name = f"{self.package.name}.sigs.{digest}"
        self.files[self.name] = data
        self.index({"sha256": artifact_of(self.package).sha256, "attestations_sha256": digest, **record})

    def index(self, record, **more):
        kept = {key: value for key, value in record.items() if value is not ...}
        document = {"packages": {}, "packages.conda": {self.package.name: kept}, **more}
        self.files["repodata.json"] = json.dumps(document).encode()

    @property
    def wanted(self):
        return Wanted(
            url=f"{self.channel}/noarch/{self.package.name}",
            channel=self.channel.url,
            subdir="noarch",
            sha256=artifact_of(self.package).sha256,
        )

    def judge(self, *wanted, policy=REQUIRED, memory=None, now=NOW, **how):
        with Fetcher(**({"attempts": 1, "ssl_context": TRUSTS_NOBODY} | how)) as fetcher:
            return install_gate.judge(
                wanted or [self.wanted], Question(policy=policy), trust=trust(), fetcher=fetcher, now=now, memory=memory
            )


@pytest.fixture
def served(start_peer, tmp_path):  # noqa: F811
    return Served(start_peer, a_package(tmp_path))


def test_an_attested_package_may_be_linked(served):
    [answer] = served.judge()
    assert isinstance(answer.verdict, Accepted)
    assert answer.sha256 == served.wanted.sha256
    assert refused([answer]) == []
    assert not any(path.endswith(".conda") for path in served.peer.paths)


def field(value):
    def change(served):
        served.publish(attestations_sha256=value)

    return change


def body(data):
    """Put a sidecar in place, with its right digest in the index."""

    def change(served):
        served.publish(data(served) if callable(data) else data)

    return change


def answered(*parts):
    def change(served):
        served.files[served.name] = list(parts)

    return change


def wrong_bytes(served):
    served.files[served.name] = served.sidecar + b" "


def ambiguous(served):
    record = {"sha256": served.wanted.sha256}
    served.index(record, packages={served.package.name: record})


def twice(served):
    """The record that is attested last, where the check reads it, and before it one that a solver may read."""
    data = served.files["repodata.json"]
    name = json.dumps(served.package.name).encode()
    other = json.dumps({"sha256": served.wanted.sha256, "depends": ["evil"]}).encode()
    served.files["repodata.json"] = data.replace(name, name + b": " + other + b", " + name)


def by_somebody_else(served):
    served.publish(sidecar.dump([signed(served.package, github("mallory/numbers"), channel=served.channel)]))


def of_another_root(served):
    served.publish(sidecar.dump([signed(served.package, channel=served.channel, by=attacker())]))


def for_another_channel(served):
    served.publish(sidecar.dump([signed(served.package, channel=Channel("https://conda.example/other"))]))


GZIP = http("200 OK", b"\x1f\x8b" + bytes(100), "Content-Encoding: gzip")
MANIPULATIONS = {
    "39 the field in upper case": (field("A" * 64), Code.SIDECAR_FIELD),
    "39 the field too short": (field("a" * 63), Code.SIDECAR_FIELD),
    "39 the field null": (field(None), Code.SIDECAR_FIELD),
    "39 the field a list": (field(["a" * 64]), Code.SIDECAR_FIELD),
    "40 the sidecar is gone": (lambda served: served.files.pop(served.name), Code.NET_NOT_FOUND),
    "40 the server fails": (answered(http("500 Internal Server Error")), Code.NET_UNAVAILABLE),
    "41 wrong bytes": (wrong_bytes, Code.SIDECAR_DIGEST),
    "42 an empty array": (body(b"[]"), Code.SIDECAR_SHAPE),
    "42 an object": (body(b"{}"), Code.SIDECAR_SHAPE),
    "42 a bundle of nothing": (body(b"[{}]"), Code.SIDECAR_SHAPE),
    "42 a bare bundle": (body(lambda served: served.sidecar[1:-1]), Code.SIDECAR_SHAPE),
    "44 too large": (
        answered(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b""),
        Code.NET_LIMIT,
    ),
    "47 the field stripped": (field(...), Code.MISSING_ATTESTATION),
    "48 no sha256 in the record": (lambda served: served.publish(sha256=...), Code.BIND_NO_DIGEST),
    "49 the same file twice": (ambiguous, Code.BIND_AMBIGUOUS),
    "49 the same file twice in one section": (twice, Code.BIND_AMBIGUOUS),
    "50 another sha256 in the record": (lambda served: served.publish(sha256="0" * 64), Code.BIND_DIGEST),
    "65 a slow drip": (
        answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"[", b""),
        Code.NET_UNAVAILABLE,
    ),
    "65 no end in sight": (answered(b"HTTP/1.1 200 OK\r\n\r\n[", b""), Code.NET_UNAVAILABLE),
    "66 a redirect to a file": (
        answered(http("302 Found", b"", "Location: file:///etc/passwd")),
        Code.NET_UNAVAILABLE,
    ),
    "67 gzip": (answered(GZIP), Code.NET_UNAVAILABLE),
    "no index": (lambda served: served.files.clear(), Code.NET_NOT_FOUND),
    "not listed": (lambda served: served.files.update({"repodata.json": b"{}"}), Code.MISSING_PACKAGE),
    "14 another root": (of_another_root, Code.CRYPTO),
    "27 for another channel": (for_another_channel, Code.CHANNEL_MISMATCH),
    "32 another signer": (by_somebody_else, Code.IDENTITY_MISMATCH),
}


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_manipulated_channel_lets_nothing_in(served, name):
    """Whoever serves the channel changes it; the number is that of the threat."""
    change, code = MANIPULATIONS[name]
    change(served)
    # Only who waits for an end that never comes is to give up soon: a busy machine may take longer than that.
    [answer] = served.judge(**({"deadline": 1, "read": 0.6} if name.startswith("65") else {}))
    assert code in codes(answer)
    assert refused([answer]) == [answer]


def test_an_older_sidecar_is_a_rollback(served, tmp_path):
    """45: an older sidecar with an older index, when this machine has seen a newer one."""
    older = served.sidecar
    second = signed(served.package, channel=served.channel, rekor=2)
    memory = FileMemory(tmp_path / "state")
    served.publish(sidecar.dump([*sidecar.parse(older, where="x").elements, second]))
    assert isinstance(served.judge(memory=memory)[0].verdict, Accepted)
    memory.save()
    served.publish(older)
    [answer] = served.judge(memory=FileMemory(tmp_path / "state"))
    assert codes(answer) == [Code.ROLLBACK]
    served.publish(attestations_sha256=...)
    [answer] = served.judge(memory=FileMemory(tmp_path / "state"))
    assert Code.ROLLBACK_UNATTESTED in codes(answer)


def aged(served, age):
    """The answer where signatures have to be a day old, `age` after this one was made."""
    rules = tuple(replace(rule, min_age=DAY) for rule in REQUIRED.rules)
    [answer] = served.judge(policy=replace(REQUIRED, rules=rules), now=NOW + age)
    return answer


@pytest.mark.parametrize("stamp", [..., None, 0, -1, -(2**60), 2**60, 1.5, True, "2020-01-01", [0]])
def test_an_indexed_timestamp_that_was_edited_shortens_no_wait(served, stamp):
    """50: whoever serves the index adds, drops or edits it, so that a fresh attestation looks old."""
    served.publish(indexed_timestamp=stamp)
    assert codes(aged(served, DAY / 2)) == [Code.POLICY_TOO_YOUNG]
    assert isinstance(aged(served, DAY * 2).verdict, Accepted)


def test_an_indexed_timestamp_that_was_edited_can_only_lengthen_a_wait(served):
    served.publish(indexed_timestamp=int((NOW + DAY * 2).timestamp() * 1000))
    assert codes(aged(served, DAY * 2)) == [Code.POLICY_TOO_YOUNG]
    assert isinstance(served.judge()[0].verdict, Accepted)


def test_a_digest_that_the_solver_did_not_have_is_refused(served):
    [answer] = served.judge(replace(served.wanted, sha256=None))
    assert codes(answer) == [Code.BIND_NO_DIGEST]
    [answer] = served.judge(replace(served.wanted, sha256="A" * 64))
    assert codes(answer) == [Code.BIND_NO_DIGEST]


@pytest.mark.parametrize("url", ["", "defaults::x-1-0.conda", "s3://bucket/noarch/x-1-0.conda", "https://h/x.conda"])
def test_what_cannot_be_named_is_refused_beside_what_can(served, url):
    answers = served.judge(Wanted(url=url, sha256="a" * 64), served.wanted)
    assert codes(answers[0]) == [Code.NET_UNAVAILABLE]
    assert isinstance(answers[1].verdict, Accepted)


def test_a_package_that_the_solver_takes_for_another_one_is_refused(served):
    """The server shows a solver another index than the check, in which an attested package claims a better name."""
    right = replace(served.wanted, dist="numbers-1.0-0")
    for dist in ("openssl-1.0-0", "numbers-99-0", "numbers-1.0-1"):
        [answer, other] = served.judge(replace(served.wanted, dist=dist), right)
        assert codes(answer) == [Code.BIND_METADATA]
        assert isinstance(other.verdict, Accepted)


def test_a_subdir_that_leads_elsewhere_is_refused(served):
    """Solvers take it from the record."""
    [answer] = served.judge(replace(served.wanted, subdir="../other/noarch"))
    assert codes(answer) == [Code.NET_UNAVAILABLE]
    assert served.peer.paths == []


def test_offline_nothing_is_let_in(served):
    [answer] = served.judge(offline=True)
    assert codes(answer) == [Code.NET_OFFLINE]
    assert served.peer.paths == []


def test_nothing_wanted_is_nothing_asked(served):
    with Fetcher(offline=True) as fetcher:
        asked = install_gate.judge([], Question(policy=REQUIRED), trust=trust(), fetcher=fetcher, now=NOW)
    assert asked == []


# Patches: the channel's record is what its author attested, and what the solver read.


@pytest.fixture
def patched(history):
    """A channel with three generations, over HTTP under another URL than its own."""
    with channels.served(history.root.parent) as url:
        yield SimpleNamespace(world=history, at=f"{url}/{history.root.name}")


def judge_patched(patched, *, name=NAME, now=START + 3 * DAY, teams=TEAMS, memory=None, **how):
    asked, policy = patched_wanted(patched, name=name, teams=teams, **how)
    return judge_at(patched, [asked], policy, now=now, memory=memory)[0]


def judge_at(patched, packages, policy, *, now=START + 3 * DAY, memory=None):
    with Routed({patched_channel.CHANNEL.url: Route(patched.at, Fetcher())}, Fetcher(offline=True)) as source:
        return install_gate.judge(
            packages, Question(policy=policy), trust=patched_channel.trust(), fetcher=source, now=now, memory=memory
        )


def patched_wanted(patched, *, name=NAME, teams=TEAMS, change=lambda held: None, keys=None):
    channel = patched_channel.CHANNEL
    signers = tuple(GitHubSigner(name=team, repository=team) for team in teams)
    archive = artifact_of(patched.world.root / "noarch" / name).sha256
    more = {} if keys is None else {"keys": frozenset(keys)}
    policy = Policy(
        source="p",
        rules=(Rule(name="r", channel=channel, package="*", signers=(), baseline=frozenset({archive})),),
        patches=(PatchRule(name="p", channel=channel, signers=signers, max_age=timedelta(days=7), **more),),
        channels=(ChannelEntry(url=channel),),
    )
    held = channels.record(patched.world.root, "noarch", name)
    change(held)
    url = f"{channel}/noarch/{name}"
    return Wanted(url=url, channel=channel.url, subdir="noarch", sha256=archive, held=held), policy


def strip(world):
    world.index(fix())


def unattributed(world):
    world.index(fix(depends=["evil"]))


def generations_of_another_subdir(world):
    world.index({"packages.conda": {NAME: {"license": "X"}}}, subdir="linux-64")
    assert world.attest(subdir="linux-64").new
    shutil.rmtree(world.root / "noarch" / "patches")
    shutil.copytree(world.root / "linux-64" / "patches", world.root / "noarch" / "patches")


def one_generation_of_another_subdir(world):
    """Under a head that its author signed for noarch, the generation that the record's history names is another's."""
    world.index({"packages.conda": {NAME: {"license": "X"}}}, subdir="linux-64")
    assert world.attest(subdir="linux-64").new
    world.index(fix(**patched_channel.CHANGES[-1]) | {"remove": ["words-1.0-0.conda"]})
    assert world.attest().new
    shutil.copy(world.root / "linux-64" / "patches" / "1.sigs", world.root / "noarch" / "patches" / "3.sigs")


def a_generation_of_another_channel(world):
    publish(world, target_channel=Channel("https://conda.example/other"))


def of_a_server_key(key):
    """Its author's own tool signs, beside what really changed, a change of what only the server sets."""

    def change(world):
        entry = world.entry()
        claimed = Change(Value(1), Value(2))
        changed = {**entry.changed, key: claimed}
        replace_shard(world, "numbers", Shard("numbers", {("packages.conda", NAME): replace(entry, changed=changed)}))

    return change


SERVED = ("sha256", "size", "indexed_timestamp", "attestations_sha256")
PATCHES = {
    **{f"50 a patch of {key}": (of_a_server_key(key), Code.PATCH_KEY) for key in SERVED},
    "51 of another subdir": (generations_of_another_subdir, Code.CHANNEL_MISMATCH),
    "51 the record's own, of another subdir": (one_generation_of_another_subdir, Code.CHANNEL_MISMATCH),
    "51 of another channel": (a_generation_of_another_channel, Code.CHANNEL_MISMATCH),
    "none": (lambda world: shutil.rmtree(world.root / "noarch" / "patches"), Code.PATCH_NONE),
    "53 a change that nobody signed": (unattributed, Code.PATCH_UNATTRIBUTED),
    "54 the patch stripped": (strip, Code.PATCH_STRIPPED),
    "52 an older record replayed": (lambda world: world.index(fix(**patched_channel.CHANGES[0])), Code.ROLLBACK),
}


def test_an_attested_patch_lets_the_package_in(patched):
    answer = judge_patched(patched)
    assert isinstance(answer.verdict, Accepted), answer


@pytest.mark.parametrize("name", PATCHES)
def test_a_manipulated_patch_lets_nothing_in(patched, name):
    """Whoever serves the channel, or a mirror of it, changes records."""
    change, code = PATCHES[name]
    change(patched.world)
    assert codes(judge_patched(patched)) == [code]


@pytest.mark.parametrize("key", SERVED)
def test_a_patch_of_what_the_server_sets_is_refused_with_the_archive_at_hand(patched, key):
    """50: the record is what its archive and its generations make of it, but for a key that no patch may have."""
    of_a_server_key(key)(patched.world)
    asked, policy = patched_wanted(patched)
    archive = patched.world.root / "noarch" / NAME
    with open(archive, "rb") as opened:
        index = package.read(opened, PackageFile.parse(NAME)).index
    [answer] = judge_at(patched, [replace(asked, index=index)], policy)
    assert codes(answer) == [Code.PATCH_KEY]


def test_an_indexed_timestamp_of_nobody_s_changes_no_patched_record(patched):
    """50: it is the server's own, and no digest is of it: neither the channel's nor the solver's copy counts."""
    (patched.world.root / "noarch" / "repodata.json.zst").unlink(missing_ok=True)
    patched.world.edit("repodata.json", lambda index: index["packages.conda"][NAME].update(indexed_timestamp=1))
    answer = judge_patched(patched, change=lambda held: held.update(indexed_timestamp=2))
    assert isinstance(answer.verdict, Accepted), answer


def test_an_older_generation_is_a_rollback(patched, tmp_path):
    """52: a mirror that stands still, or goes back."""
    memory = FileMemory(tmp_path / "state")
    assert isinstance(judge_patched(patched, memory=memory).verdict, Accepted)
    memory.save()
    patched.world.point(2)
    patched.world.index(fix(**patched_channel.CHANGES[1]))
    (patched.world.root / "noarch" / "patches" / "3.sigs").unlink()
    assert codes(judge_patched(patched, memory=FileMemory(tmp_path / "state"))) == [Code.ROLLBACK]


def test_a_generation_of_another_team_counts_for_nothing(patched):
    assert codes(judge_patched(patched, teams=("mallory/patches",))) == [Code.IDENTITY_MISMATCH]


def test_a_stale_generation_is_refused(patched):
    """55: whoever keeps a mirror from being updated."""
    assert codes(judge_patched(patched, now=START + 30 * DAY)) == [Code.FRESH_STALE]


def test_a_patch_of_another_key_is_refused(patched):
    assert codes(judge_patched(patched, keys=["license"])) == [Code.PATCH_KEY] * 2


def test_a_record_that_the_solver_read_elsewhere_is_refused(patched):
    """The solver was shown another index than the one that is judged."""
    answer = judge_patched(patched, change=lambda held: held.update(depends=["evil"]))
    assert codes(answer) == [Code.PATCH_HELD]


def test_a_change_to_a_record_that_was_never_patched_is_refused_before_linking(patched, tmp_path):
    """53: what is built is in the archive alone, so it is told when the archive is there, whatever was said before."""
    name = "letters-1.0-0.conda"
    archive = patched.world.root / "noarch" / name
    unpack(archive, tmp_path / "letters-1.0-0")
    for change, expected in (([], Accepted), (["evil"], Rejected)):
        (patched.world.root / "noarch" / "repodata.json.zst").unlink(missing_ok=True)
        patched.world.edit("repodata.json", lambda index, change=change: add(index, name, change))
        wanted, policy = patched_wanted(patched, name=name)
        [solved] = judge_at(patched, [wanted], policy)
        assert Code.PATCH_UNLISTED in [note.code for note in solved.verdict.notes]
        package = Unpacked(wanted=wanted, archive=archive, folder=tmp_path / "letters-1.0-0")
        [answer] = with_cache(
            [package], lambda wanted, solved=solved: solved, lambda all, policy=policy: judge_at(patched, all, policy)
        )
        assert isinstance(answer.verdict, expected), answer
    assert codes(answer) == [Code.PATCH_UNATTRIBUTED]


def add(index, name, depends):
    index["packages.conda"][name]["depends"] += depends


# Before linking: the archive and what was extracted.


def unpack(package, folder):
    for component in ("info", "pkg"):
        with open(package, "rb") as opened:
            for tar, member in stream_conda_component(str(package), opened, component=component):
                tar.extract(member, folder, filter="tar")
    (folder / "info" / "repodata_record.json").write_text("{}")


@pytest.fixture
def cached(served, tmp_path):
    folder = tmp_path / "pkgs"
    folder.mkdir()
    archive = folder / served.package.name
    shutil.copy(served.package, archive)
    unpack(archive, folder / "numbers-1.0-0")
    return Unpacked(wanted=served.wanted, archive=archive, folder=folder / "numbers-1.0-0")


def before_link(served, *packages, known=lambda wanted: None):
    asked = []

    def judge(wanted):
        asked.extend(wanted)
        return served.judge(*wanted)

    return with_cache(packages, known, judge), asked


def test_what_the_archive_says_may_be_linked_and_is_asked_for_once(served, cached):
    [answer], asked = before_link(served, cached)
    assert isinstance(answer.verdict, Accepted)
    assert asked == [served.wanted]
    [again], asked = before_link(served, cached, known=lambda wanted: answer)
    assert again is answer
    assert asked == []


def test_an_explicit_line_is_judged_by_its_bytes(served, cached):
    """Neither a digest in the list nor the cache's own record is believed."""
    [answer], asked = before_link(served, replace(cached, wanted=Wanted(url=served.wanted.url)))
    assert isinstance(answer.verdict, Accepted)
    assert [wanted.sha256 for wanted in asked] == [served.wanted.sha256]
    other = a_package(cached.folder.parent / "other", payload=b"evil\n")
    shutil.copy(other, cached.archive)
    shutil.rmtree(cached.folder)
    unpack(cached.archive, cached.folder)
    [answer], _ = before_link(served, replace(cached, wanted=Wanted(url=served.wanted.url)))
    assert codes(answer) == [Code.BIND_DIGEST]


def test_other_bytes_than_those_that_were_verified_are_refused(served, cached):
    with open(cached.archive, "ab") as opened:
        opened.write(b"\0")
    [answer], asked = before_link(served, cached)
    assert codes(answer) == [Code.BIND_DIGEST]
    assert asked == []


def test_files_that_are_not_the_archive_s_are_refused(served, cached):
    (cached.folder / "bin").mkdir()
    (cached.folder / "bin" / ".numbers-pre-link.sh").write_text("evil")
    [answer], _ = before_link(served, cached)
    assert codes(answer) == [Code.ARCHIVE_EXTRACTED]


@pytest.mark.parametrize("how", ["none", "gone", "a folder"])
def test_without_the_archive_nothing_proves_the_files(served, cached, how):
    archive = {"none": None, "gone": cached.archive, "a folder": cached.folder}[how]
    cached.archive.unlink()
    [answer], _ = before_link(served, replace(cached, archive=archive))
    assert codes(answer) == [Code.ARCHIVE_GONE]


def test_a_cached_package_that_is_taken_for_another_one_is_refused(served, cached):
    """The cache's own record, which lists are installed by, gives an attested archive another name."""
    [answer], asked = before_link(served, replace(cached, wanted=Wanted(url=served.wanted.url, dist="openssl-99-0")))
    assert codes(answer) == [Code.BIND_METADATA]
    assert asked == []


def test_a_record_that_puts_packages_elsewhere_than_its_archive_is_refused(served, cached):
    """CEP 17's path is taken from an index that nobody signed, or from the cache's own record."""
    for place in ("../../escaped", "lib/python3.12/../site-packages", "/lib/python3.12/site-packages", "share", ""):
        [answer], asked = before_link(served, replace(cached, wanted=replace(served.wanted, site_packages=place)))
        assert codes(answer) == [Code.BIND_METADATA]
        assert asked == []
    usual = replace(served.wanted, site_packages="lib/python3.13t/site-packages")
    [answer], _ = before_link(served, replace(cached, wanted=usual))
    assert isinstance(answer.verdict, Accepted)


def test_an_archive_of_another_package_is_refused(served, cached):
    other = cached.archive.with_name("letters-1.0-0.conda")
    cached.archive.rename(other)
    [answer], _ = before_link(served, replace(cached, archive=other))
    assert codes(answer) == [Code.NET_FILE]


def test_the_twin_in_the_other_format_is_a_package_of_its_own(served, cached, tmp_path):
    """Conda takes what its cache has; the attestation is about the other archive."""
    twin = a_package(tmp_path / "twin", kind=".tar.bz2")
    folder = tmp_path / "twin" / "numbers-1.0-0"
    shutil.unpack_archive(twin, folder, "bztar", filter="tar")
    [answer], asked = before_link(served, Unpacked(wanted=served.wanted, archive=twin, folder=folder))
    assert codes(answer) == [Code.MISSING_PACKAGE]
    assert [(wanted.url.rpartition("/")[2], wanted.held) for wanted in asked] == [(twin.name, None)]


def test_a_file_that_was_named_is_judged_by_what_lies_beside_it(served, cached):
    wanted = Wanted(url=served.package.as_uri(), local=served.package)
    [answer], _ = before_link(served, replace(cached, wanted=wanted))
    assert isinstance(answer.verdict, Accepted)
    # The file was another one when it was copied into the cache.
    shutil.copy(a_package(cached.folder.parent / "other", payload=b"evil\n"), cached.archive)
    shutil.rmtree(cached.folder)
    unpack(cached.archive, cached.folder)
    [answer], _ = before_link(served, replace(cached, wanted=wanted))
    assert codes(answer) == [Code.BIND_DIGEST]
    served.package.with_name(served.package.name + ".sigstore.json").unlink()
    [answer], _ = before_link(served, replace(cached, wanted=wanted))
    assert codes(answer) == [Code.MISSING_ATTESTATION]


def test_answers_keep_their_order(served, cached):
    gone = Unpacked(
        wanted=replace(served.wanted, url="https://h.example/c/noarch/a-1-0.conda"), archive=None, folder=cached.folder
    )
    answers, _ = before_link(served, gone, cached, gone)
    assert [type(answer) for answer in answers] == [Answer] * 3
    assert [refused([answer]) == [] for answer in answers] == [False, True, False]
    assert with_cache([], lambda wanted: None, lambda wanted: []) == []
