"""What an upload gave is told whole, to programs and to people, and shows nothing that it should not."""

import io
import json
from pathlib import Path

from rich.console import Console

from condattest.errors import ServiceFailed
from condattest.model.artifact import Artifact, PackageFile, Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.admission import Offer
from condattest.operations.upload import Upload, Uploaded
from condattest.policy.admit import Admitted
from condattest.reports import uploads
from condattest.sandbox import github
from condattest.signatures.authenticate import authenticate
from condattest.transport import prefix_dev
from tests.rehearsal import REPOSITORY, sandbox, trust

EVIDENCE = authenticate(sandbox().sign_statement(b"{}", github(REPOSITORY)), trust())
ADMITTED = Offer("dist/x.sigstore.json", b"{}", Admitted(EVIDENCE, "https://example.org/kind", None))
FINDING = Finding.of(Code.CHANNEL_MISMATCH, "x", expected="a\x1b[2J", found="b")


def an_upload(path="dist/numbers-1.0-0.conda", findings=(), offers=(ADMITTED,)):
    artifact = Artifact(PackageFile.parse("numbers-1.0-0.conda"), Sha256("ab" * 32), "noarch")
    return Upload(path=Path(path), artifact=artifact, offers=tuple(offers), findings=tuple(findings))


FINE, REFUSED = an_upload(), an_upload(findings=[FINDING], offers=[Offer("y", b"{}", FINDING)])
OUTCOMES = [
    Uploaded(upload=FINE, outcome=prefix_dev.Upload("uploaded", "HTTP 201")),
    Uploaded(upload=FINE, outcome=prefix_dev.Upload("already-there", "there (HTTP 409: \x1b[2J)")),
    Uploaded(upload=FINE, outcome=ServiceFailed("https://prefix.dev/x", "no\x1b[2J", hint="look\x1b[2J")),
]


def shown(show, values):
    file = io.StringIO()
    show(Console(file=file, width=200, force_terminal=False), values)
    return file.getvalue()


def test_plans_say_what_is_offered_and_what_stands_against_it():
    told = uploads.plans([FINE, REFUSED])
    assert told["totals"] == {"packages": 2, "refused": 1}
    fine, refused = told["results"]
    assert fine["findings"] == []
    assert fine["bundles"][0]["predicateType"] == "https://example.org/kind"
    assert fine["bundles"][0]["refused"] is None
    assert refused["bundles"][0]["evidence"] is None
    assert refused["bundles"][0]["refused"]["code"] == "CHANNEL-MISMATCH"
    assert refused["findings"][0]["code"] == "CHANNEL-MISMATCH"
    assert fine["sha256"] == "ab" * 32
    json.dumps(told)


def test_outcomes_add_up_and_have_the_same_keys():
    told = uploads.uploaded(OUTCOMES)
    assert told["totals"] == {"packages": 3, "uploaded": 1, "alreadyThere": 1, "failed": 1}
    assert [result["status"] for result in told["results"]] == ["uploaded", "already-there", "failed"]
    assert [result["error"] is None for result in told["results"]] == [True, True, False]
    assert [result["said"] is None for result in told["results"]] == [False, False, True]
    assert len({tuple(result) for result in told["results"]}) == 1


def test_a_server_is_quoted_without_its_control_characters():
    text = json.dumps(uploads.uploaded(OUTCOMES), ensure_ascii=False)
    assert "\x1b" not in text + json.dumps(uploads.plans([REFUSED]), ensure_ascii=False)


def test_a_local_path_is_exact_for_programs_and_safe_for_people():
    path = "/home/t/me/\u202edist\x1b[2J/numbers-1.0-0.conda"
    plan = an_upload(path, findings=[FINDING])
    failed = Uploaded(upload=plan, outcome=OUTCOMES[2].outcome)
    for told in (uploads.plans([plan]), uploads.uploaded([failed])):
        assert json.loads(json.dumps(told))["results"][0]["package"] == path
    for text in (shown(uploads.show_plans, [plan]), shown(uploads.show_uploaded, [failed])):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_people_see_what_is_refused_and_why():
    text = shown(uploads.show_plans, [FINE, REFUSED])
    assert "numbers-1.0-0.conda: to upload" in text
    assert "numbers-1.0-0.conda: refused" in text
    assert "CHANNEL-MISMATCH" in text


def test_people_see_every_outcome_and_the_totals():
    text = shown(uploads.show_uploaded, OUTCOMES)
    assert "already there" in text
    assert "failed: dist/numbers-1.0-0.conda: https://prefix.dev/x: no" in text
    assert "look" in text
    assert text.endswith("3 packages: 1 uploaded, 1 already there, 1 failed\n")
    assert shown(uploads.show_uploaded, OUTCOMES[:1]).endswith("1 package: 1 uploaded, 0 already there, 0 failed\n")
    assert "outcome" not in shown(uploads.show_uploaded, OUTCOMES[2:])
