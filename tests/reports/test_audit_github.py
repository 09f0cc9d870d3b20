import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.errors import LocalFailure
from condattest.reports import audit_github
from condattest.reports.audit_github import SUMMARY, command, summarize
from tests import audits

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def lines(audit):
    out = io.StringIO()
    audit_github.write(audit, out)
    return out.getvalue().splitlines()


def levels(audit):
    return [COMMAND.fullmatch(line)[1] for line in lines(audit)]


def unescaped(text):
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def test_a_step_gets_ten_of_each_level_and_one_notice_that_counts_the_rest():
    found = lines(audits.audit(2_000))
    kinds = levels(audits.audit(2_000))
    assert [kinds.count(level) for level in ("error", "warning", "notice")] == [10, 10, 1]
    assert re.search(r"There are [\d,]+ more errors and [\d,]+ more warnings than a step can show", found[-1])


def test_with_few_findings_nothing_is_said_of_more():
    quiet = audits.audit(10, findings=(), generations=0)
    assert "more" not in lines(quiet)[-1]
    assert "10 packages: " in lines(quiet)[-1]


def test_what_limits_the_figures_is_in_the_notice():
    assert "interrupted" in lines(audits.audit(10, complete=False))[-1]


@given(st.text(), st.text())
def test_a_command_is_one_line_that_gives_its_texts_back(title, message):
    written = command("error", title, message)
    match = COMMAND.fullmatch(written.removesuffix("\n"))
    assert match
    assert (unescaped(match[2]), unescaped(match[3])) == (title, message)


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_whatever_a_package_is_called_no_other_command_comes_of_it(texts):
    """A package is called `::stop-commands::x`, after a line feed."""
    for line in lines(audits.audit(21, texts=(*texts, *audits.HOSTILE))):
        assert COMMAND.fullmatch(line), line


def test_messages_are_cut():
    assert max(map(len, lines(audits.audit(400, texts=("x" * 100_000,))))) < 4_000


class TestSummarize:
    def test_it_is_appended(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("before\n", "utf-8")
        summarize(audits.audit(20), path)
        text = path.read_text("utf-8")
        assert text.startswith("before\n## Audit of ")

    def test_it_is_made_where_it_is_not_there(self, tmp_path):
        summarize(audits.audit(20), tmp_path / "summary.md")
        assert "20 packages" in (tmp_path / "summary.md").read_text("utf-8")

    def test_a_summary_that_is_almost_full_gets_a_line(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("x" * (SUMMARY - 500), "utf-8")
        summarize(audits.audit(20), path)
        assert path.stat().st_size <= SUMMARY
        assert "no room" in path.read_text("utf-8")

    def test_a_full_summary_is_left_alone(self, tmp_path):
        path = tmp_path / "summary.md"
        path.write_text("x" * SUMMARY, "utf-8")
        summarize(audits.audit(20), path)
        assert path.stat().st_size == SUMMARY

    def test_a_path_that_cannot_be_written_is_said(self, tmp_path):
        with pytest.raises(LocalFailure, match="the summary cannot be written"):
            summarize(audits.audit(20), tmp_path)
