"""An audit as JSON."""

import io
import json

from condattest.model.finding import Code, Finding
from condattest.reports import audit_json
from tests.formats.test_audit_report import made
from tests.operations.test_audit_merge import package


def test_findings_have_their_sentences_and_foreign_text_is_made_safe():
    """A package's name must not paint over a terminal that shows the file."""
    hostile = package("x\x1b[2J\u202e", findings=[Finding.of(Code.CRYPTO, "\x1b", reason="\u202e")])
    out = io.StringIO()
    audit_json.write(made([hostile]), out, exit_code=1)
    assert "\u202e" not in out.getvalue()
    [result] = json.loads(out.getvalue())["results"]
    assert result["name"] == "x\\x1b[2J\\u202e"
    assert result["findings"][0]["message"].startswith("the signature")
