"""Publishing into a channel of the real conda-index: all is judged first, nothing is lost, nothing else is touched."""

import json
import shutil

import pytest

from condattest.errors import LocalFailure, Misuse
from condattest.formats import sidecar
from condattest.model.finding import Code
from condattest.operations import publish, publish_plan
from condattest.operations.admission import Terms
from condattest.policy import rules
from condattest.sandbox import github
from condattest.transport.directory import Directory
from tests import channels
from tests.rehearsal import CHANNEL, REPOSITORY, a_package, artifact_of, sandbox, signed, trust

TERMS = Terms(trust=trust(), policy=rules.for_repository(REPOSITORY), channel=CHANNEL)
ANYBODY = Terms(trust=trust(), policy=None, channel=CHANNEL)


def planned(channel, *targets, terms=TERMS, **how):
    return publish_plan.plan([str(target) for target in targets], Directory(channel), terms, **how)


def published(channel, *targets, terms=TERMS, **how):
    plans = planned(channel, *targets, terms=terms, **how)
    assert [finding for each in plans for finding in each.findings] == []
    return publish.publish(plans, Directory(channel), terms)


def files(channel):
    """Every file with its bytes, but for the store's own and the indexer's cache."""
    return {
        str(path.relative_to(channel)): path.read_bytes()
        for path in sorted(channel.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(channel).parts)
    }


class TestPublishing:
    def test_sidecar_and_every_index_file_name_each_other(self, channel, package):
        [outcome], changed = published(channel, package)
        assert (outcome.uploaded, outcome.appended, outcome.listed, outcome.problem) == (False, 1, True, None)
        data = (channel / "noarch" / f"{package.name}.sigs").read_bytes()
        assert (channel / "noarch" / f"{package.name}.sigs.{outcome.sidecar}").read_bytes() == data
        assert sidecar.parse(data, where="x").elements == (
            package.with_name(f"{package.name}.sigstore.json").read_bytes(),
        )
        for base in ("repodata.json", "repodata_from_packages.json"):
            assert channels.record(channel, "noarch", package.name, base)["attestations_sha256"] == outcome.sidecar
        names = {
            "repodata.json", "repodata.json.zst", "repodata.json.bz2", "repodata_shards.msgpack.zst",
            "repodata_from_packages.json", "repodata_from_packages.json.zst", "repodata_from_packages.json.bz2",
            "repodata_shards_from_packages.msgpack.zst",
        }  # fmt: skip
        assert set(changed) == {f"noarch/{name}" for name in names}

    def test_only_the_record_changes(self, channel, package):
        before = json.loads((channel / "noarch" / "repodata.json").read_text())
        text = (channel / "noarch" / "repodata.json").read_text()
        [outcome], _ = published(channel, package)
        after = (channel / "noarch" / "repodata.json").read_text()
        added = f'"attestations_sha256":"{outcome.sidecar}",'
        assert after.count(added) == 1
        assert after.replace(added, "") == text
        before["packages.conda"][package.name]["attestations_sha256"] = outcome.sidecar
        assert json.loads(after) == before

    def test_other_subdirs_and_packages_keep_their_bytes(self, channel, package):
        before = files(channel)
        _, changed = published(channel, package)
        after = files(channel)
        for name, data in before.items():
            assert after[name] == data or name in changed
        assert not any(name.startswith("linux-64") for name in changed)

    def test_the_same_again_changes_nothing(self, channel, package):
        published(channel, package)
        before = files(channel)
        [outcome], changed = published(channel, package)
        assert (outcome.appended, changed, files(channel)) == (0, {}, before)

    def test_signed_again_by_the_same_signer_it_is_there_already(self, channel, package):
        """A CI job that runs twice makes two bundles that say the same."""
        first = signed(package)
        published(channel, package)
        assert signed(package) != first
        [outcome], changed = published(channel, package)
        assert (outcome.appended, changed) == (0, {})

    def test_another_kind_of_time_is_worth_appending(self, channel, package):
        published(channel, package)
        signed(package, rekor=2, tsa=True)
        [outcome], _ = published(channel, package)
        assert outcome.appended == 1

    def test_a_second_signer_is_appended_and_the_first_element_keeps_its_bytes(self, channel, package):
        published(channel, package)
        first = (channel / "noarch" / f"{package.name}.sigs").read_bytes()
        signed(package, github("auditors/reviews"))
        published(channel, package, terms=ANYBODY)
        assert (channel / "noarch" / f"{package.name}.sigs").read_bytes().startswith(first[:-1] + b",")

    def test_a_new_package_is_uploaded_and_waits_for_the_indexer(self, channel, tmp_path):
        new = a_package(tmp_path / "new", "fresh", subdir="noarch")
        signed(new)
        [outcome], changed = published(channel, new)
        assert (outcome.uploaded, outcome.listed, changed) == (True, False, {})
        assert (channel / "noarch" / new.name).read_bytes() == new.read_bytes()

    def test_a_later_attestation_is_attached_by_name(self, channel, package, tmp_path):
        published(channel, package)
        provenance = sandbox().sign_statement(slsa(package), github(REPOSITORY))
        path = tmp_path / "provenance.json"
        path.write_bytes(provenance)
        [outcome], _ = published(channel, f"noarch/{package.name}", bundles=[path])
        assert (outcome.uploaded, outcome.appended, outcome.listed) == (False, 1, True)
        elements = sidecar.parse((channel / "noarch" / f"{package.name}.sigs").read_bytes(), where="x").elements
        assert elements[1] == provenance

    def test_a_package_that_changes_under_our_hands_is_not_uploaded(self, channel, tmp_path):
        new = a_package(tmp_path / "new", "fresh", subdir="noarch")
        signed(new)
        plans = planned(channel, new)
        new.write_bytes(new.read_bytes() + b"x")
        [outcome], _ = publish.publish(plans, Directory(channel), TERMS)
        assert isinstance(outcome.problem, LocalFailure)
        assert not (channel / "noarch" / new.name).exists()
        assert not (channel / "noarch" / f"{new.name}.sigs").exists()

    def test_what_fails_for_one_package_is_said_of_it_and_the_others_go_on(self, channel, package, tmp_path):
        other = tmp_path / "packages" / "letters-1.0-0.conda"
        signed(other)
        plans = planned(channel, package, other)
        (channel / "noarch" / f"{other.name}.sigs").write_bytes(b"damaged")
        good, bad = publish.publish(plans, Directory(channel), TERMS)[0]
        assert (good.listed, good.problem) == (True, None)
        assert bad.problem is not None
        assert bad.problem.finding.code is Code.SIDECAR_SHAPE
        assert (channel / "noarch" / f"{other.name}.sigs").read_bytes() == b"damaged"


def slsa(package):
    artifact = artifact_of(package)
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": str(artifact.file), "digest": {"sha256": artifact.sha256}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"buildType": "https://example.com/build", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://example.com/builder"}},
        },
    }
    return json.dumps(document).encode()


def test_a_sidecar_that_is_named_and_gone_is_told_and_stops_no_other_package(channel, tmp_path, package):
    """The newest state is deleted and .sigs put back: to go on would hide that something was lost."""
    other = tmp_path / "packages" / "letters-1.0-0.conda"
    signed(other)
    published(channel, package)
    signed(package, github("auditors/reviews"))
    published(channel, package, terms=ANYBODY)
    digest = channels.record(channel, "noarch", package.name)["attestations_sha256"]
    (channel / "noarch" / f"{package.name}.sigs.{digest}").unlink()
    [older] = (channel / "noarch").glob(f"{package.name}.sigs.*")
    shutil.copy(older, channel / "noarch" / f"{package.name}.sigs")
    signed(package, github("auditors/others"))
    outcomes, _ = published(channel, package, other, terms=ANYBODY)
    problem = outcomes[0].problem
    assert problem is not None
    assert "SIDECAR-HASHED" in str(problem)
    assert "--drop" in problem.hint
    assert channels.record(channel, "noarch", package.name)["attestations_sha256"] == digest
    assert (outcomes[1].problem, outcomes[1].listed) == (None, True)
    assert channels.record(channel, "noarch", other.name)["attestations_sha256"] == outcomes[1].sidecar


def test_the_sidecar_that_is_reported_is_the_one_that_the_index_names(channel, package):
    """The mutable sidecar was put back; what the index named is joined, and that is what became of it."""
    published(channel, package)
    first = (channel / "noarch" / f"{package.name}.sigs").read_bytes()
    signed(package, github("auditors/reviews"))
    published(channel, package, terms=ANYBODY)
    (channel / "noarch" / f"{package.name}.sigs").write_bytes(first)
    signed(package, github("auditors/others"))
    [outcome], _ = published(channel, package, terms=ANYBODY)
    assert outcome.sidecar == channels.record(channel, "noarch", package.name)["attestations_sha256"]
    data = (channel / "noarch" / f"{package.name}.sigs").read_bytes()
    assert len(sidecar.parse(data, where="x").bundles) == 3


@pytest.mark.parametrize("subdir", ["../x", "", "a/b", "a\\b", ".hidden"])
def test_a_subdir_that_leads_elsewhere_is_misuse(channel, package, subdir):
    for target in (package, package.name):
        with pytest.raises(Misuse, match="--subdir"):
            planned(channel, target, subdir=subdir)
