import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from condattest.model.channel import Channel
from condattest.model.finding import Code, Finding
from condattest.operations.screening import Refusal, Sheet
from condattest.reports import left_out
from tests.rehearsal import NOW

EVIL = "<script>alert(1)</script>\x1b[31m\u202e\"'&"
WHY = Finding.of(Code.MISSING_ATTESTATION, EVIL, rule=EVIL)


def made():
    sheet = Sheet(3, {Code.MISSING_ATTESTATION: 5}, {EVIL: WHY}, (EVIL,))
    refusals = (Refusal(NOW, EVIL, 403, (WHY,)),)
    return left_out.document({"mine": Channel("https://c.example")}, {EVIL: sheet}, refusals, (7, 1), EVIL)


def test_the_document_says_what_and_why():
    document = json.loads(left_out.to_json(made()))
    assert document["schema"] == "condattest/proxy-report/1"
    [index] = document["indexes"]
    assert (index["kept"], index["leftOut"], index["byCode"]) == (3, 5, {"MISSING-ATTESTATION": 5})
    assert index["records"][0]["message"].startswith("no attestation was found")
    assert document["refused"]["latest"][0]["findings"][0]["code"] == "MISSING-ATTESTATION"
    assert document["packages"] == {"served": 7}


def test_the_page_escapes_whatever_is_foreign():
    page = left_out.page(made())
    seen = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Reader().feed(page.html)
    assert {tag for tag, _ in seen} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "code", "table", "thead",
        "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert not any(key.startswith("on") or key in ("src", "href", "style") for _, attrs in seen for key in attrs)
    assert "\x1b" not in page.html
    assert "\u202e" not in page.html
    assert "And 4 more" in page.html


def test_the_page_allows_its_own_style_and_nothing_else():
    page = left_out.page(made())
    [style] = re.findall("<style>(.*?)</style>", page.html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in page.security
    assert f"style-src 'sha256-{digest}'" in page.security
    assert "unsafe" not in page.security


def test_a_page_without_anything_says_none():
    assert left_out.page(left_out.document({}, {}, (), (0, 0), "p")).html.count("None.") == 2
