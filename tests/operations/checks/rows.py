"""Rows that checks are shown, and a way to show them."""

from datetime import UTC, datetime, timedelta

from condattest.model.audit import Patched
from condattest.model.finding import Finding
from condattest.operations.audit_spool import Row, Signed
from condattest.operations.checks.check import Scope

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ISSUER = "https://issuer.example"


def scope(**more) -> Scope:
    return Scope(**({"mode": "full", "late_after": timedelta(days=7), "now": NOW} | more))


def row(name="x", version="1", *, day=None, who="one", subdir="noarch", status=None, indexed=None, codes=()) -> Row:
    """A package that `who` signed on a day of January; unattested without a day."""
    signers = [who] if isinstance(who, str) else who
    made = Row(
        subdir=subdir,
        file=f"{name}-{version}-0.conda",
        name=name,
        version=version,
        sha256="ab" * 32,
        sidecar=None if day is None else "cd" * 32,
        status=status or ("unattested" if day is None else "accepted"),
        indexed=None if indexed is None else int(indexed.timestamp() * 1000),
        signed=[]
        if day is None
        else [
            Signed(f"https://github.com/{each}/w.yml@refs/tags/{version}", ISSUER, START + timedelta(days=day), "log",
                   f"{ISSUER} {each}")
            for each in signers
        ],
        found=[],
    )  # fmt: skip
    for code in codes:
        made.add(Finding(code, made.place))
    return made


def shown(check, *rows):
    """Show rows to a check; gives how many it found, and by place what it says."""
    for each in rows:
        check.observe(each)
    said = {each.place: check.findings(each) for each in rows}
    return check.found(), {place: [finding.code for finding in found] for place, found in said.items() if found}


def unsound(number, *findings):
    """A generation of patches that is not sound."""
    return Patched(
        subdir="noarch", generation=number, at=None, source=None, signer=None, changed=0, removed=0, findings=findings
    )
