"""Parts of an audit, joined."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest

from condattest.errors import Misuse
from condattest.formats import audit_report
from condattest.model.artifact import Sha256
from condattest.model.audit import CHECKS, STATUSES, Audited, CheckRun, Signature
from condattest.model.finding import Code, Finding
from condattest.operations.audit_merge import merge, opened
from condattest.operations.audit_outcome import outcome
from tests.formats.test_audit_report import AT, made


def package(name, *, who="me@example.org", status="accepted", findings=()) -> Audited:
    signatures = (Signature(who, "issuer", AT, "log"),) if status == "accepted" else ()
    return Audited(subdir="noarch", file=f"{name}-1-0.conda", name=name, sha256=None, status=status,
                   signatures=signatures, findings=tuple(findings))  # fmt: skip


def part(number, *packages, of=2, **more):
    runs = tuple(CheckRun(name, name != "seen-once", 1, f"part {number}") for name in CHECKS)
    return made(packages, **({"part": (number, of), "checks": runs} | more))


def test_results_are_in_order_and_totals_add_up():
    joined = merge([part(2, package("a"), package("d", status="rejected")), part(1, package("b"), package("c"))])
    assert [each.name for each in joined.results] == ["a", "b", "c", "d"]
    assert len(joined.results) == sum(joined.totals.values()) == 4
    assert joined.part is None


def test_an_identity_that_is_seen_once_in_two_parts_is_seen_twice():
    joined = merge([part(1, package("a"), package("b", who="you@example.org")), part(2, package("c"))])
    assert [[finding.code for finding in each.findings] for each in joined.results] == [[], [Code.AUDIT_SEEN_ONCE], []]
    runs = {run.name: run for run in joined.checks}
    assert (runs["seen-once"].ran, runs["seen-once"].found) == (True, 1)
    assert (runs["rejected"].found, runs["rejected"].reason) == (2, "part 1")


def test_an_outage_that_every_part_met_is_one():
    outage = Finding.of(Code.NET_UNAVAILABLE, "linux-64")
    joined = merge([part(1, package("a"), findings=(outage,)), part(2, package("b"), findings=(outage,))])
    assert joined.findings == (outage,)
    assert {run.name: run.found for run in joined.checks}["undecided"] == 1


def test_what_a_package_of_another_part_says_already_is_not_told_again():
    broken = Finding.of(Code.SIDECAR_DIGEST, "store/x.sigs")
    joined = merge([part(1, findings=(broken,)), part(2, package("x", status="rejected", findings=[broken]))])
    assert joined.findings == ()
    assert {run.name: run.found for run in joined.checks}["sidecars"] == 1


def test_one_incomplete_part_makes_the_whole_incomplete_and_times_span():
    late = part(2, started=AT + timedelta(hours=3), finished=AT + timedelta(hours=4), complete=False)
    joined = merge([part(1, package("a")), late])
    assert (joined.started, joined.finished, joined.complete) == (AT, AT + timedelta(hours=4), False)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [part(1)],
        [part(1), part(1)],
        [part(1), part(3)],
        [part(1), part(2, of=3)],
        [replace(part(1), part=None)],
        [part(1), part(2, target="https://conda.example/other")],
        [part(1), part(2, mode="index-only")],
        [part(1), part(2, policy="p", policy_sha256="ab" * 32)],
        [part(1), part(2, trust_roots=(Sha256("ef" * 32),))],
        [part(1), part(2, trust_roots=(Sha256("01" * 32), Sha256("ef" * 32)))],
        [part(1), part(2, subdirs=("linux-64",))],
        [part(1), part(2, subdirs=("linux-64", "noarch"))],
        [part(1), part(2, package("a", status="rejected"), totals=dict.fromkeys(STATUSES, 0) | {"accepted": 1})],
    ],
)
def test_what_is_not_every_part_of_one_audit_is_refused(parts):
    """A merge without the part that has the rejection would be a pass."""
    with pytest.raises(Misuse):
        merge(parts)


def test_parts_under_other_trust_roots_are_told_what_to_do():
    """What one root vouches for, another may not: together they are the audit of neither."""
    with pytest.raises(Misuse, match=f"trust roots {'ef' * 32}, {'01' * 32}, another has {'ab' * 32}") as caught:
        merge([part(1), part(2, trust_roots=(Sha256("ab" * 32),))])
    assert "condattest trust fetch" in caught.value.hint
    assert merge([part(1), part(2)]).trust_roots == part(1).trust_roots


def test_reports_are_read_from_files(tmp_path):
    path = tmp_path / "part.json"
    out = io.StringIO()
    audit_report.write(part(1, package("a")), out, exit_code=0)
    path.write_text(out.getvalue())
    assert list(opened(path).results) == [package("a")]


@pytest.mark.parametrize("text", [None, "", "{}", "hello"])
def test_a_file_that_is_no_report_is_misuse_with_a_hint(tmp_path, text):
    path = tmp_path / "part.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misuse) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert text == "" or caught.value.hint


def test_a_part_that_could_not_have_a_subdir_says_so_itself():
    outage = Finding.of(Code.NET_UNAVAILABLE, "linux-64")
    joined = merge([part(1, subdirs=("linux-64", "noarch")), part(2, findings=(outage,))])
    assert joined.subdirs == ("linux-64", "noarch")
    assert outcome(joined).missing


@pytest.mark.parametrize("which", [1, 2])
def test_a_check_has_to_run_in_every_part(which):
    """Patches that were judged in one part say nothing of the other's records."""
    left_out = tuple(CheckRun(name, name not in ("patches", "seen-once"), 0) for name in CHECKS)
    with pytest.raises(Misuse, match="checks"):
        merge([part(number, **({"checks": left_out} if number == which else {})) for number in (1, 2)])


def test_one_part_alone_looks_for_orphans():
    without = tuple(CheckRun(name, name not in ("orphans", "seen-once"), 0, "part 1 looks") for name in CHECKS)
    runs = {run.name: run for run in merge([part(1), part(2, checks=without)]).checks}
    assert (runs["orphans"].ran, runs["orphans"].found) == (True, 1)
