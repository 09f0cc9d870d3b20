import io
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from condattest.model.audit import CHECKS
from condattest.model.finding import Code
from condattest.reports import audit_table
from tests import audits

OWN = re.compile(
    r"(in |check|subdir|signed|patches|finding|generation \d|note: |Audit of |policy: |unexplained in |\u2500|[\d<>-]|"
    + "|".join([*CHECKS, *Code])
    + ")"
)


def shown(audit, width=100):
    out = io.StringIO()
    audit_table.show(Console(file=out, width=width, markup=False), audit)
    return out.getvalue()


def test_it_has_coverage_checks_signers_patches_and_findings():
    text = shown(audits.audit(400), 160)
    assert re.search(r"in linux-64 +101 +71 +5 +20 +5", text)
    assert re.search(r"orphans +did not run +over HTTP", text)
    assert re.search(r"28 +2024-04-14 +2026-02-28 +https://github.com/conda-example/feedstock-4/", text)
    assert re.search(r"generation 12 of linux-64 +2026-03-02T12:00:00Z \(tsa\) +122 +0", text)
    assert "unexplained in noarch: 3 changed records" in text
    assert re.search(r"AUDIT-UNATTESTED +warning +80 +the index lists", text)
    assert text.endswith("400 packages: 280 accepted, 20 rejected, 80 unattested, 20 undecided\n")


def test_what_is_cut_is_counted():
    text = shown(audits.audit(400))
    assert re.search(r"\d+ further findings not shown: --report jsonl=FILE", text)
    assert "14 further generations not shown" in text
    assert "11 further signers not shown" in text


def test_a_generation_that_cannot_be_believed_says_so():
    text = shown(audits.audit(4, generations=2))
    assert re.search(r"generation 2 of noarch +not to be believed", text)


def test_on_a_narrow_terminal_the_numbers_stay():
    text = shown(audits.audit(400), 80)
    assert re.search(r"28 +2024-04-14 +2026-02-28 +https://git", text)
    assert max(len(line) for line in text.splitlines() if " 2024-" in line) <= 80


def test_to_a_file_there_is_no_colour():
    out = io.StringIO()
    audit_table.write(audits.audit(20), out)
    assert "\x1b" not in out.getvalue()


@settings(max_examples=40)
@given(st.lists(st.text(), min_size=1, max_size=3))
def test_every_line_begins_with_words_of_our_own(texts):
    """A package is called `::add-mask::`, and a CI system would take its line for a command."""
    for line in shown(audits.audit(21, texts=(*texts, "::error::x\n::error::y", "##[error]z"))).splitlines():
        assert not line.strip() or OWN.match(line.strip()), line
        assert "##[" not in line


def test_hostile_texts_are_shown_escaped_and_cut():
    text = shown(audits.audit(400, texts=audits.HOSTILE), 200)
    assert "\\u202egnp.exe" in text
    assert "x" * 700 not in text
    assert "(10," in text
