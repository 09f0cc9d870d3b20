"""Which bundles may be published for a package? Found, authenticated, and held against who may sign.

Owns `Terms`, `Offer`, `offers`, `missing` and `chooser`. A bundle is appended once: one of the same signer over the
same payload, with the same kinds of verified time under the same trust root, adds nothing to one that is there and
verifies. The same signer means every claim that a rule may ask for: a run of another trigger is another signer.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from condattest.errors import Malformed, NotAuthenticated
from condattest.formats import bundle as bundles
from condattest.formats.bundle import Bundle
from condattest.model.artifact import Artifact, Sha256
from condattest.model.channel import Channel
from condattest.model.evidence import Evidence
from condattest.model.finding import Code, Finding
from condattest.operations.attestations import Collected
from condattest.operations.judgement import authenticate_all
from condattest.policy.admit import Admitted, admit
from condattest.policy.rules import Policy
from condattest.signatures.authenticate import authenticate_parsed
from condattest.signatures.trust_root import TrustRoot

_Kind = tuple[str, str, frozenset[tuple[str, str]], str, bytes, frozenset[str], Sha256]
# What differs from run to run of the same job, and no rule asks for.
_OF_THE_RUN: Final = frozenset(
    {"run_invocation_uri", "source_repository_digest", "build_signer_digest", "build_config_digest"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who may sign what is published.

    Attributes:
        trust: The trust root, where no rule names another.
        policy: The rules; None where any authentic signer will do.
        roots: The trust roots that rules name, by their path in the policy.
        channel: The canonical URL of the channel; None if nobody says, and then the signed one selects the rule.
    """

    trust: TrustRoot
    policy: Policy | None
    roots: Mapping[str, TrustRoot] = field(default_factory=dict)
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One bundle that is offered for a package.

    Attributes:
        place: Where it was found.
        raw: Its bytes, without white space around them.
        outcome: What it proves, or why it is refused.
    """

    place: str
    raw: bytes
    outcome: Admitted | Finding


def offers(collected: Collected, artifact: Artifact, terms: Terms) -> tuple[Offer, ...]:
    """Authenticate each bundle and hold it against the terms; no bundle is passed over."""
    place = ", ".join(collected.places)
    return tuple(Offer(place, bundle.raw.strip(), _outcome(bundle, artifact, terms)) for bundle in collected.bundles)


def _outcome(bundle: Bundle, artifact: Artifact, terms: Terms) -> Admitted | Finding:
    refused: list[Finding] = []
    failed: list[Finding] = []
    # It may verify under several roots, of which the rule names one.
    for root in (terms.trust, *terms.roots.values()):
        evidence, failures = authenticate_all(Collected((bundle,)), [root])
        failed.extend(failures)
        for each in evidence:
            outcome = admit(each, artifact, terms.channel, terms.policy, root=terms.trust.sha256)
            if isinstance(outcome, Admitted):
                return outcome
            refused.append(outcome)
    # That it is under another root than the rule's says less than what is wrong under the rule's.
    return min(refused, key=lambda finding: finding.code is Code.CRYPTO) if refused else failed[0]


def missing(artifact: Artifact) -> Finding:
    """The finding for a package that nothing is offered for."""
    return Finding.of(Code.MISSING_ATTESTATION, artifact.file)


def chooser(fresh: Sequence[Offer], terms: Terms) -> Callable[[Sequence[bytes]], list[bytes]]:
    """Make the function that says which of the admitted bundles a sidecar lacks."""
    known: dict[bytes, frozenset[_Kind]] = {}

    def kinds_of(raw: bytes) -> frozenset[_Kind]:
        if raw not in known:
            known[raw] = _kinds(raw, terms)
        return known[raw]

    def choose(elements: Sequence[bytes]) -> list[bytes]:
        there = {kind for raw in elements for kind in kinds_of(raw)} if fresh else set()
        lacking = []
        for offer in fresh:
            if isinstance(offer.outcome, Finding) or offer.raw in elements:
                continue
            kind = _kind(offer.outcome.evidence)
            if kind not in there:
                there.add(kind)
                lacking.append(offer.raw)
        return lacking

    return choose


def _kinds(raw: bytes, terms: Terms) -> frozenset[_Kind]:
    """What an element of a sidecar stands for, under each root that it verifies under; nothing where it does not."""
    found = set()
    for root in (terms.trust, *terms.roots.values()):
        with suppress(Malformed, NotAuthenticated):
            found.add(_kind(authenticate_parsed(bundles.parse(raw), root)))
    return frozenset(found)


def _kind(evidence: Evidence) -> _Kind:
    claims = evidence.signer.claims.present()
    return (
        evidence.signer.san,
        evidence.signer.issuer,
        frozenset((name, value) for name, value in claims.items() if name not in _OF_THE_RUN),
        evidence.payload_type,
        hashlib.sha256(evidence.payload).digest(),
        frozenset(time.source for time in evidence.times),
        evidence.trust_root_sha256,
    )
