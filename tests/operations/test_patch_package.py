"""A patch package: what lies beside it is about it and verifies, or nothing is taken from it."""

import hashlib
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import Malformed, Misuse
from condattest.formats import sidecar, statement
from condattest.formats.patch_descriptors import Input, InputSigner, Source
from condattest.formats.provenance import PREDICATE_TYPE as SLSA
from condattest.formats.statement import Statement, Subject
from condattest.model.artifact import Sha256
from condattest.model.finding import Code
from condattest.operations import patch_package
from condattest.operations.patch_package import same_source
from condattest.sandbox import github
from tests.patched_channel import EMPTY, a_patch_package
from tests.rehearsal import REPOSITORY, artifact_of, attacker, payload_for, sandbox, signed, trust

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/example/patches"


@pytest.fixture(params=["patches-1-0.conda", "patches-1-0.tar.bz2"])
def package(request, tmp_path):
    return a_patch_package(tmp_path / "built", {"noarch": EMPTY, "linux-64": EMPTY}, name=request.param)


@pytest.fixture
def plain(tmp_path):
    return a_patch_package(tmp_path / "built", {"noarch": EMPTY})


def read(path, subdir="noarch"):
    return patch_package.read(path, subdir, [trust()])


def refuses(path, code):
    with pytest.raises(Malformed) as caught:
        read(path)
    assert caught.value.finding.code is code, caught.value.finding
    assert str(path.parent) in caught.value.finding.where
    return caught.value


def by(repository=REPOSITORY):
    identity = github(repository)
    return InputSigner(f"https://github.com/{identity.claims['job_workflow_ref']}", identity.issuer)


def digest(path):
    return Sha256(hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_it_carries_and_its_digest(package):
    found = read(package)
    assert json.loads(found.instructions) == EMPTY
    assert found.inputs == (Input(package.name, digest(package)),)
    assert found.source is None


def test_who_attested_it_is_recorded_with_the_digest_of_the_file(package):
    signed(package)
    beside = package.with_name(package.name + ".sigstore.json")
    assert read(package).inputs[1:] == (Input(beside.name, digest(beside), (by(),)),)


def test_a_sidecar_names_each_signer_once(plain):
    bundles = [signed(plain, github(each)).strip() for each in (REPOSITORY, "me/other", REPOSITORY)]
    sigs = plain.with_name(plain.name + ".sigs")
    sigs.write_bytes(sidecar.dump(bundles))
    assert [each.name.removeprefix(plain.name) for each in read(plain).inputs] == ["", ".sigs", ".sigstore.json"]
    assert read(plain).inputs[1] == Input(sigs.name, digest(sigs), (by(), by("me/other")))


def test_build_provenance_counts_as_an_attestation_of_it(plain):
    predicate = {"buildDefinition": {"buildType": "https://x", "externalParameters": {}},
                 "runDetails": {"builder": {"id": "https://x"}}}  # fmt: skip
    subject = Subject(plain.name, {"sha256": str(digest(plain))})
    self_sign(plain, statement.dump(Statement((subject,), SLSA, predicate)))
    assert read(plain).inputs[1].signers == (by(),)


def self_sign(path, payload, sandbox=sandbox):
    bundle = sandbox().sign_statement(payload, github(REPOSITORY))
    path.with_name(path.name + ".sigstore.json").write_bytes(bundle)


class TestRefusing:
    def test_a_bundle_of_another_root(self, plain):
        """Whoever can put a file beside the package, signing as the right repository in a Sigstore of their own."""
        signed(plain, by=attacker())
        error = refuses(plain, Code.CRYPTO)
        assert "do not attest" in error.hint

    def test_a_bundle_about_other_bytes(self, plain, tmp_path):
        """The attestation of the version before, beside a package that somebody exchanged."""
        signed(plain)
        a_patch_package(plain.parent, {"noarch": EMPTY | {"remove": ["x-1-0.conda"]}})
        refuses(plain, Code.BIND_DIGEST)

    def test_a_bundle_about_another_name(self, plain):
        """An attested package, renamed to be taken for a newer one."""
        other = plain.with_name("patches-2-0.conda")
        shutil.copy(plain, other)
        self_sign(plain, payload_for(artifact_of(other)))
        refuses(plain, Code.BIND_NAME)

    def test_one_bad_bundle_beside_a_good_one(self, plain):
        good, bad = signed(plain).strip(), signed(plain, by=attacker()).strip()
        plain.with_name(plain.name + ".sigstore.json").unlink()
        plain.with_name(plain.name + ".sigs").write_bytes(sidecar.dump([good, bad]))
        refuses(plain, Code.CRYPTO)

    def test_only_statements_of_another_kind(self, plain):
        subject = Subject(plain.name, {"sha256": str(digest(plain))})
        self_sign(plain, statement.dump(Statement((subject,), "https://example.com/review", {"ok": True})))
        refuses(plain, Code.MISSING_PUBLISH)

    @pytest.mark.parametrize(("suffix", "text", "code"), [
        (".sigs", "[]", Code.SIDECAR_SHAPE), (".sigs", "[{}]", Code.SIDECAR_SHAPE),
        (".sigstore.json", "hello", Code.BUNDLE_JSON), (".sigstore.json", "", Code.BUNDLE_JSON),
    ])  # fmt: skip
    def test_what_is_no_attestation(self, plain, suffix, text, code):
        plain.with_name(plain.name + suffix).write_text(text)
        refuses(plain, code)

    def test_a_package_that_was_renamed(self, tmp_path):
        path = a_patch_package(tmp_path / "built", {"noarch": EMPTY}, name="patches-1-0.tar.bz2")
        refuses(path.rename(path.with_name("patches-2-0.tar.bz2")), Code.BIND_METADATA)

    def test_one_that_is_no_package(self, tmp_path):
        path = tmp_path / "patches-1-0.conda"
        path.write_bytes(b"PK")
        refuses(path, Code.ARCHIVE_FORMAT)

    def test_one_without_the_subdir_is_usage_that_says_what_it_has(self, package):
        with pytest.raises(Misuse) as caught:
            read(package, "win-64")
        assert "linux-64" in caught.value.hint

    @pytest.mark.parametrize("name", ["nowhere-1-0.conda", "nowhere.txt"])
    def test_one_that_is_not_there_is_usage(self, tmp_path, name):
        with pytest.raises(Misuse):
            read(tmp_path / name)


class TestSource:
    """What CEP 31 lets a package say of its origin; nobody signed it."""

    def source(self, tmp_path, extra):
        return read(a_patch_package(tmp_path / "built", {"noarch": EMPTY}, extra=extra)).source

    def test_repository_commit_and_run(self, tmp_path):
        extra = {"sha": COMMIT, "remote_url": URL, "flow_run_id": "github_1"}
        assert self.source(tmp_path, extra) == Source(f"git+{URL}", COMMIT, "package", "github_1")
        assert self.source(tmp_path, {"sha": COMMIT, "remote_url": URL}) == Source(f"git+{URL}", COMMIT, "package")

    def test_a_url_that_is_none_of_the_web_stays_as_it_is(self, tmp_path):
        source = self.source(tmp_path, {"sha": COMMIT, "remote_url": "git@github.com:example/patches"})
        assert source.uri == "git@github.com:example/patches"

    def test_a_token_in_the_url_is_left_out(self, tmp_path):
        source = self.source(tmp_path, {"sha": COMMIT, "remote_url": "https://x:secret@github.com/example/patches"})
        assert source.uri == f"git+{URL}"

    @pytest.mark.parametrize("extra", [
        None, [], "x", {}, {"sha": "", "remote_url": URL}, {"sha": COMMIT[:12], "remote_url": URL}, {"sha": COMMIT},
        {"sha": 7, "remote_url": URL}, {"sha": COMMIT, "remote_url": ""}, {"sha": COMMIT, "remote_url": ["x"]},
        {"sha": COMMIT, "remote_url": "https://x/" + "y" * 2000}, {"sha": COMMIT, "remote_url": "https://x/\x1b[2J"},
        {"sha": COMMIT.upper(), "remote_url": URL},
    ])  # fmt: skip
    def test_what_names_no_commit_of_a_repository_is_none(self, tmp_path, extra):
        assert self.source(tmp_path, extra) is None

    @given(st.sampled_from(["git+", ""]), st.sampled_from([".git", "/", ".git/", ""]), st.booleans())
    def test_one_repository_has_many_spellings(self, prefix, suffix, upper):
        one = Source(f"git+{URL}", COMMIT, "package", "github_1")
        url = URL.upper() if upper else URL
        assert same_source(one, Source(f"{prefix}{url}{suffix}", COMMIT))
        assert not same_source(one, Source(f"{prefix}{url}{suffix}", "f" * 40))
        assert not same_source(one, Source(f"{prefix}{url}-evil{suffix}", COMMIT))
