"""Reports of an audit, by name."""

import io

from condattest.reports import audits
from tests.formats.test_audit_report import made
from tests.operations.test_audit_merge import package


def test_the_table_has_totals_and_what_did_not_run():
    out = io.StringIO()
    audits.write("table", made([package("x\x1b")]), out)
    assert "1 packages: 1 accepted" in out.getvalue()
    assert "not run" in out.getvalue()
