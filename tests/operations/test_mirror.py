"""Packages move between channels with their attestations, and what the terms refuse stays behind."""

import hashlib
import json
from pathlib import Path

import pytest

from condattest.errors import Misuse
from condattest.formats import sidecar
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations import index
from condattest.operations.admission import Terms
from condattest.operations.mirror import Selection, mirror
from condattest.policy import rules
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.fetch import Fetcher
from condattest.transport.origin import HttpOrigin, StoreOrigin
from condattest.transport.store import open_store
from tests import channels
from tests.operations.test_publish import ANYBODY, files, published
from tests.rehearsal import CHANNEL, NOW, REPOSITORY, attacker, signed, trust

NAME = "numbers-1.0-0.conda"
TERMS = Terms(trust=trust(), policy=rules.for_repository(REPOSITORY), channel=CHANNEL)
ONE = Selection(packages=frozenset({"numbers"}), subdirs=("noarch",))


@pytest.fixture
def source(channel, tmp_path):
    """The channel with one attested package in each subdir."""
    for package in (tmp_path / "packages" / NAME, tmp_path / "packages" / "linux" / "numbers-1.0-0.tar.bz2"):
        signed(package)
        published(channel, package)
    return channel


@pytest.fixture
def destination(tmp_path) -> Path:
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def mirrored(source, destination, selection=ONE, terms=TERMS):
    origin = StoreOrigin(Directory(source))
    return list(mirror(origin, Directory(destination), selection, terms, now=NOW))


def sound(channel):
    return all(report.findings == () for report in index.check(Directory(channel)))


def test_into_an_empty_folder_it_becomes_a_channel(source, destination):
    [outcome] = mirrored(source, destination)
    assert (outcome.copied, outcome.uploaded, outcome.appended) == (True, True, 1)
    there, here = files(source), files(destination)
    digest = outcome.sidecar
    for name in (NAME, f"{NAME}.sigs", f"{NAME}.sigs.{digest}"):
        assert here[f"noarch/{name}"] == there[f"noarch/{name}"]
    record = json.loads(here["noarch/repodata.json"])["packages.conda"]
    assert record == {NAME: channels.record(source, "noarch", NAME)}
    assert sound(destination)


def test_a_whole_channel_keeps_its_records(source, destination):
    terms = Terms(trust=trust(), policy=None, channel=CHANNEL)
    outcomes = mirrored(source, destination, Selection(), terms)
    assert [each.copied for each in outcomes] == [True] * 4
    for subdir in ("noarch", "linux-64"):
        for section in ("packages", "packages.conda"):
            one, other = (json.loads(files(each)[f"{subdir}/repodata.json"]) for each in (source, destination))
            assert one[section] == other[section]
    unattested = [each for each in outcomes if each.notes[0].code is Code.PUBLISH_UNATTESTED]
    assert [str(each.file) for each in unattested] == ["letters-1.0-0.conda", "words-1.0-0.conda"]
    assert sound(destination)


def test_the_same_again_changes_nothing(source, destination):
    mirrored(source, destination)
    before = files(destination)
    [outcome] = mirrored(source, destination)
    assert (outcome.copied, outcome.uploaded, outcome.appended) == (True, False, 0)
    assert files(destination) == before


def test_over_http_and_from_a_store_it_is_the_same(source, destination, tmp_path):
    mirrored(source, destination)
    other = tmp_path / "other"
    other.mkdir()
    with channels.served(source) as url, Fetcher(attempts=1) as fetcher:
        list(mirror(HttpOrigin(url, fetcher), Directory(other), ONE, TERMS, now=NOW))
    assert files(other) == files(destination)


def test_a_web_server_says_its_subdirs_in_channeldata_or_must_be_told(source, destination):
    every = Selection(packages=frozenset({"numbers"}))
    with channels.served(source) as url, Fetcher(attempts=1) as fetcher:
        origin = HttpOrigin(url, fetcher)
        with pytest.raises(Misuse, match="subdirs"):
            list(mirror(origin, Directory(destination), every, TERMS, now=NOW))
        (source / "channeldata.json").write_text(json.dumps({"subdirs": ["linux-64", "noarch"]}))
        outcomes = list(mirror(origin, Directory(destination), every, TERMS, now=NOW))
    assert [(each.subdir, each.copied) for each in outcomes] == [("linux-64", True), ("noarch", True)]


def test_what_the_policy_does_not_accept_is_not_copied(source, destination):
    outcomes = mirrored(source, destination, Selection(subdirs=("noarch",)))
    refused = {str(each.file): each.findings[0].code for each in outcomes if not each.copied}
    assert refused == {
        "letters-1.0-0.conda": Code.MISSING_ATTESTATION,
        "words-1.0-0.conda": Code.MISSING_ATTESTATION,
    }
    names = {Path(name).name for name in files(destination)}
    assert names.isdisjoint(refused)
    assert list(json.loads(files(destination)["noarch/repodata.json"])["packages.conda"]) == [NAME]


@pytest.mark.parametrize(
    ("how", "code"),
    [({"identity": github("x/y")}, Code.IDENTITY_MISMATCH), ({"by": attacker()}, Code.CRYPTO)],
)
def test_a_stranger_s_attestation_does_not_let_a_package_pass(channel, destination, tmp_path, how, code):
    package = tmp_path / "packages" / NAME
    signed(package, **how)
    terms = ANYBODY if "identity" in how else Terms(trust=_attacker_root(), policy=None, channel=CHANNEL)
    published(channel, package, terms=terms)
    [outcome] = mirrored(channel, destination)
    assert [finding.code for finding in outcome.findings] == [code]
    assert files(destination) == {}


def _attacker_root():
    from condattest.signatures.trust_root import TrustRoot

    return TrustRoot.from_json(attacker().trusted_root_json().encode(), name="attacker")


@pytest.mark.parametrize("anybody", [False, True])
class TestTampering:
    def copied(self, source, destination, anybody):
        [outcome] = mirrored(source, destination, terms=ANYBODY if anybody else TERMS)
        assert not outcome.copied
        assert files(destination) == {}
        return outcome

    def test_a_package_of_other_bytes(self, source, destination, anybody):
        (source / "noarch" / NAME).write_bytes(b"tampered")
        assert self.copied(source, destination, anybody).findings[0].code is Code.BIND_DIGEST

    def test_a_sidecar_of_other_bytes(self, source, destination, anybody):
        digest = channels.record(source, "noarch", NAME)["attestations_sha256"]
        (source / "noarch" / f"{NAME}.sigs.{digest}").write_bytes(b"[]")
        assert self.copied(source, destination, anybody).findings[0].code is Code.SIDECAR_DIGEST

    def test_a_sidecar_that_is_advertised_and_not_there(self, source, destination, anybody):
        digest = channels.record(source, "noarch", NAME)["attestations_sha256"]
        (source / "noarch" / f"{NAME}.sigs.{digest}").unlink()
        assert self.copied(source, destination, anybody).problem is not None

    def test_a_package_that_is_not_there(self, source, destination, anybody):
        (source / "noarch" / NAME).unlink()
        assert self.copied(source, destination, anybody).problem is not None


def test_a_sidecar_of_the_destination_stays_in_front_and_lacks_nothing(source, destination, tmp_path):
    mirrored(source, destination)
    package = tmp_path / "packages" / NAME
    for channel, repository in ((source, "auditors/one"), (destination, "auditors/two")):
        signed(package, github(repository))
        published(channel, package, terms=ANYBODY)
    theirs = sidecar.parse((source / "noarch" / f"{NAME}.sigs").read_bytes(), where="x").elements
    ours = sidecar.parse((destination / "noarch" / f"{NAME}.sigs").read_bytes(), where="x").elements
    [outcome] = mirrored(source, destination)
    assert outcome.appended == 1
    joined = sidecar.parse((destination / "noarch" / f"{NAME}.sigs").read_bytes(), where="x").elements
    assert joined == (*ours, theirs[1])
    assert sound(destination)


def test_other_bytes_under_the_same_name_are_not_overwritten(source, destination):
    (destination / "noarch").mkdir()
    (destination / "noarch" / NAME).write_bytes(b"mine")
    [outcome] = mirrored(source, destination)
    assert outcome.findings[0].code is Code.PUBLISH_BYTES
    assert (destination / "noarch" / NAME).read_bytes() == b"mine"


def test_records_that_the_destination_has_are_kept(source, destination):
    mirrored(source, destination)
    file = destination / "noarch" / "repodata.json"
    file.write_text(file.read_text().replace('"license"', '"local_note":"kept","license"', 1))
    before = file.read_bytes()
    mirrored(source, destination)
    assert file.read_bytes() == before


def test_a_record_of_v3_is_not_put_among_those_of_older_clients(source, destination):
    path = source / "noarch" / "repodata.json"
    (source / "noarch" / "repodata.json.zst").unlink()
    document = json.loads(path.read_bytes())
    document["v3"] = {"conda": {NAME.removesuffix(".conda"): document["packages.conda"].pop(NAME)}}
    path.write_text(json.dumps(document))
    [outcome] = mirrored(source, destination)
    assert [finding.code for finding in outcome.findings] == [Code.INDEX_V3]
    assert files(destination) == {}


def test_nothing_selected_is_misuse(source, destination):
    with pytest.raises(Misuse, match="no index of it lists"):
        mirrored(source, destination, Selection(packages=frozenset({"nowhere"})))


def test_into_a_bucket_and_back(source, destination, bucket):
    place = open_store(bucket)
    [into] = mirror(StoreOrigin(Directory(source)), place, ONE, TERMS, now=NOW)
    [back] = mirror(StoreOrigin(place), Directory(destination), ONE, TERMS, now=NOW)
    assert (into.copied, back.copied, back.sidecar) == (True, True, into.sidecar)
    assert (destination / "noarch" / NAME).read_bytes() == (source / "noarch" / NAME).read_bytes()
    assert [report.findings for report in index.check(place)] == [()]


def test_a_subdir_that_leads_elsewhere_is_misuse(source, destination):
    for subdir in ("../channel", "", "a/b", "a\\b"):
        with pytest.raises(Misuse, match="--subdir"):
            mirrored(source, destination, Selection(subdirs=(subdir,)))
    assert files(destination) == {}


def test_a_record_that_lies_about_its_package_is_not_copied(source, destination):
    """The source's index is signed by nobody: the file is what it should be, the record calls it something else."""
    file = source / "noarch" / "repodata.json"
    (source / "noarch" / "repodata.json.zst").unlink()
    document = json.loads(file.read_bytes())
    document["packages.conda"][NAME]["name"] = "openssl"
    file.write_text(json.dumps(document))
    [outcome] = mirrored(source, destination)
    assert [finding.code for finding in outcome.findings] == [Code.BIND_METADATA]
    assert files(destination) == {}


def test_a_sidecar_that_the_source_does_not_name_any_more_stays_named_here(source, destination):
    mirrored(source, destination, terms=ANYBODY)
    digest = channels.record(destination, "noarch", NAME)["attestations_sha256"]
    (destination / "noarch" / "repodata.json").unlink()
    channels.conda_index(source)  # Which knows no sidecars: the field is gone.
    [outcome] = mirrored(source, destination, terms=ANYBODY)
    assert outcome.sidecar == digest
    assert channels.record(destination, "noarch", NAME)["attestations_sha256"] == digest


def test_a_source_that_fills_the_sidecar_up_leaves_nothing_behind(source, destination):
    """Elements need not verify to be copied with those that do; together they must not lock ours in."""
    mirrored(source, destination)
    before = files(destination)
    [good] = sidecar.parse((source / "noarch" / f"{NAME}.sigs").read_bytes(), where="x").elements
    filler = [good.replace(b"{", b"{" + b" " * (number + 1), 1) for number in range(128)]
    data = sidecar.dump(filler)
    digest = Sha256(hashlib.sha256(data).hexdigest())
    (source / "noarch" / f"{NAME}.sigs.{digest}").write_bytes(data)
    for file in (source / "noarch").glob("repodata*"):
        if file.name != "repodata.json":
            file.unlink()
    file = source / "noarch" / "repodata.json"
    named = channels.record(source, "noarch", NAME)["attestations_sha256"]
    file.write_text(file.read_text().replace(named, digest))
    [outcome] = mirrored(source, destination)
    assert [finding.code for finding in outcome.findings] == [Code.SIDECAR_SIZE]
    assert files(destination) == before


def test_a_destination_of_shards_alone_gets_no_half_of_a_repodata(source, destination):
    mirrored(source, destination)
    channels.conda_index(destination)
    for file in (destination / "noarch").glob("repodata*.json*"):
        file.unlink()
    mirrored(source, destination, Selection(subdirs=("noarch",)), ANYBODY)
    assert not (destination / "noarch" / "repodata.json").exists()
    assert sound(destination)
