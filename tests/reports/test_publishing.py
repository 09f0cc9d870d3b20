"""What was published, indexed and mirrored: the document has it all, and people are told what is wrong and not more."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from condattest.errors import LocalFailure, Malformed
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.admission import Offer
from condattest.operations.index import SubdirReport
from condattest.operations.mirror import Mirrored
from condattest.operations.publish import Published
from condattest.operations.publish_plan import Plan
from condattest.policy.admit import Admitted
from condattest.reports import publishing
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from tests.rehearsal import REPOSITORY, sandbox, trust

FILE = PackageFile.parse("numbers-1.0-0.conda")
DIGEST = Sha256("ab" * 32)
EVIDENCE = authenticate(sandbox().sign_statement(b"{}", github(REPOSITORY)), trust())
ADMITTED = Offer("dist/x\x1b[2J.json", b"{}", Admitted(EVIDENCE, "https://example.org/kind", None))
FINDING = Finding.of(Code.CHANNEL_MISMATCH, "x", expected="a\x1b[2J", found="b")
REFUSED = Offer("y", b"{}", FINDING)
OTHER = Sha256("7" * 64)
ORPHAN = Finding.of(Code.INDEX_ORPHAN, "noarch/x")
FULL = LocalFailure("disk full\x1b[2J", hint="make room")


def a_plan(**how):
    said = {
        "target": "dist/numbers\x1b[2J.conda",
        "artifact": Artifact(FILE, DIGEST, "noarch"),
        "source": Path("x"),
        "present": False,
        "offers": (ADMITTED,),
        "lacking": 1,
        "findings": (),
    }
    return Plan(**(said | how))


def shown(show, *values, **how):
    out = io.StringIO()
    show(Console(file=out, width=400), *values, **how)
    assert "\x1b" not in out.getvalue()
    return out.getvalue()


def test_a_plan_says_what_each_bundle_proves_or_why_it_is_refused():
    made = publishing.plans([a_plan(), a_plan(offers=(ADMITTED, REFUSED), findings=(FINDING,))])
    json.dumps(made)
    assert made["totals"] == {"packages": 2, "refused": 1}
    fine, refused = made["results"]
    assert (fine["path"], fine["sha256"], fine["upload"], fine["lacking"]) == (f"noarch/{FILE}", DIGEST, True, 1)
    assert (fine["bundles"][0]["refused"], fine["findings"]) == (None, [])
    assert fine["bundles"][0]["evidence"]["signer"]["identity"] == EVIDENCE.signer.san
    assert [bool(each["evidence"]) for each in refused["bundles"]] == [True, False]
    assert refused["bundles"][1]["refused"]["code"] == refused["findings"][0]["code"] == "CHANNEL-MISMATCH"


def test_a_plan_is_shown_with_its_signer_and_what_stands_against_it():
    text = shown(publishing.show_plans, [a_plan(), a_plan(present=True, findings=(FINDING,), offers=(REFUSED,))])
    assert EVIDENCE.signer.san in text
    assert "1 to publish, 1 refused" in text
    assert text.count("CHANNEL-MISMATCH") == 1


OUTCOMES = [
    Published(plan=a_plan(), uploaded=True, sidecar=DIGEST, appended=1, listed=True),
    Published(plan=a_plan(present=True, offers=(ADMITTED, ADMITTED)), sidecar=DIGEST, appended=1),
    Published(plan=a_plan(), problem=FULL),
    Published(plan=a_plan(), uploaded=True, sidecar=DIGEST, appended=1, problem=Malformed(FINDING)),
]


def test_what_was_published_adds_up_and_what_failed_is_not_counted_as_there():
    made = publishing.published(OUTCOMES, {"noarch/repodata.json": 2})
    json.dumps(made)
    assert made["totals"] == {
        "packages": 4, "published": 2, "failed": 2, "uploaded": 2, "appended": 3, "alreadyThere": 1, "notIndexed": 1,
    }  # fmt: skip
    assert made["index"] == {"noarch/repodata.json": 2}
    assert [each["indexed"] for each in made["results"]] == [True, False, False, False]
    assert [each["error"] and each["error"]["kind"] for each in made["results"]] == [
        None, None, "LocalFailure", "Malformed",
    ]  # fmt: skip


def test_what_was_published_is_shown_with_every_problem():
    text = shown(publishing.show_published, OUTCOMES, {"noarch/repodata.json": 1})
    assert "4 packages: 2 published, 2 failed; 2 files uploaded, 3 bundles appended, 1 already there" in text
    assert "names it" in text
    assert "does not list the package" in text
    assert "disk full" in text
    assert "make room" in text
    assert "CHANNEL-MISMATCH" in text
    assert "noarch/repodata.json: 1 record changed" in text


def test_what_was_replaced_is_shown_with_the_lines_that_revoke_it():
    plan = a_plan(replacing=True, replaces=OTHER, former=(OTHER,))
    line = f'[revoked]\nsha256 = ["{OTHER}"]'
    assert line in shown(publishing.show_plans, [plan])
    assert publishing.plans([plan])["results"][0]["revoke"] == {"sha256": [OTHER], "toml": line}
    done = Published(plan=plan, uploaded=True, sidecar=DIGEST, appended=1, stale=True)
    text = shown(publishing.show_published, [done], {})
    assert "replaced" in text
    assert "lists other bytes" in text
    assert line in text
    # What is still there must not be revoked.
    assert line not in shown(publishing.show_published, [Published(plan=plan, problem=FULL)], {})
    assert line not in shown(publishing.show_plans, [replace(plan, findings=(FINDING,))])


REPORTS = [
    SubdirReport("linux-64", 3, {"linux-64/repodata.json": 2}, ("linux-64/x.sigs",), (ORPHAN,), (FINDING,)),
    SubdirReport("noarch"),
]


def test_an_index_report_adds_up():
    made = publishing.indexed(REPORTS)
    json.dumps(made)
    assert made["totals"] == {"subdirs": 2, "sidecars": 3, "changed": 2, "mended": 1, "findings": 1}
    assert made["results"][0]["written"] == ["linux-64/x.sigs"]
    assert made["results"][0]["mended"][0]["code"] == "CHANNEL-MISMATCH"
    assert made["results"][1] == {
        "subdir": "noarch", "sidecars": 0, "changed": {}, "written": [], "mended": [], "findings": [],
    }  # fmt: skip


def test_an_index_report_shows_what_is_wrong_and_says_so_if_nothing_is():
    text = shown(publishing.show_indexed, REPORTS, checked=False)
    assert "2 subdirs: 1 finding" in text
    assert "INDEX-ORPHAN" in text
    assert "linux-64/repodata.json: 2 records changed" in text
    assert "mended" in text
    text = shown(publishing.show_indexed, REPORTS[1:], checked=True)
    assert "1 subdir: index and sidecars are in line" in text
    assert "mended" not in text


COPIED = Mirrored(subdir="noarch", file=FILE, uploaded=True, sidecar=DIGEST, appended=1, notes=(ORPHAN,))
MIRRORED = [
    COPIED,
    replace(COPIED, sidecar=None, uploaded=False),
    Mirrored(subdir="noarch", file=FILE, findings=(FINDING,)),
    Mirrored(subdir="noarch", file=FILE, problem=FULL),
]


def test_what_was_mirrored_adds_up_and_only_what_is_here_counts_as_attested():
    made = publishing.mirrored([*MIRRORED, replace(COPIED, uploaded=False, problem=FULL)])
    json.dumps(made)
    assert made["totals"] == {
        "packages": 5, "copied": 2, "refused": 1, "failed": 2, "uploaded": 1, "attested": 1,
    }  # fmt: skip
    assert [each["copied"] for each in made["results"]] == [True, True, False, False, False]
    assert [finding["code"] for finding in made["results"][0]["findings"]] == ["INDEX-ORPHAN"]


@pytest.mark.parametrize("verbose", [False, True])
def test_notes_of_what_was_copied_are_shown_only_if_asked_for(verbose):
    text = shown(publishing.show_mirrored, MIRRORED, verbose=verbose)
    assert ("INDEX-ORPHAN" in text) is verbose
    assert "CHANNEL-MISMATCH" in text
    assert "disk full" in text
    assert "4 packages: 2 copied (1 with attestations, 1 new), 1 refused, 1 failed" in text
