"""What a channel, a mirror or somebody on the way can do: nothing of it is ever served as a package.

Each manipulation ends with the record left out or the request refused, and its code stands in the report. The numbers
are those of the list of threats that the project keeps.
"""

import gzip
import hashlib
import json
import os
import shutil
import time
from datetime import timedelta

import pytest

from condattest.model.artifact import Sha256
from condattest.model.channel import Channel
from condattest.policy import rules
from condattest.sandbox import github
from condattest.transport.file_memory import FileMemory
from tests import channels
from tests.patched_channel import CHANNEL, NAME, TEAMS, World, fix
from tests.patched_channel import trust as patch_trust
from tests.proxies import status
from tests.proxy.conftest import HOME, NEW, OLD
from tests.rehearsal import a_package, artifact_of, attacker, payload_for, sandbox


class Channels:
    """The channel's folder, and how to lie in it. Its JSON index is all of the index that is left."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.folder = upstream.folder / "channel" / "noarch"
        for file in [*self.folder.glob("*.zst"), *self.folder.glob("*.bz2")]:
            file.unlink()

    def change(self, call):
        path = self.folder / "repodata.json"
        document = json.loads(path.read_bytes())
        call(document)
        path.write_text(json.dumps(document))

    def record(self, **keys):
        def call(document):
            record = document["packages.conda"][OLD]
            record.update(keys)
            for key in [key for key, value in record.items() if value is ...]:
                del record[key]

        self.change(call)

    @property
    def sidecar(self):
        return next(self.folder.glob(f"{OLD}.sigs.*"))

    def advertise(self, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / f"{OLD}.sigs.{digest}").write_bytes(data)
        self.record(attestations_sha256=digest)

    def bundle(self, **how):
        by, who = how.pop("by", sandbox()), how.pop("who", github("me/numbers"))
        return by.sign_statement(payload_for(artifact_of(self.folder / OLD), how.pop("to", HOME)), who)


def bytes_of_another(lies):
    (lies.folder / OLD).write_bytes((lies.folder / NEW).read_bytes())


def one_byte_more(lies):
    with (lies.folder / OLD).open("ab") as opened:
        opened.write(b"x")


def one_byte_less(lies):
    path = lies.folder / OLD
    path.write_bytes(path.read_bytes()[:-1])


def in_two_sections(lies):
    lies.change(lambda document: document["packages"].update({OLD: document["packages.conda"][OLD]}))


def answer(*, headers=(), body=b"", code=200):
    def call(handler):
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return call


def instead(name, how):
    return lambda lies: lies.upstream.instead.update({name: how})


def sidecar_is(how):
    return lambda lies: lies.upstream.instead.update({lies.sidecar.name: how})


def drip(handler):
    handler.send_response(200)
    handler.send_header("content-length", "971")
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.1)
    except OSError:
        pass


MANIPULATIONS = [
    ("39 upper case", lambda lies: lies.record(attestations_sha256="A" * 64), "SIDECAR-FIELD"),
    ("39 63 characters", lambda lies: lies.record(attestations_sha256="a" * 63), "SIDECAR-FIELD"),
    ("39 null", lambda lies: lies.record(attestations_sha256=None), "SIDECAR-FIELD"),
    ("39 a list", lambda lies: lies.record(attestations_sha256=["a" * 64]), "SIDECAR-FIELD"),
    ("40 sidecar gone", lambda lies: lies.sidecar.unlink(), "NET-NOT-FOUND"),
    ("40 sidecar 500", sidecar_is(status(500)), "NET-UNAVAILABLE"),
    ("41 wrong bytes", lambda lies: lies.sidecar.write_bytes(b"[]"), "SIDECAR-DIGEST"),
    ("42 empty", lambda lies: lies.advertise(b"[]"), "SIDECAR-SHAPE"),
    ("42 an object", lambda lies: lies.advertise(b"{}"), "SIDECAR-SHAPE"),
    ("42 a bare bundle", lambda lies: lies.advertise(lies.bundle()), "SIDECAR-SHAPE"),
    ("43 one is no bundle", lambda lies: lies.advertise(b"[" + lies.bundle() + b",{}]"), "SIDECAR-SHAPE"),
    ("44 too large", lambda lies: lies.advertise(b"[" + b" " * (64 << 20) + b"]"), "NET-LIMIT"),
    ("47 field stripped", lambda lies: lies.record(attestations_sha256=...), "MISSING-ATTESTATION"),
    ("48 no sha256", lambda lies: lies.record(sha256=...), "BIND-NO-DIGEST"),
    ("49 in two sections", in_two_sections, "BIND-AMBIGUOUS"),
    ("signed by a stranger", lambda lies: lies.advertise(b"[" + lies.bundle(who=github("e/vil")) + b"]"), "IDENTITY-"),
    ("signed in another log", lambda lies: lies.advertise(b"[" + lies.bundle(by=attacker()) + b"]"), "CRYPTO"),
    ("27 for another channel", lambda lies: lies.advertise(b"[" + lies.bundle(to=Channel("https://o.example")) + b"]"),
     "CHANNEL-MISMATCH"),
    ("26 another archive's digest", lambda lies: lies.record(sha256="a" * 64), "BIND-DIGEST"),
    ("other bytes", bytes_of_another, "BIND-DIGEST"),
    ("a byte more", one_byte_more, "BIND-DIGEST"),
    ("65 cut off", one_byte_less, "BIND-DIGEST"),
    ("50 another size", lambda lies: lies.record(size=17), "BIND-DIGEST"),
    ("50 a larger size", lambda lies: lies.record(size=10_000), "BIND-DIGEST"),
    ("65 a slow drip", instead(OLD, drip), "NET-"),
    ("65 lying length", instead(OLD, answer(headers=[("content-length", "971")], body=b"x")), "NET-UNAVAILABLE"),
    ("66 redirect to a file", instead(OLD, answer(code=302, headers=[("location", "file:///etc/passwd")])), "NET-"),
    ("66 redirect in a circle", instead(OLD, answer(code=302, headers=[("location", OLD)])), "NET-"),
    ("67 gzip", instead(OLD, answer(headers=[("content-encoding", "gzip")], body=gzip.compress(b"x"))), "NET-"),
]  # fmt: skip


BYTES = ("other bytes", "a byte more", "65 cut off", "65 a slow drip", "65 lying length", "66", "67", "50")
"""The package alone is not what it should be; its record and attestation are."""
CASES = [
    pytest.param(mode, name.startswith(BYTES), lie, code, id=f"{mode}-{name}")
    for name, lie, code in MANIPULATIONS
    for mode in ("index", "verify")
    if mode == "index" or not name.startswith(BYTES)
]


@pytest.mark.parametrize(("mode", "about_bytes", "lie", "code"), CASES)
def test_a_manipulation_is_never_served(proxy, channel, mode, about_bytes, lie, code):
    lie(Channels(channel))
    # Only a drip is to be given up soon: a busy machine may take longer than that for an honest answer.
    running = proxy(mode=mode, deadline=0.5 if code == "NET-" and about_bytes else 30)
    listed = running.get("/mine/noarch/repodata.json")
    package = running.get(f"/mine/noarch/{OLD}")
    assert package.status_code in (403, 502, 503)
    assert "schema" in package.json()
    assert f'"code": "{code}' in running.get("/-/report.json").text
    if mode == "verify" and not about_bytes:
        # Solvers do not see it, either.
        assert listed.status_code == 503 or OLD not in listed.json()["packages.conda"]


def test_an_older_sidecar_with_an_older_index_is_a_rollback(proxy, channel, tmp_path):
    """Threat 45."""
    lies = Channels(channel)
    before = (lies.folder / "repodata.json").read_bytes()
    first = lies.sidecar.read_bytes().strip()[1:-1]
    memory = FileMemory(tmp_path / "state")
    running = proxy(memory=memory)
    lies.advertise(b"[" + first + b"," + lies.bundle() + b"]")
    assert running.get(f"/mine/noarch/{OLD}").status_code == 200
    (lies.folder / "repodata.json").write_bytes(before)
    later = time.time() + 10  # The server tells seconds apart, and the cache goes by what it says.
    os.utime(lies.folder / "repodata.json", (later, later))
    again = proxy(memory=memory).get(f"/mine/noarch/{OLD}")
    assert again.status_code == 403
    assert [finding["code"] for finding in again.json()["findings"]] == ["ROLLBACK"]


def test_an_archive_of_another_subdir_is_refused_though_it_is_signed(proxy, channel):
    """No signature names a subdir; the archive does, and is asked each time it is served at another place."""
    root = channel.folder / "channel"
    running = proxy()
    assert running.get(f"/mine/noarch/{OLD}").status_code == 200
    (root / "linux-64").mkdir()
    for file in [*(root / "noarch").glob(f"{OLD}*"), root / "noarch" / "repodata.json"]:
        (root / "linux-64" / file.name).write_bytes(file.read_bytes())
    response = running.get(f"/mine/linux-64/{OLD}")
    assert response.status_code == 403
    assert [finding["code"] for finding in response.json()["findings"]] == ["BIND-METADATA"]


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    """A channel whose package is attested, and whose record was patched by a generation."""
    folder = tmp_path_factory.mktemp("patched")
    world = World(folder / "channel")
    package = a_package(folder / "built", "numbers", depends=["python"])
    [put] = channels.put(world.root, "noarch", package)
    bundle = world.box.sign_statement(payload_for(artifact_of(package), CHANNEL), github("me/numbers"))
    sidecar = b"[" + bundle + b"]"
    digest = Sha256(hashlib.sha256(sidecar).hexdigest())
    put.with_name(f"{put.name}.sigs.{digest}").write_bytes(sidecar)
    world.index(fix(depends=["python >=3"]))
    assert world.attest(TEAMS[0]).new
    return folder / "channel", digest, world.now


PATCHES = [
    ("as attested", lambda record: None, timedelta(), None),
    ("53 a change of nobody's", lambda record: record.update(depends=["evil"]), timedelta(), "PATCH-UNATTRIBUTED"),
    ("54 a patch stripped", lambda record: record.update(depends=["python"]), timedelta(days=1), "PATCH-"),
    ("55 a generation too old", lambda record: None, timedelta(days=8), "FRESH"),
]


def before_patched(proxy, channel, patched, mode, lie, later=timedelta(), **how):
    """Put a proxy before the patched channel, in which somebody lied; lies get its index and the record."""
    root, digest, now = patched
    shutil.copytree(root, channel.folder / "patched")
    path = channel.folder / "patched" / "noarch" / "repodata.json"
    (path.parent / "repodata.json.zst").unlink()
    document = json.loads(path.read_bytes())
    document["packages.conda"][NAME]["attestations_sha256"] = digest
    lie(document["packages.conda"], document["packages.conda"][NAME])
    path.write_text(json.dumps(document))
    url = f"{channel.url}/patched"
    signers = tuple(rules.GitHubSigner(name=team, repository=team) for team in TEAMS)
    policy = rules.Policy(
        source="p",
        rules=(
            rules.Rule(name="r", channel=CHANNEL, signers=(rules.GitHubSigner(name="me", repository="me/numbers"),)),
        ),
        patches=(rules.PatchRule(name="p", channel=CHANNEL, signers=signers, max_age=timedelta(days=7)),),
        channels=(rules.ChannelEntry(url=CHANNEL, mirrors=(Channel(url),)),),
    )
    running = proxy(mode=mode, policy=policy, root=patch_trust(), clock=lambda: now + later, **how)
    running.app.channels = {"mine": Channel(url)}
    return running


@pytest.mark.parametrize(("lie", "later", "code"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
@pytest.mark.parametrize("mode", ["index", "verify"])
def test_patches_are_judged_where_the_policy_says_so(proxy, channel, patched, mode, lie, later, code):
    running = before_patched(proxy, channel, patched, mode, lambda records, record: lie(record), later)
    listed = running.get("/mine/noarch/repodata.json")
    response = running.get(f"/mine/noarch/{NAME}")
    if code is None:
        assert (response.status_code, list(listed.json()["packages.conda"])) == (200, [NAME])
        return
    assert response.status_code == 403, response.text
    assert f'"code": "{code}' in running.get("/-/report.json").text
    if mode == "verify":
        assert listed.json()["packages.conda"] == {}


def test_a_record_that_is_none_goes_alone(proxy, channel, patched):
    """Whoever may upload one package, with metadata that nobody reads, empties the channel for everybody."""
    nested = json.loads("[" * 100 + "]" * 100)

    def lie(records, record):
        records["deep-1.0-0.conda"] = record | {"name": "deep", "sha256": "1" * 64, "extra": nested}

    running = before_patched(proxy, channel, patched, "verify", lie)
    listed = running.get("/mine/noarch/repodata.json")
    assert (listed.status_code, list(listed.json()["packages.conda"])) == (200, [NAME])
    assert "deep-1.0-0.conda" in running.get("/-/report.json").text


def test_a_solver_s_record_that_is_not_the_shard_s_is_left_out(proxy, channel):
    """Two forms of one index that differ: what the one says of a digest is held against the other."""
    path = channel.folder / "channel" / "noarch" / "repodata.json"
    document = json.loads(path.read_bytes())
    document["packages.conda"][OLD]["sha256"] = "a" * 64
    path.write_text(json.dumps(document))
    running = proxy(mode="verify")
    assert OLD not in running.get("/mine/noarch/repodata.json").json()["packages.conda"]
    assert "BIND-DIGEST" in running.get("/-/report.json").text


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The patched channel with a second generation, and generations of another subdir."""
    folder = tmp_path_factory.mktemp("history")
    world = World(folder / "channel")
    package = a_package(folder / "built", "numbers", depends=["python"])
    [put] = channels.put(world.root, "noarch", package)
    channels.put(world.root, "linux-64", a_package(folder / "linux", "letters", subdir="linux-64", depends=["python"]))
    bundle = world.box.sign_statement(payload_for(artifact_of(package), CHANNEL), github("me/numbers"))
    sidecar = b"[" + bundle + b"]"
    digest = Sha256(hashlib.sha256(sidecar).hexdigest())
    put.with_name(f"{put.name}.sigs.{digest}").write_bytes(sidecar)
    world.index(fix(depends=["python >=3"]))
    world.index({"packages.conda": {"letters-1.0-0.conda": {"depends": []}}}, subdir="linux-64")
    assert world.attest(TEAMS[0]).new
    assert world.attest(TEAMS[0], subdir="linux-64").new
    world.index(fix(depends=["python >=3.9"]))
    assert world.attest(TEAMS[1]).new
    return folder / "channel", digest, world.now


@pytest.mark.parametrize("mode", ["index", "verify"])
def test_generations_of_another_subdir_prove_nothing(proxy, channel, history, mode):
    """Threat 51."""
    running = before_patched(proxy, channel, history, mode, lambda records, record: None, timedelta())
    served = channel.folder / "patched"
    for path in (served / "noarch" / "patches").iterdir():
        path.unlink()
    for path in (served / "linux-64" / "patches").iterdir():
        shutil.copy(path, served / "noarch" / "patches" / path.name)
    assert running.get(f"/mine/noarch/{NAME}").status_code == 403
    assert '"code": "CHANNEL-MISMATCH' in running.get("/-/report.json").text


def test_an_older_generation_than_was_seen_is_a_rollback(proxy, channel, history, tmp_path):
    """Threat 52."""
    memory = FileMemory(tmp_path / "state")
    how = {"memory": memory}
    running = before_patched(proxy, channel, history, "index", lambda records, record: None, timedelta(), **how)
    assert running.get(f"/mine/noarch/{NAME}").status_code == 200
    shutil.rmtree(channel.folder / "patched")

    def older(records, record):
        record.update(depends=["python >=3"])

    again = before_patched(proxy, channel, history, "index", older, timedelta(), **how)
    (channel.folder / "patched" / "noarch" / "patches" / "head.json").write_text('{"generation": 1}')
    response = again.get(f"/mine/noarch/{NAME}")
    assert response.status_code == 403
    assert [finding["code"] for finding in response.json()["findings"]] == ["ROLLBACK"]
