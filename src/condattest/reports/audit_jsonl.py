r"""An audit as JSON lines, for tools that read a line at a time.

    {"schema": "condattest/audit/1", "target": ..., "totals": {...}, "checks": [...], ...}
    {"subdir": "noarch", "file": ..., "status": "accepted", "signatures": [...], "findings": [...], ...}

The first line says what was audited; each line after it is one package, in the order of subdir and file name.
"""

import json
from typing import TextIO

from condattest.model.audit import Audit
from condattest.reports import audit_documents


def write(audit: Audit, out: TextIO) -> None:
    """Write the header, and one line for each package, as it comes."""
    out.write(json.dumps(audit_documents.header(audit)) + "\n")
    for package in audit.results:
        out.write(json.dumps(audit_documents.package(package)) + "\n")
