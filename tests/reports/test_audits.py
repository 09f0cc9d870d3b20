import io
import json

import pytest

from condattest.errors import Misuse
from condattest.reports.audits import FORMATS, Report, write
from tests import audits


def written(format_, audit):
    out = io.StringIO()
    write(format_, audit, out)
    return out.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_totals(name):
    audit = audits.audit(60)
    text = written(name, audit)
    assert text.endswith("\n")
    if name in ("jsonl", "sarif"):
        header = json.loads(text.splitlines()[0] if name == "jsonl" else text)
        totals = header["totals"] if name == "jsonl" else header["runs"][0]["properties"]["totals"]
        assert totals == {"packages": 60, **audit.totals}
    else:
        assert "60 packages: 42 accepted, 3 rejected, 12 unattested, 3 undecided" in text


@pytest.mark.parametrize("name", FORMATS)
def test_an_audit_without_packages_says_that_it_says_nothing(name):
    text = written(name, audits.audit(0, generations=0, findings=(), checks=(), unexplained={}))
    assert "No package was looked at" in text or '"packages": 0' in text


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_writes_what_a_terminal_or_a_reader_is_misled_by(name):
    """Names, identities and facts hold escape sequences, overrides and line breaks."""
    text = written(name, audits.audit(60, texts=audits.HOSTILE))
    assert not {"\x1b", "\u202e", "\u2028", "\r", "\ud800"} & set(text)
    text.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_audit_gives_the_same_bytes(name):
    assert written(name, audits.audit(60)) == written(name, audits.audit(60))


@pytest.mark.parametrize("name", [each for each in FORMATS if each != "sarif"])
def test_what_did_not_run_and_what_is_missing_is_told(name):
    text = written(name, audits.audit(20, complete=False, policy=None, mode="sample", limit="20"))
    if name == "jsonl":
        header = json.loads(text.splitlines()[0])
        assert (header["complete"], header["policy"], header["mode"], header["limit"]) == (False, None, "sample", "20")
    else:
        for said in ("interrupted", "sample of 20 packages", "No policy was given", "authenticated", "orphans"):
            assert said in text


class TestReport:
    def test_a_format_alone_goes_to_stdout(self):
        assert Report.parse("sarif") == Report("sarif", None)

    def test_a_path_may_hold_an_equals_sign(self):
        assert str(Report.parse("html=a=b.html").path) == "a=b.html"

    def test_an_unknown_format_names_the_known_ones(self):
        with pytest.raises(Misuse) as caught:
            Report.parse("pdf=x")
        assert "'pdf'" in str(caught.value)
        assert "sarif" in caught.value.hint

    def test_an_empty_path_is_misuse(self):
        with pytest.raises(Misuse, match="expected a path after ="):
            Report.parse("sarif=")

    def test_writing_an_unknown_format_is_misuse(self):
        with pytest.raises(Misuse):
            write("pdf", audits.audit(1), io.StringIO())
