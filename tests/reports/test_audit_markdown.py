import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from condattest.reports.audit_markdown import LIMIT, code, text
from condattest.reports.plain import short
from tests import audits

RENDER = MarkdownIt("commonmark", {"html": True}).enable("table").render
TAGS = {
    *("h2", "h3", "p", "strong", "code", "blockquote", "details", "summary", "a", "br"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """What a reader of the rendered text gets."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.links, self.codes, self.inside = set(), [], [], False
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "code":
            assert not self.inside
            self.inside = True
            self.codes.append("")

    def handle_endtag(self, tag):
        if tag == "code":
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.codes[-1] += data


@given(st.text(min_size=1))
def test_foreign_text_in_a_table_cell_comes_out_as_it_is(foreign):
    page = Page(RENDER(f"| a | b |\n| --- | --- |\n| {code(foreign)} | x |\n"))
    assert page.codes == [short(foreign, 160)]
    assert page.tags <= TAGS
    assert page.links == []


@pytest.mark.parametrize("foreign", audits.HOSTILE)
def test_hostile_texts_make_no_tag_link_or_mention(foreign):
    written = text(audits.audit(60, texts=(foreign,)))
    page = Page(RENDER(written))
    assert page.tags <= TAGS
    assert all(link.startswith("https://github.com/condattest/condattest#") for link in page.links)
    assert "@" not in written
    assert "\r" not in written


def test_every_row_has_as_many_cells_as_its_heading():
    columns = 0
    for line in text(audits.audit(200, texts=audits.HOSTILE)).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        assert columns in (0, line.count("|"))
        columns = line.count("|")


def test_the_code_links_to_its_explanation():
    assert "[AUDIT-UNATTESTED](https://github.com/condattest/condattest#audit-unattested)" in text(audits.audit(60))


def test_figures_checks_findings_patches_and_signers_are_there():
    written = text(audits.audit(60))
    assert "**60 packages: 42 accepted, 3 rejected, 12 unattested, 3 undecided.**" in written
    assert "| orphans | **did not run** |" in written
    for heading in ("Coverage", "Checks", "Findings", "Patches of records", "Signers"):
        assert f"\n### {heading}\n" in written


def test_a_comment_has_room_for_it_whatever_the_audit_holds():
    worst = "|" * 10_000
    generous = audits.audit(4_000, texts=(worst,), subdirs=tuple(f"{worst}{n}" for n in range(60)), target=worst)
    assert len(text(generous)) <= LIMIT


def test_rows_without_room_are_counted():
    written = text(audits.audit(4_000, texts=("|" * 10_000,)))
    assert re.search(r"\n\d+ further rows not shown\.\n", written)
    assert "<summary>The worst 25</summary>" in written
