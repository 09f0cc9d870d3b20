"""The keys of a policy, and the schema that editors read them from."""

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from condattest.policy import documents

EXAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "policies").glob("*.toml"))


def _as_json(value):
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.fixture(scope="module")
def validator():
    schema = documents.json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_schema_takes_the_examples(validator, path):
    validator.validate(_as_json(tomllib.loads(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2},
        {"version": 1, "rules": []},
        {"version": 1, "rule": [{"channel": "https://prefix.dev/x", "package": "*", "signers": []}]},
        {
            "version": 1,
            "rule": [{"channel": "https://prefix.dev/x", "package": "*", "signers": ["a"], "min_age": "1h"}],
        },
        {"version": 1, "signer": {"a": {"kind": "github", "repository": "o"}}},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(validator, document):
    assert not validator.is_valid(document)


def test_every_key_is_described_and_written_with_dashes():
    models = (
        documents.PolicyDocument,
        *documents.SIGNERS.values(),
        *documents.LISTS.values(),
        documents.RevokedDocument,
    )
    for model in models:
        for key, description in documents.keys_of(model).items():
            assert description.endswith("."), (model, key)
            assert "_" not in key


def test_a_path_leads_to_its_model():
    assert documents.document_at((), None) is documents.PolicyDocument
    assert documents.document_at(("signer", "a"), "github") is documents.GitHubDocument
    assert documents.document_at(("signer", "a", "valid"), "email") is documents.WindowDocument
    assert documents.document_at(("rule", 0), None) is documents.RuleDocument
    assert documents.document_at(("patch", 0, "checkpoint"), None) is documents.CheckpointDocument
    assert documents.document_at(("revoked",), None) is documents.RevokedDocument
    assert documents.document_at(("nothing", 1), None) is None
    assert documents.document_at(("signer", "a"), ["github"]) is None
