"""An audit as JSON: findings with their sentences, and foreign text made safe to show.

Owns `write`; the form is `formats.audit_report`'s.
"""

from typing import TextIO

from condattest.formats import audit_report
from condattest.model.audit import Audit
from condattest.reports import documents
from condattest.reports.plain import plain


def write(audit: Audit, out: TextIO, *, exit_code: int) -> None:
    """Write the document of an audit, as a stream."""
    audit_report.write(audit, out, exit_code=exit_code, say=documents.finding, show=plain)
