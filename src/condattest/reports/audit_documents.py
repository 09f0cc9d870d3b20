"""Turn the parts of an audit into JSON objects: one function per value, as `documents` has for other verbs."""

from typing import Any

from condattest._version import __version__
from condattest.model.audit import Audit, Audited, CheckRun, Patched, Signature
from condattest.reports.documents import finding, time
from condattest.reports.plain import plain


def header(audit: Audit) -> dict[str, Any]:
    """What was audited and how, and what it adds up to: everything but the packages."""
    return {
        "schema": "condattest/audit/1",
        "version": __version__,
        "target": plain(audit.target),
        "subdirs": [plain(subdir) for subdir in audit.subdirs],
        "mode": audit.mode,
        "limit": plain(audit.limit),
        "part": None if audit.part is None else list(audit.part),
        "policy": None if audit.policy is None else {"source": plain(audit.policy), "sha256": audit.policy_sha256},
        "trustRoots": list(audit.trust_roots),
        "started": time(audit.started),
        "finished": time(audit.finished),
        "complete": audit.complete,
        "totals": {"packages": len(audit.results), **audit.totals},
        "checks": [check(each) for each in audit.checks],
        "findings": [finding(each) for each in audit.findings],
        "patches": [patched(each) for each in audit.patches],
        "unexplained": {plain(subdir): count for subdir, count in audit.unexplained.items()},
    }


def package(value: Audited) -> dict[str, Any]:
    """One package, with all that was found of it."""
    return {
        "subdir": plain(value.subdir),
        "file": plain(value.file),
        "name": plain(value.name),
        "sha256": value.sha256,
        "status": value.status,
        "signatures": [signature(each) for each in value.signatures],
        "indexedAt": None if value.indexed_at is None else time(value.indexed_at),
        "rule": None if value.rule is None else plain(value.rule),
        "findings": [finding(each) for each in value.findings],
    }


def signature(value: Signature) -> dict[str, Any]:
    """Who signed, and since when at the latest."""
    return {
        "identity": plain(value.identity),
        "issuer": plain(value.issuer),
        "at": time(value.at),
        "source": value.source,
    }


def check(value: CheckRun) -> dict[str, Any]:
    """Whether a check ran, and how much it found."""
    return {"name": value.name, "ran": value.ran, "found": value.found, "reason": plain(value.reason)}


def patched(value: Patched) -> dict[str, Any]:
    """One generation of patches."""
    return {
        "subdir": plain(value.subdir),
        "generation": value.generation,
        "at": None if value.at is None else time(value.at),
        "source": value.source,
        "signer": None if value.signer is None else plain(value.signer),
        "changed": value.changed,
        "removed": value.removed,
        "findings": [finding(each) for each in value.findings],
    }
