"""A plan finds out all that stands against publishing, and writes nothing."""

import shutil

import pytest

from condattest.errors import Misuse
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.operations import publish
from condattest.sandbox import github
from condattest.transport.directory import Directory
from tests import channels
from tests.operations.test_publish import ANYBODY, TERMS, files, planned
from tests.rehearsal import a_package, artifact_of, attacker, signed


def test_a_package_that_the_channel_has_is_not_uploaded_again(channel, package):
    [plan] = planned(channel, package)
    assert (plan.path, plan.present, plan.lacking, plan.findings) == (f"noarch/{package.name}", True, 1, ())


def test_nothing_is_written(channel, package):
    before = files(channel)
    planned(channel, package)
    assert files(channel) == before


def test_a_package_of_another_content_under_the_same_name_is_refused(channel, tmp_path):
    other = a_package(tmp_path / "other", subdir="noarch", payload=b"other")
    signed(other)
    [plan] = planned(channel, other)
    [finding] = plan.findings
    assert finding.code is Code.PUBLISH_BYTES
    assert finding.facts["expected"] == artifact_of(other).sha256


def test_a_package_without_a_bundle_is_refused(channel, tmp_path):
    [plan] = planned(channel, a_package(tmp_path / "new", "fresh", subdir="noarch"))
    assert [finding.code for finding in plan.findings] == [Code.MISSING_ATTESTATION]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"identity": github("somebody/else")}, Code.IDENTITY_MISMATCH),
        ({"channel": Channel("https://conda.example/other")}, Code.CHANNEL_MISMATCH),
        ({"by": attacker()}, Code.CRYPTO),
    ],
)
def test_a_bundle_that_the_terms_do_not_admit_is_refused(channel, package, how, code):
    signed(package, **how)
    [plan] = planned(channel, package)
    assert [finding.code for finding in plan.findings] == [code]
    with pytest.raises(Misuse):
        publish.publish([plan], Directory(channel), TERMS)


def test_any_signer_is_still_an_authentic_one(channel, package):
    signed(package, github("somebody/else"))
    assert planned(channel, package, terms=ANYBODY)[0].findings == ()
    signed(package, by=attacker())
    assert planned(channel, package, terms=ANYBODY)[0].findings[0].code is Code.CRYPTO


def test_a_bundle_of_another_package_is_refused(channel, package, tmp_path):
    other = a_package(tmp_path / "other", "letters", subdir="noarch")
    signed(other)
    shutil.copy(f"{other}.sigstore.json", f"{package}.sigstore.json")
    [plan] = planned(channel, package)
    assert [finding.code for finding in plan.findings] == [Code.BIND_NAME]


def test_metadata_that_does_not_fit_the_subdir_is_refused(channel, package):
    from condattest.errors import Malformed

    with pytest.raises(Malformed) as caught:
        planned(channel, package, subdir="linux-64")
    assert caught.value.finding.code is Code.BIND_METADATA


@pytest.mark.parametrize(
    "target",
    ["nowhere-1.0-0.conda", "noarch/nowhere-1.0-0.conda", "../x-1-0.conda", "x", "win-64/numbers-1.0-0.conda"],
)
def test_what_is_neither_a_file_nor_in_the_channel_is_misuse(channel, target):
    with pytest.raises(Misuse):
        planned(channel, target)


def test_a_name_that_several_subdirs_have_must_say_which(channel, tmp_path):
    for subdir in ("noarch", "linux-64"):
        channels.put(channel, subdir, a_package(tmp_path / subdir, "both", subdir=subdir))
    with pytest.raises(Misuse, match="linux-64, noarch"):
        planned(channel, "both-1.0-0.conda")
    assert planned(channel, "noarch/both-1.0-0.conda")[0].path == "noarch/both-1.0-0.conda"
    assert planned(channel, "both-1.0-0.conda", subdir="linux-64")[0].path == "linux-64/both-1.0-0.conda"


def test_a_subdir_is_no_channel(channel, package):
    with pytest.raises(Misuse, match="one of its subdirs"):
        planned(channel / "noarch", package)
    assert not (channel / "noarch" / "noarch").exists()


def test_no_target_and_the_same_twice_are_misuse(channel, package):
    for targets in ((), (package, package), (package, f"noarch/{package.name}")):
        with pytest.raises(Misuse):
            planned(channel, *targets)


def test_given_bundles_go_to_the_packages_that_they_are_about(channel, package, tmp_path):
    other = tmp_path / "packages" / "letters-1.0-0.conda"
    bundles = []
    for each in (other, package):
        signed(each)
        bundles.append(tmp_path / f"{each.name}.bundle")
        shutil.move(f"{each}.sigstore.json", bundles[-1])
    plans = planned(channel, package, other, bundles=bundles)
    assert [(len(plan.offers), plan.findings) for plan in plans] == [(1, ()), (1, ())]
    stranger = a_package(tmp_path / "stranger", "stranger", subdir="noarch")
    signed(stranger)
    with pytest.raises(Misuse, match="none of the packages"):
        planned(channel, package, other, bundles=[*bundles, stranger.with_name(f"{stranger.name}.sigstore.json")])
