"""What a generation was made from: where the instructions come from, and each file that the run read.

Owns `Source`, `Input` and `InputSigner`: resource descriptors of in-toto, with no other annotations than these.

    {"uri": "git+https://...", "digest": {"gitCommit": "..."},
     "annotations": {"statedBy": "package", "flowRunId": "github_1234"}}
    {"name": "patches-1-0.conda.sigs", "digest": {"sha256": "..."},
     "annotations": {"signers": [{"identity": "https://...", "issuer": "https://..."}]}}

Specs: ceps-drafts/cep-patch-provenance.md;
https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from condattest.formats.predicate_fields import fields, items, one_of, text
from condattest.formats.predicate_fields import sha256 as digest_of
from condattest.model.artifact import Sha256

StatedBy = Literal["author", "package"]
COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the instructions come from.

    Attributes:
        uri: The repository.
        commit: The commit that was read.
        stated_by: The signer of the statement, or only the metadata of the patch package (CEP 31), which nobody signed.
        flow_run_id: The run that built the patch package, if it says so.
    """

    uri: str
    commit: str
    stated_by: StatedBy = "author"
    flow_run_id: str | None = None

    @property
    def json(self) -> dict[str, Any]:
        """As it stands in a predicate."""
        dumped: dict[str, Any] = {"uri": self.uri, "digest": {"gitCommit": self.commit}}
        if self.stated_by == "package":
            run = {} if self.flow_run_id is None else {"flowRunId": self.flow_run_id}
            dumped["annotations"] = {"statedBy": "package", **run}
        return dumped


@dataclass(frozen=True, slots=True)
class InputSigner:
    """Who signed an attestation that was read: the certificate's identity, and who vouched for it."""

    identity: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Input:
    """A file that the run read: its path in the channel, or its name if it came from elsewhere.

    `signers` is empty but for attestations of a patch package.
    """

    name: str
    sha256: Sha256
    signers: tuple[InputSigner, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        """As it stands in a predicate."""
        dumped: dict[str, Any] = {"name": self.name, "digest": {"sha256": str(self.sha256)}}
        if self.signers:
            signers = [{"identity": signer.identity, "issuer": signer.issuer} for signer in self.signers]
            dumped["annotations"] = {"signers": signers}
        return dumped


def parse_source(value: Any) -> Source:
    """Read `source`."""
    source = fields(value, "source", {"uri", "digest"}, {"annotations"})
    digest = fields(source["digest"], "source.digest", {"gitCommit"})
    uri, commit = text(source["uri"], "source.uri"), text(digest["gitCommit"], "source.digest.gitCommit", COMMIT)
    if "annotations" not in source:
        return Source(uri, commit)
    said = fields(source["annotations"], "source.annotations", {"statedBy"}, {"flowRunId"})
    one_of(said["statedBy"], "source.annotations.statedBy", ("package",))
    run = text(said["flowRunId"], "source.annotations.flowRunId") if "flowRunId" in said else None
    return Source(uri, commit, "package", run)


def parse_inputs(value: Any) -> tuple[Input, ...]:
    """Read `inputs`."""
    read = []
    for each in items(value, "inputs"):
        entry = fields(each, "inputs", {"name", "digest"}, {"annotations"})
        digest = fields(entry["digest"], "inputs.digest", {"sha256"})
        name, sha256 = text(entry["name"], "inputs.name"), digest_of(digest["sha256"], "inputs.digest.sha256")
        read.append(Input(name, sha256, _signers(entry["annotations"]) if "annotations" in entry else ()))
    return tuple(read)


def _signers(value: Any) -> tuple[InputSigner, ...]:
    where = "inputs.annotations"
    read = []
    for each in items(fields(value, where, {"signers"})["signers"], f"{where}.signers", least=1):
        signer = fields(each, f"{where}.signers", {"identity", "issuer"})
        identity, issuer = (text(signer[key], f"{where}.signers.{key}") for key in ("identity", "issuer"))
        read.append(InputSigner(identity, issuer))
    return tuple(read)
