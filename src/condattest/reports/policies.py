"""Policies for people and machines: rules, what was learned, and why a verdict came out as it did.

Owns one function per value, as `documents` and `terminal` do for verdicts.
"""

import dataclasses
from typing import Any

from rich.console import Console
from rich.text import Text

from condattest.model.finding import Finding
from condattest.model.verdict import Accepted, Verdict
from condattest.policy.explain import Explanation
from condattest.policy.proposals import (
    AttestationLost,
    Change,
    NotLearned,
    RuleAdded,
    SeveralSigners,
    SignerAdded,
    SignerChanged,
    Unchanged,
)
from condattest.policy.rules import PatchRule, Rule
from condattest.reports import documents
from condattest.reports.plain import plain
from condattest.reports.sentences import sentence


def rule(value: Rule) -> dict[str, Any]:
    """A rule as JSON."""
    return {
        "name": plain(value.name),
        "channel": None if value.channel is None else value.channel.url,
        "package": value.package,
        "signers": [signer.name for signer in value.signers],
        "threshold": value.threshold,
        "action": value.action,
        "baseline": len(value.baseline),
    }


def rule_line(value: Rule) -> Text:
    """A rule in a line."""
    signers = ", ".join(signer.name for signer in value.signers)
    extra = f", {value.action} until {value.expires:%Y-%m-%d}" if value.expires else ""
    baseline = f", {len(value.baseline)} in the baseline" if value.baseline else ""
    return Text(f"  {plain(value.name)}: {value.threshold} of {plain(signers)}{extra}{baseline}")


def patch_line(value: PatchRule) -> Text:
    """A rule about patches in a line."""
    signers = ", ".join(signer.name for signer in value.signers)
    return Text(f"  {plain(value.name)}: {value.threshold} of {plain(signers)}")


def change(value: Change) -> dict[str, Any]:
    """What was learned, as JSON."""
    told: dict[str, Any] = {"change": type(value).__name__, "sentence": _change_sentence(value)}
    for field in dataclasses.fields(value):
        told[field.name] = _plain_value(getattr(value, field.name))
    return told


def _plain_value(value: object) -> Any:
    match value:
        case Finding():
            return documents.finding(value)
        case bool() | int() | None:
            return value
        case tuple():
            return [_plain_value(each) for each in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "expected"):
            return {field.name: _plain_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return plain(value)


def change_line(value: Change) -> Text:
    """What was learned, in a line."""
    style = "red" if isinstance(value, SignerChanged | AttestationLost) else "yellow"
    if isinstance(value, RuleAdded | SignerAdded | Unchanged):
        style = "green"
    return Text(_change_sentence(value), style=style)


def _change_sentence(value: Change) -> str:
    return plain(_sentence_of(value))


def _sentence_of(value: Change) -> str:
    match value:
        case SignerAdded(name=name, identity=identity):
            return f"signer {name}: {identity}"
        case RuleAdded(channel=channel, package=package, signers=signers):
            return f"rule for {package} of {channel}: {', '.join(signers)}"
        case Unchanged(package=package, rule=name):
            return f"unchanged: {name} allows {package} as it was signed"
        case SignerChanged(package=package, rule=name, identity=identity, mismatches=wrong, applied=applied):
            fields = "; ".join(
                f"{each.field}: expected {each.expected}, found {each.found or 'nothing'}" for each in wrong
            )
            done = "added to the rule" if applied else "not added; --accept adds it"
            return f"REGRESSION: {package} was signed by {identity}, whom {name} does not allow ({fields}); {done}"
        case AttestationLost(package=package, rule=name, artifact=artifact):
            return f"REGRESSION: {name} requires attestations of {package}, and {artifact.file} has none"
        case SeveralSigners(package=package, identities=identities, applied=applied):
            done = "all were written" if applied else "none was written; --accept writes them all"
            return f"{package} was signed by several: {'; '.join(identities)}; {done}"
        case NotLearned(package=package, finding=finding):
            return f"nothing learned of {package}: {finding.code}: {sentence(finding)}"


def explanation(value: Explanation) -> dict[str, Any]:
    """Why a verdict came out as it did, as JSON."""
    return {
        "rule": None if value.rule is None else rule(value.rule),
        "channel": None if value.channel is None else value.channel.url,
        "passedOver": [plain(name) for name in value.passed_over],
        "bundles": [
            {
                "bundle": each.bundle,
                "identity": plain(each.evidence.signer.san),
                "predicateType": None if each.predicate_type is None else plain(each.predicate_type),
                "counts": each.counts,
                "finding": None if each.finding is None else documents.finding(each.finding),
                "signers": [
                    {"name": plain(tried.name), "mismatches": [_plain_value(wrong) for wrong in tried.mismatches]}
                    for tried in each.signers
                ],
            }
            for each in value.bundles
        ],
        "failures": [documents.finding(each) for each in value.failures],
    }


def explain(console: Console, verdict: Verdict, value: Explanation | None) -> None:
    """Print why a verdict came out as it did."""
    told = documents.verdict(verdict)
    style = "bold green" if isinstance(verdict, Accepted) else "bold red"
    console.print(Text.assemble("verdict: ", (str(told["verdict"]), style)))
    if value is not None:
        _steps(console, value)
    for finding in told["findings"]:
        console.print(Text(f"{finding['code']}: {finding['message']}"))


def _steps(console: Console, value: Explanation) -> None:
    console.print(Text(f"rule: {plain(value.rule.name) if value.rule else 'none is about this package'}"))
    console.print(Text(f"channel: {value.channel or 'none'}"))
    for name in value.passed_over:
        console.print(Text(f"passed over: {plain(name)}, which is less exact", style="dim"))
    for each in value.bundles:
        console.print(Text(f"{each.bundle}: signed by {plain(each.evidence.signer.san)}"))
        for tried in each.signers:
            if not tried.mismatches:
                console.print(Text(f"  signer {plain(tried.name)}: every field holds", style="green"))
            for wrong in tried.mismatches:
                found = "nothing" if wrong.found is None else wrong.found
                line = f"  signer {tried.name}: {wrong.field}: expected {wrong.expected}, found {found}"
                console.print(Text(plain(line), style="red"))
        if each.finding is not None and not each.signers:
            console.print(Text(f"  {each.finding.code}: {sentence(each.finding)}", style="red"))
    for failure in value.failures:
        console.print(Text(f"not authenticated: {failure.code}: {sentence(failure)}", style="red"))
