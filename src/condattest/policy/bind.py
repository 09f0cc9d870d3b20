"""Is this statement about this artifact, and was it made for this channel?

Owns `bind` and `channel_finding`. Refuses a publish attestation (CEP 27) that names another file, other bytes or
another channel, and provenance that lists the artifact under another name. A statement of a kind that nobody asked for
is `Foreign`, and is ignored; one that merely begins like CEP 27's is malformed, since somebody may take it for one.

Spec: https://github.com/conda/ceps/blob/main/cep-0027.md
"""

from dataclasses import dataclass

from condattest.errors import Malformed
from condattest.formats import provenance, publish, statement
from condattest.formats.provenance import Provenance
from condattest.formats.publish import Publish
from condattest.formats.statement import Statement
from condattest.model.artifact import Artifact
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.policy.rules import Kind, Policy, Rule


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement about the artifact: by name and by digest.

    `target` is the channel that a publish attestation names, `provenance` what SLSA provenance says.
    """

    kind: Kind
    target: Channel | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A statement of a kind that says nothing about publishing or building a package."""

    predicate_type: str


@dataclass(frozen=True, slots=True)
class Unbound:
    """A statement that is malformed or about another artifact; `kind` is None where not even that can be told."""

    finding: Finding
    kind: Kind | None = None
    predicate_type: str | None = None


def bind(evidence: Evidence, artifact: Artifact) -> Bound | Foreign | Unbound:
    """Read the signed statement and hold it against the artifact."""
    plain = publish.of_plain(evidence.payload_type, evidence.payload)
    if plain is not None:
        held: Bound | Finding = _publish(plain, artifact)
        return held if isinstance(held, Bound) else Unbound(held, "publish", publish.PREDICATE_TYPE)
    try:
        signed = statement.parse(evidence.payload_type, evidence.payload)
    except Malformed as error:
        return Unbound(error.finding)
    predicate_type = signed.predicate_type
    if not publish.claims_to_be(predicate_type) and predicate_type != provenance.PREDICATE_TYPE:
        return Foreign(predicate_type)
    kind: Kind = "slsa-provenance" if predicate_type == provenance.PREDICATE_TYPE else "publish"
    try:
        held = _publish(publish.parse(signed), artifact) if kind == "publish" else _provenance(signed, artifact)
    except Malformed as error:
        held = error.finding
    return Unbound(held, kind, predicate_type) if isinstance(held, Finding) else held


def _publish(said: Publish, artifact: Artifact) -> Bound | Finding:
    # Name and digest both: a digest alone would let a package be served under another's name.
    if said.name != str(artifact.file):
        return Finding.of(Code.BIND_NAME, "subject[0].name", expected=artifact.file, found=_shown(said.name))
    if said.sha256 != artifact.sha256:
        return Finding.of(Code.BIND_DIGEST, "subject[0].digest", expected=artifact.sha256, found=said.sha256)
    return Bound("publish", target=said.target_channel)


def _provenance(signed: Statement, artifact: Artifact) -> Bound | Finding:
    said = provenance.parse(signed)
    name = str(artifact.file)
    same_bytes = [subject.name for subject in said.subjects if subject.digest.get("sha256") == artifact.sha256]
    if name in same_bytes:
        return Bound("slsa-provenance", provenance=said)
    if same_bytes:
        return Finding.of(Code.BIND_NAME, "subject", expected=name, found=_shown(same_bytes[0]))
    digests = [subject.digest.get("sha256") for subject in said.subjects if subject.name == name]
    found = _shown(digests[0]) if digests else f"{len(said.subjects)} subjects, none of them this file"
    return Finding.of(Code.BIND_DIGEST, "subject", expected=artifact.sha256, found=found)


def channel_finding(bound: Bound, expected: Channel | None, rule: Rule, policy: Policy) -> Finding | None:
    """What is wrong with the channel that a publish attestation names; None if nothing is.

    `expected` is the canonical channel; None if there is none to compare with.
    """
    if expected is None:
        return None
    if bound.target is None:
        if rule.target_channel == "optional":
            return None
        return Finding.of(Code.CHANNEL_ABSENT, "predicate.targetChannel", expected=expected, found="nothing")
    if bound.target not in policy.accepted_claims(expected):
        return Finding.of(Code.CHANNEL_MISMATCH, "predicate.targetChannel", expected=expected, found=bound.target)
    return None


def _shown(text: str | None) -> str:
    return "nothing" if text is None else text[:300]
