"""Fixtures that several floors share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of packages and indexes that others published; a test that needs it is skipped where it is absent."""
    named = os.environ.get("CONDATTEST_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "packages").is_dir():
        pytest.skip(f"no real data at {folder}: set CONDATTEST_REAL_DATA to a folder that has it")
    return folder
