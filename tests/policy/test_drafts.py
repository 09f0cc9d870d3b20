"""Text is added to a policy without touching what a person wrote."""

import tomllib

import pytest

from condattest.errors import PolicyInvalid
from condattest.policy.drafts import Draft
from condattest.policy.rules import EmailSigner, GenericSigner, GitHubSigner, GitLabSigner

TEXT = """\
# mine
version = 1
[signer.a]   # odd   spacing
kind = "email"
email = "a@b.example"
issuer = "https://i.example"

[[rule]]
channel = "https://prefix.dev/x"
package = "*"
signers = [
  "a", # me
]
min-age = "24h"
"""
SIGNERS = [
    GitHubSigner(name="", repository="o/r", repository_id="7", ref="refs/tags/v1", triggers=("push",)),
    GitLabSigner(name="", repository="g/p", owner_id="8", ref="refs/heads/main", issuer="https://gitlab.example"),
    EmailSigner(name="", email="c@b.example", issuer="https://i.example"),
    GenericSigner(name="", san='x"y\\z', issuer="https://i.example"),
]


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: type(signer).__name__)
def test_a_signer_is_appended(signer):
    draft = Draft(TEXT)
    draft.add_signer("new", signer, "a remark\nkind = 'evil'")
    assert draft.text.startswith(TEXT)
    tables = tomllib.loads(draft.text)["signer"]
    assert set(tables) == {"a", "new"}
    assert tables["new"]["kind"] in ("github", "gitlab", "email", "generic")
    assert None not in tables["new"].values()


def test_a_single_tag_comes_with_advice():
    draft = Draft(None)
    draft.add_signer("new", SIGNERS[0], "seen")
    assert 'refs/tags/*"' in draft.text
    assert tomllib.loads(draft.text)["signer"]["new"]["repository-id"] == 7


def test_a_name_with_a_dot_is_one_key():
    draft = Draft(TEXT.rstrip())
    draft.add_signer("a.b", SIGNERS[2], "x")
    assert set(tomllib.loads(draft.text)["signer"]) == {"a", "a.b"}


def test_a_rule_is_appended():
    draft = Draft(TEXT)
    draft.add_rule({"channel": "https://prefix.dev/x", "package": "zlib", "signers": ["a"]}, "seen")
    assert tomllib.loads(draft.text)["rule"][1]["package"] == "zlib"


def test_signers_join_a_rule_in_place():
    draft = Draft(TEXT)
    draft.join_signers(0, ["b"], "policy.toml")
    assert "# me" in draft.text
    assert "[signer.a]   # odd   spacing" in draft.text
    assert tomllib.loads(draft.text)["rule"][0]["signers"] == ["a", "b"]
    assert draft.fields_of_rule(0)["min-age"] == "24h"


def test_a_text_that_cannot_be_edited_says_so():
    with pytest.raises(PolicyInvalid, match="edited in place"):
        Draft("version = 1\n").join_signers(3, ["b"], "policy.toml")
    assert Draft("version = [").fields_of_rule(0) == {}
