"""The three example policies load, and decide right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from condattest.errors import PolicyInvalid
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.channel import Channel
from condattest.model.finding import Code
from condattest.model.verdict import Accepted, Rejected
from condattest.policy import load, rules
from condattest.policy.decide import decide
from tests.policy.made_evidence import (
    CHANNEL,
    NOW,
    ROOT,
    SIGNED,
    ZLIB,
    artifact,
    built,
    email,
    github,
    gitlab,
    published,
)

FOLDER = Path(__file__).parents[2] / "fixtures" / "policies"
CONDA_FORGE = Channel("https://conda.anaconda.org/conda-forge")
BIOCONDA = Channel("https://conda.anaconda.org/bioconda")
CORP = Channel("https://conda.corp.example/main")
UPLOAD = "https://github.com/conda-forge/automation/.github/workflows/upload.yml@refs/heads/main"


def example(name, now=NOW):
    return load.parse((FOLDER / f"{name}.toml").read_bytes(), where=name, now=now)


def verdict(policy, of, channel, *evidence, now=NOW):
    return decide(policy, of, channel, evidence, [], now=now)


def codes(found):
    return [each.code for each in (found.notes if isinstance(found, Accepted) else found.findings)]


class TestPrefixDevChannel:
    policy = example("prefix-dev-channel")

    def test_the_pinned_workflow_is_accepted_also_through_the_mirror(self):
        for channel in (CHANNEL, Channel("https://repo.prefix.dev/github-releases")):
            found = verdict(self.policy, ZLIB, channel, published())
            assert isinstance(found, Accepted)
            assert found.rule == "rule 1: channel https://prefix.dev/github-releases package *"
            assert found.notes == ()

    def test_a_resurrected_owner_is_rejected(self):
        """The owner deleted the account, and somebody else has the name now."""
        found = verdict(self.policy, ZLIB, CHANNEL, published(signer=github(owner_id="1", repository_id="2")))
        assert codes(found) == [Code.IDENTITY_MISMATCH]
        assert found.findings[0].facts["field"] == "repository-id"

    def test_a_day_has_to_pass(self):
        found = verdict(self.policy, ZLIB, CHANNEL, published(at=NOW - timedelta(hours=23)))
        assert codes(found) == [Code.POLICY_TOO_YOUNG]


class TestStagedRollout:
    policy = example("staged-rollout")
    feedstock = github(
        "conda-forge/openssl-feedstock",
        owner_id="11897326",
        workflow=".github/workflows/conda-build.yml",
        trigger="push",
        reusable=UPLOAD,
    )

    def test_the_required_package_is_required(self):
        openssl = artifact("openssl")
        assert isinstance(
            verdict(self.policy, openssl, CONDA_FORGE, published(openssl, CONDA_FORGE, self.feedstock)), Accepted
        )
        assert codes(verdict(self.policy, openssl, CONDA_FORGE)) == [Code.MISSING_ATTESTATION]

    def test_what_was_there_before_is_accepted_by_its_digest(self):
        old = Artifact(PackageFile.parse("openssl-1.0-0.tar.bz2"), Sha256("1" * 64))
        assert Code.POLICY_BASELINE in codes(verdict(self.policy, old, CONDA_FORGE))

    def test_the_other_packages_are_reported(self):
        found = verdict(self.policy, ZLIB, CONDA_FORGE)
        assert isinstance(found, Accepted)
        assert codes(found) == [Code.POLICY_REPORT_ONLY, Code.POLICY_PATCHES_NOT_JUDGED]
        signed = verdict(self.policy, ZLIB, CONDA_FORGE, published(ZLIB, CONDA_FORGE, self.feedstock))
        assert codes(signed) == [Code.POLICY_PATCHES_NOT_JUDGED]

    def test_a_statement_for_the_staging_channel_counts(self):
        openssl, staging = artifact("openssl"), Channel("https://conda.anaconda.org/cf-staging")
        found = verdict(self.policy, openssl, CONDA_FORGE, published(openssl, staging, self.feedstock))
        assert isinstance(found, Accepted)

    def test_a_feedstock_of_another_owner_is_rejected(self):
        """A repository in an organization whose name begins alike calls the same reusable workflow."""
        openssl = artifact("openssl")
        evil = github("conda-forge-evil/openssl-feedstock", owner_id="1", trigger="push", reusable=UPLOAD)
        assert codes(verdict(self.policy, openssl, CONDA_FORGE, published(openssl, CONDA_FORGE, evil))) == [
            Code.IDENTITY_MISMATCH
        ]

    def test_a_signer_counts_from_its_first_day(self):
        recipes = github(
            "bioconda/bioconda-recipes",
            repository_id="42372094",
            workflow=".github/workflows/master.yml",
            ref="refs/heads/master",
            trigger="push",
        )
        early = published(ZLIB, BIOCONDA, recipes, at=datetime(2026, 8, 31, tzinfo=UTC))
        assert Code.POLICY_REPORT_ONLY in codes(verdict(self.policy, ZLIB, BIOCONDA, early))
        later = published(ZLIB, BIOCONDA, recipes, at=datetime(2026, 9, 1, tzinfo=UTC))
        assert Code.POLICY_REPORT_ONLY not in codes(verdict(self.policy, ZLIB, BIOCONDA, later))

    def test_the_rollout_ends(self):
        """Nobody looks again, and the exception would stay for ever."""
        end = datetime(2027, 6, 30, tzinfo=UTC)
        assert isinstance(verdict(self.policy, ZLIB, CONDA_FORGE, now=end), Rejected)
        with pytest.raises(PolicyInvalid, match="expires"):
            example("staged-rollout", now=end)


class TestPrivateChannel:
    unread = example("private-channel")
    policy = rules.with_trust_roots(unread, {"corp-trusted-root.json": ROOT})
    tool = artifact("corp-tool")

    def test_build_and_release_must_both_have_signed(self):
        build, release = published(self.tool, CORP, gitlab()), published(self.tool, CORP, email())
        found = verdict(self.policy, self.tool, Channel("https://dmz.corp.example/main"), build, release)
        assert isinstance(found, Accepted)
        assert len(found.evidence) == 2
        assert codes(verdict(self.policy, self.tool, CORP, build)) == [Code.MISSING_THRESHOLD]
        again = published(self.tool, CORP, gitlab(), at=SIGNED + timedelta(hours=1))
        assert codes(verdict(self.policy, self.tool, CORP, build, again)) == [Code.MISSING_THRESHOLD]

    def test_the_public_sigstore_is_not_the_company_s(self):
        """Anybody can have an identity of any name in a Sigstore of their own."""
        found = verdict(self.policy, self.tool, CORP, published(self.tool, CORP, gitlab(), root=Sha256("9" * 64)))
        assert codes(found) == [Code.CRYPTO]
        assert codes(verdict(self.unread, self.tool, CORP)) == [Code.NET_TRUST_ROOT]

    def test_the_crypto_library_needs_provenance_too(self):
        crypto = artifact("corp-crypto")
        made = built(
            crypto,
            gitlab(),
            builder="https://gitlab.corp.example/runners/release",
            source="https://gitlab.corp.example/platform/packages/conda",
        )
        both = (published(crypto, CORP, gitlab()), made)
        assert isinstance(verdict(self.policy, crypto, CORP, *both), Accepted)
        assert codes(verdict(self.policy, crypto, CORP, both[0])) == [Code.MISSING_PUBLISH]

    def test_patches_have_an_author_and_an_observer(self):
        author, observer = self.policy.patch_for(CORP), self.policy.patch_for(CORP, "observer")
        assert (author.threshold, author.checkpoint.generation, author.max_age.days) == (2, 12, 7)
        assert (observer.min_age, observer.provenance) == (
            timedelta(hours=6),
            Channel("https://watch.corp.example/main-patches"),
        )

    def test_what_is_revoked_stays_out(self):
        gone = artifact("corp-tool", digest=Sha256("4" * 64))
        found = verdict(self.policy, gone, CORP, published(gone, CORP, gitlab()), published(gone, CORP, email()))
        assert codes(found) == [Code.IDENTITY_REVOKED]
