"""A look into a file gives claims, each as it is or with what is wrong with it."""

import pytest

from condattest.errors import Malformed
from condattest.model.finding import Code, Finding
from condattest.model.signer import Signer
from condattest.operations import inspect
from condattest.sandbox import github
from tests.rehearsal import REPOSITORY, a_package, artifact_of, sandbox, signed


def test_a_bundle_s_statement_and_signer_are_read(tmp_path):
    package = a_package(tmp_path)
    signed(package)
    [seen] = inspect.look(tmp_path / f"{package.name}.sigstore.json")
    assert isinstance(seen.signer, Signer)
    assert seen.statement.subjects[0].name == package.name
    assert seen.log_kind == "dsse 0.0.1"


def test_a_payload_that_is_no_statement_is_told_with_its_reason(tmp_path):
    path = tmp_path / "bundle.json"
    path.write_bytes(sandbox().sign_statement(b"junk", github(REPOSITORY)))
    [seen] = inspect.look(path)
    assert isinstance(seen.statement, Finding)
    assert seen.statement.code is Code.STMT_JSON


def test_a_package_is_read_with_its_digest(tmp_path):
    package = a_package(tmp_path)
    seen = inspect.look(package)
    assert seen.sha256 == artifact_of(package).sha256
    assert seen.index["name"] == "numbers"


def test_what_is_neither_is_malformed(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"junk")
    with pytest.raises(Malformed):
        inspect.look(path)
