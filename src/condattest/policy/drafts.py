"""Write parts of a policy's text, and change an existing text without touching the rest of it.

Owns `Draft`. New tables are appended as text, so every byte of what a person wrote stays; only a rule whose list of
signers grows is edited in place, by tomlkit, which keeps comments and layout.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from condattest.errors import PolicyInvalid
from condattest.policy.grammar import TAGS
from condattest.policy.rules import (
    GITHUB_TRIGGERS,
    GITLAB_TRIGGERS,
    AllowedSigner,
    EmailSigner,
    GenericSigner,
    GitHubSigner,
    GitLabSigner,
)

_HEADER = """\
# Learned from what was seen: whoever signed these packages then may sign them from now on, and nobody else.
# Compare each signer with what the publisher says before you rely on it.
version = 1
"""


class Draft:
    """A policy's text that grows; `text` is what it is now."""

    def __init__(self, existing: str | None) -> None:
        self.text = _HEADER if existing is None else existing

    def add_signer(self, name: str, signer: AllowedSigner, comment: str) -> None:
        """Append a signer's table."""
        table = tomlkit.table()
        for key, value in _signer_fields(signer).items():
            table.add(key, value)
        self._append(f"[signer.{_key(name)}]", table, [comment, *_advice(signer)])

    def add_rule(self, fields: dict[str, Any], comment: str) -> None:
        """Append a rule's table."""
        table = tomlkit.table()
        for key, value in fields.items():
            table.add(key, value)
        self._append("[[rule]]", table, [comment])

    def join_signers(self, rule: int, names: Sequence[str], where: str) -> None:
        """Add signers to the rule with this index.

        Raises:
            PolicyInvalid: The text is laid out in a way that cannot be edited.
        """
        try:
            document: Any = tomlkit.parse(self.text)
            signers = document["rule"][rule]["signers"]
            for name in names:
                signers.append(name)
            self.text = tomlkit.dumps(document)
        except (TOMLKitError, LookupError, TypeError, ValueError) as error:
            problem = f"[[rule]] {rule + 1}: signers: expected a list that can be edited in place, found {error}"
            raise PolicyInvalid(where, [problem]) from None

    def fields_of_rule(self, rule: int) -> dict[str, Any]:
        """What the rule with this index says, as plain values; empty if the text cannot be edited."""
        try:
            plain: Any = tomlkit.parse(self.text).unwrap()["rule"][rule]
        except (TOMLKitError, LookupError, TypeError, ValueError):
            return {}
        return copy.deepcopy(dict(plain))

    def _append(self, header: str, table: tomlkit.items.Table, comments: Iterable[str]) -> None:
        if not self.text.endswith("\n"):
            self.text += "\n"
        remarks = "".join(f"# {_printable(comment)}\n" for comment in comments)
        self.text += f"\n{remarks}{header}\n{table.as_string()}"


def _printable(text: str) -> str:
    # A line break in a claim must not end the comment.
    return "".join(character if character.isprintable() else "?" for character in text)


def _key(name: str) -> str:
    # A bare key may not hold a dot, and a name may.
    return f'"{name}"' if "." in name else name


def _signer_fields(signer: AllowedSigner) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    match signer:
        case GitHubSigner():
            fields = {"kind": "github", **_workflow_fields(signer, GITHUB_TRIGGERS, "github-hosted")}
        case GitLabSigner():
            fields = {
                "kind": "gitlab",
                "issuer": signer.issuer,
                **_workflow_fields(signer, GITLAB_TRIGGERS, "gitlab-hosted"),
            }
        case EmailSigner():
            fields = {"kind": "email", "email": signer.email, "issuer": signer.issuer}
        case GenericSigner():
            fields = {"kind": "generic", "san": signer.san, "issuer": signer.issuer}
    return {key: value for key, value in fields.items() if value is not None}


def _workflow_fields(signer: GitHubSigner | GitLabSigner, triggers: tuple[str, ...], runner: str) -> dict[str, Any]:
    return {
        "repository": signer.repository,
        "repository-id": _number(signer.repository_id),
        "owner-id": _number(signer.owner_id),
        "workflow": signer.workflow,
        "ref": signer.ref,
        "triggers": None if signer.triggers == triggers else list(signer.triggers),
        "runner": None if signer.runner == runner else signer.runner,
        "environment": signer.environment,
        "build-signer": signer.build_signer,
    }


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _advice(signer: AllowedSigner) -> list[str]:
    ref = getattr(signer, "ref", None) or ""
    if ref.startswith("refs/tags/") and ref != TAGS:
        return [f'The next release will come from another tag: then write ref = "{TAGS}".']
    return []
