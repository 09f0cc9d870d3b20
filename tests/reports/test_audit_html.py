import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from condattest.reports import audit_html
from condattest.reports.audit_html import embedded
from tests import audits

VOID = {"meta", "input", "br"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "section", "aside"),
    *("div", "span", "p", "a", "b", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd", "small", "figure"),
    *("figcaption", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "noscript", "script"),
    *("button", "label", "input", "svg", "g", "rect", "line"),
}


class Page(HTMLParser):
    """The page as a browser reads it: tags, attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.raw, self.text = [], set(), [], {"script": [], "style": []}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID and not (tag in ("rect", "line") and self.get_starttag_text().endswith("/>")):
            self.open.append(tag)
            if tag in self.raw:
                self.raw[tag].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        else:
            self.text.append(data)

    @property
    def policy(self):
        return next(
            value for tag, name, value in self.attributes if (tag, name) == ("meta", "content") and "src" in value
        )


def html(audit):
    out = io.StringIO()
    audit_html.write(audit, out)
    return out.getvalue()


def test_it_is_one_file_that_loads_nothing():
    page = Page(html(audits.audit(300)))
    loading = {"src", "srcset", "data", "poster", "action", "background", "xlink:href"}
    assert not {name for _, name, _ in page.attributes} & loading
    links = {(tag, value) for tag, name, value in page.attributes if name == "href"}
    assert {tag for tag, _ in links} == {"a"}
    assert all(value.startswith(("#", "https://github.com/condattest/condattest#")) for _, value in links)
    assert "url(" not in page.raw["style"][0]
    assert "@import" not in page.raw["style"][0]


def test_the_policy_allows_its_own_style_and_script_by_their_digests_and_nothing_else():
    page = Page(html(audits.audit(20)))
    [style], [_, script] = page.raw["style"], page.raw["script"]
    digests = [
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    ]
    assert page.policy == (
        f"default-src 'none'; style-src '{digests[0]}'; script-src '{digests[1]}'; base-uri 'none'; form-action 'none'"
    )


def test_nothing_needs_what_the_policy_forbids():
    page = Page(html(audits.audit(300)))
    assert not [name for _, name, _ in page.attributes if name == "style" or name.startswith("on")]


@settings(max_examples=25)
@given(st.lists(st.text(), min_size=1, max_size=3))
def test_whatever_a_name_holds_it_is_text(texts):
    page = Page(html(audits.audit(21, texts=tuple(texts), generations=1)))
    assert page.tags <= TAGS
    assert len(page.raw["script"]) == 2


@pytest.mark.parametrize("hostile", audits.HOSTILE)
def test_hostile_texts_stay_text_in_page_and_data(hostile):
    written = html(audits.audit(60, texts=(hostile,), target=hostile, limit=hostile, mode="since", policy=hostile))
    page = Page(written)
    assert page.tags <= TAGS
    data, _ = page.raw["script"]
    assert json.loads(data)["whole"] == 60
    assert not {"<", ">", "&"} & set(data)
    assert not re.search(r"<img|<script>alert", written)


@settings(max_examples=30)
@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_data_is_the_same_value_and_can_end_no_script(value):
    text = embedded(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not {"<", ">", "&"} & set(text)


def test_ids_are_there_once_and_labels_point_to_them():
    page = Page(html(audits.audit(300)))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    pointed = {value for _, name, value in page.attributes if name == "aria-labelledby"}
    pointed |= {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    assert pointed <= set(ids)


def test_every_chart_has_a_name_and_a_table_of_its_numbers():
    written = html(audits.audit(300))
    for chart in re.findall(r"<svg[^>]*role=\"img\"[^>]*>", written):
        assert "aria-label" in chart
    for table in ("The numbers as a table", "The signers as a table", "The generations as a table"):
        assert f"<summary>{table}</summary>" in written


def test_an_empty_audit_makes_a_page():
    written = html(audits.audit(0, generations=0, findings=(), checks=(), unexplained={}, subdirs=()))
    for said in ("No package was looked at", "Nothing was found.", "No generation of patches", "None was found."):
        assert said in written


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_wcag_asks_for(scheme):
    """AA: 4.5 for text, 3 for what is drawn."""
    css = resources.files("condattest.reports").joinpath("page", "page.css").read_text("utf-8")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", re.findall(r":root \{([^}]*)\}", css)[scheme]))
    for name in ("ink", "soft", "link", "accepted-ink", "unattested-ink", "undecided-ink", "rejected-ink"):
        for ground in ("paper", "wash"):
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("accepted", "unattested", "undecided", "rejected", "signer"):
        assert _contrast(colours[name], colours["paper"]) >= 3, name
