"""Turn values into JSON documents. Each has `schema`, `condattest/<verb>/<version>`; times are RFC 3339 in UTC.

Owns one function per value. Keys are stable; what an absent fact would be is null, never left out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from condattest._version import __version__
from condattest.errors import CondattestError
from condattest.model.evidence import Evidence
from condattest.model.finding import Finding
from condattest.model.verdict import Accepted, Rejected, Undecided, Verdict
from condattest.reports.plain import exact, plain
from condattest.reports.sentences import advice, sentence

if TYPE_CHECKING:
    # What operations need to run is not needed to show what they gave.
    from condattest.operations.attest import Attested
    from condattest.operations.question import Verification
    from condattest.policy.rules import Policy


def document(verb: str, exit_code: int, **content: Any) -> dict[str, Any]:
    """The envelope of every JSON answer."""
    return {"schema": f"condattest/{verb}/1", "version": __version__, "exitCode": exit_code, **content}


def time(at: datetime) -> str:
    """A time as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def finding(value: Finding) -> dict[str, Any]:
    """A finding: code, severity, where, facts, and the sentence and advice for people."""
    return {
        "code": value.code.value,
        "severity": value.code.severity.value,
        "where": plain(value.where),
        "facts": {name: plain(fact) for name, fact in value.facts.items()},
        "message": sentence(value),
        "advice": advice(value),
    }


def evidence(value: Evidence) -> dict[str, Any]:
    """What one bundle proves."""
    return {
        "signer": {
            "identity": plain(value.signer.san),
            "kind": value.signer.san_kind,
            "issuer": plain(value.signer.issuer),
            "claims": {name: plain(claim) for name, claim in value.signer.claims.present().items()},
        },
        "times": [{"at": time(each.at), "source": each.source, "authority": each.authority} for each in value.times],
        "log": {"url": value.log, "index": value.log_index},
        "payloadType": plain(value.payload_type),
        "bundleSha256": value.bundle_sha256,
        "trustRootSha256": value.trust_root_sha256,
        "notes": [finding(note) for note in value.notes],
    }


def verdict(value: Verdict) -> dict[str, Any]:
    """A verdict, with what led to it."""
    match value:
        case Accepted(rule=rule, evidence=found, notes=notes):
            return _verdict("accepted", rule, found, notes)
        case Rejected(findings=findings, seen=seen):
            return _verdict("rejected", None, seen, findings)
        case Undecided(findings=findings, seen=seen):
            return _verdict("undecided", None, seen, findings)


def _verdict(name: str, rule: str | None, found: Sequence[Evidence], findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "verdict": name,
        "rule": rule,
        "findings": [finding(each) for each in findings],
        "evidence": [evidence(each) for each in found],
    }


def error(value: CondattestError) -> dict[str, Any]:
    """An error that ended the command."""
    return {
        "kind": value.kind,
        "message": plain(value, lines=True),
        "hint": plain(value.hint, lines=True) or None,
    }


def verifications(answers: "Sequence[Verification]") -> dict[str, Any]:
    """The answers of `verify`: totals, and one result for each target."""
    results = [
        {
            "target": exact(answer.target),
            "file": None if answer.file is None else str(answer.file),
            "sha256": answer.sha256,
            "channel": None if answer.channel is None else answer.channel.url,
            "attestations": [exact(place) for place in answer.attestations],
            **verdict(answer.verdict),
            "rule": None if answer.rule is None else plain(answer.rule.name),
        }
        for answer in answers
    ]
    names = [result["verdict"] for result in results]
    totals = {name: names.count(name) for name in ("accepted", "rejected", "undecided")}
    return {"totals": {"targets": len(results), **totals}, "results": results}


def policy(value: "Policy") -> dict[str, Any]:
    """Which policy was applied."""
    return {"source": exact(value.source), "sha256": value.sha256}


def attested(outcomes: "Sequence[Attested]") -> dict[str, Any]:
    """The outcomes of `attest`: totals, and one result for each package."""
    results = []
    for each in outcomes:
        made = isinstance(each.outcome, Evidence)
        results.append(
            {
                "package": exact(each.order.path),
                "sha256": each.order.artifact.sha256,
                "bundle": exact(each.order.output) if made else None,
                "evidence": evidence(each.outcome) if isinstance(each.outcome, Evidence) else None,
                "error": error(each.outcome) if isinstance(each.outcome, CondattestError) else None,
            }
        )
    made_count = sum(result["bundle"] is not None for result in results)
    totals = {"packages": len(results), "attested": made_count, "failed": len(results) - made_count}
    return {"totals": totals, "results": results}
