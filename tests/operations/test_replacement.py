"""Another archive under the name of one: its own bundle and sidecar, a line for policies; nobody is misled halfway."""

import json

import pytest

from condattest.errors import Conflict, LocalFailure
from condattest.formats import sidecar
from condattest.model.artifact import Artifact, Sha256
from condattest.model.finding import Code
from condattest.operations import index, publish, publish_plan, replacement
from condattest.operations.sidecars import Shelf, about
from condattest.sandbox import github
from condattest.transport.directory import Directory
from condattest.transport.store import open_store
from tests import channels
from tests.operations.test_publish import ANYBODY, TERMS, files, planned
from tests.publishers import digest_of
from tests.rehearsal import a_package, artifact_of, attacker, signed

NAME = "numbers-1.0-0.conda"


def replaced(channel, *targets, terms=TERMS):
    plans = planned(channel, *targets, terms=terms, replacing=True)
    assert [finding for each in plans for finding in each.findings] == []
    return publish.publish(plans, Directory(channel), terms)


def current(channel):
    return sidecar.parse((channel / "noarch" / f"{NAME}.sigs").read_bytes(), where="x")


@pytest.fixture
def old(channel, tmp_path):
    """The digest of a package that is published, with two bundles."""
    package = tmp_path / "packages" / NAME
    for identity in (None, github("auditors/reviews")):
        signed(package, identity)
        publish.publish(planned(channel, package, terms=ANYBODY), Directory(channel), ANYBODY)
    return digest_of(package)


@pytest.fixture
def other(tmp_path, old):
    """Another package of the same name, signed."""
    made = a_package(tmp_path / "other", "numbers", payload=b"other", subdir="noarch")
    signed(made)
    return made


class TestPublishing:
    def test_without_being_told_it_is_refused(self, channel, other):
        [plan] = planned(channel, other)
        assert [finding.code for finding in plan.findings] == [Code.PUBLISH_BYTES]

    def test_the_new_bytes_get_a_sidecar_of_their_own_and_the_old_one_is_kept(self, channel, other, old):
        before = current(channel)
        [outcome], _ = replaced(channel, other)
        new = digest_of(other)
        assert (outcome.problem, outcome.uploaded, outcome.appended) == (None, True, 1)
        assert (outcome.plan.replaces, outcome.plan.former) == (old, (old,))
        assert digest_of(channel / "noarch" / NAME) == new
        assert current(channel).elements == (other.with_name(f"{NAME}.sigstore.json").read_bytes(),)
        assert (channel / "noarch" / f"{NAME}.sigs.{before.sha256}").read_bytes() == before.raw
        assert (channel / "noarch" / f"{NAME}.sigs.{outcome.sidecar}").exists()

    def test_a_record_of_the_old_bytes_names_no_sidecar_until_the_indexer_has_run(self, channel, other, old):
        [outcome], changed = replaced(channel, other)
        assert (outcome.listed, outcome.stale) == (False, True)
        for base in ("repodata.json", "repodata_from_packages.json"):
            record = channels.record(channel, "noarch", NAME, base)
            assert (record["sha256"], record.get("attestations_sha256")) == (old, None)
        assert {"noarch/repodata.json", "noarch/repodata_shards.msgpack.zst"} <= changed.keys()
        channels.conda_index(channel)
        reports = list(index.index(Directory(channel), subdir="noarch"))
        assert sum(report.errors for report in reports) == 0
        record = channels.record(channel, "noarch", NAME)
        assert (record["sha256"], record["attestations_sha256"]) == (digest_of(other), outcome.sidecar)
        assert current(channel).sha256 == outcome.sidecar
        # Nothing is left to do; the digest is told as long as anything is left that attests it.
        settled = files(channel)
        [again], changed = replaced(channel, other)
        assert (again.uploaded, again.listed, again.stale, changed) == (False, True, False, {})
        assert (again.plan.former, files(channel)) == ((old,), settled)

    def test_the_index_is_mended_too_early_and_again(self, channel, other, old):
        """Who runs `index` before the indexer has the old state; no reader takes it for the new archive."""
        [outcome], _ = replaced(channel, other)
        list(index.index(Directory(channel), subdir="noarch"))
        named = channels.record(channel, "noarch", NAME).get("attestations_sha256")
        if named is not None:
            data = (channel / "noarch" / f"{NAME}.sigs.{named}").read_bytes()
            assert about(sidecar.parse(data, where="x").bundles, old)
        channels.conda_index(channel)
        list(index.index(Directory(channel), subdir="noarch"))
        assert channels.record(channel, "noarch", NAME)["attestations_sha256"] == outcome.sidecar
        assert current(channel).sha256 == outcome.sidecar

    def test_an_indexer_that_kept_the_field_has_it_replaced(self, channel, other):
        before = current(channel).sha256
        replaced(channel, other)
        for name in ("repodata.json", "repodata_from_packages.json"):
            path = channel / "noarch" / name
            document = json.loads(path.read_bytes())
            document["packages.conda"][NAME] |= {"sha256": digest_of(other), "attestations_sha256": before}
            path.write_text(json.dumps(document))
        for path in (*channel.glob("noarch/repodata*.json.*"), *channel.glob("noarch/*.msgpack.zst")):
            path.unlink()
        [outcome], _ = replaced(channel, other)
        assert (outcome.listed, outcome.stale) == (True, False)
        assert channels.record(channel, "noarch", NAME)["attestations_sha256"] == current(channel).sha256
        assert len(current(channel).bundles) == 1

    @pytest.mark.parametrize(
        ("how", "code"),
        [({"identity": github("somebody/else")}, Code.IDENTITY_MISMATCH), ({"by": attacker()}, Code.CRYPTO)],
    )
    def test_the_new_bytes_are_judged_as_ever(self, channel, other, how, code):
        signed(other, **how)
        [plan] = planned(channel, other, replacing=True)
        assert [finding.code for finding in plan.findings] == [code]

    def test_the_old_bundle_attests_nothing_of_the_new_bytes(self, channel, other, tmp_path):
        bundle = tmp_path / "packages" / f"{NAME}.sigstore.json"
        other.with_name(f"{NAME}.sigstore.json").write_bytes(bundle.read_bytes())
        [plan] = planned(channel, other, terms=ANYBODY, replacing=True)
        assert [finding.code for finding in plan.findings] == [Code.BIND_DIGEST]
        other.with_name(f"{NAME}.sigstore.json").unlink()
        [plan] = planned(channel, other, replacing=True)
        assert [finding.code for finding in plan.findings] == [Code.MISSING_ATTESTATION]

    def test_where_there_is_nothing_to_replace_it_publishes(self, channel, tmp_path):
        new = a_package(tmp_path / "new", "fresh", subdir="noarch")
        signed(new)
        [outcome], _ = replaced(channel, new)
        assert (outcome.uploaded, outcome.plan.replaces, outcome.plan.former) == (True, None, ())

    def test_back_again_is_a_replacement_too(self, channel, other, old, tmp_path):
        replaced(channel, other)
        [outcome], _ = replaced(channel, tmp_path / "packages" / NAME, terms=ANYBODY)
        assert outcome.plan.former == (digest_of(other),)
        assert about(current(channel).bundles, old)
        assert not about(current(channel).bundles, digest_of(other))

    def test_in_a_bucket(self, channel, other, old, bucket):
        store = open_store(bucket)
        for name, data in files(channel).items():
            store.create(name, data)
        plans = publish_plan.plan([str(other)], store, TERMS, replacing=True)
        [outcome], _ = publish.publish(plans, store, TERMS)
        assert (outcome.problem, outcome.uploaded, outcome.plan.former) == (None, True, (old,))
        assert store.read(f"noarch/{NAME}", 10**7).data == other.read_bytes()


class TestSwapping:
    def test_what_somebody_else_put_there_stays(self, channel, other, old):
        plans = planned(channel, other, replacing=True)
        place = channel / "noarch" / NAME
        place.write_bytes(b"another one")
        before = files(channel)
        [outcome], _ = publish.publish(plans, Directory(channel), TERMS)
        assert isinstance(outcome.problem, Conflict)
        assert files(channel) == before

    def test_what_is_there_already_is_not_written(self, channel, other, old):
        new = Sha256(digest_of(other))
        assert replacement.swap(Directory(channel), f"noarch/{NAME}", other, Sha256(old), new)
        assert not replacement.swap(Directory(channel), f"noarch/{NAME}", other, Sha256(old), new)

    def test_a_package_that_changes_under_our_hands_leaves_the_old_one(self, channel, other, old):
        plans = planned(channel, other, replacing=True)
        other.write_bytes(other.read_bytes() + b"x")
        before = files(channel)
        [outcome], _ = publish.publish(plans, Directory(channel), TERMS)
        assert isinstance(outcome.problem, LocalFailure)
        assert files(channel) == before


def test_former_digests_are_those_that_sidecars_are_about(channel, other, old):
    shelf = Shelf(Directory(channel), "noarch")
    new, there = artifact_of(other), Artifact(artifact_of(other).file, Sha256(old))
    assert replacement.former(shelf, new, None) == (old,)
    assert replacement.former(shelf, there, None) == ()
    assert replacement.former(shelf, there, Sha256("0" * 64)) == ("0" * 64,)
    for path in channel.glob(f"noarch/{NAME}.sigs*"):
        path.write_bytes(b"damaged")
    assert replacement.former(shelf, new, None) == ()
