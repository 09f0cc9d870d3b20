"""Single options of `condattest audit`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from condattest.cli import audit_options, moments
from condattest.errors import Misuse


def test_reports():
    read = audit_options.reports_of
    assert read([], json=False) == [("table", None)]
    assert read([], json=True) == [("json", None)]
    assert read(["json=a=b.json", "table"], json=False) == [("json", Path("a=b.json")), ("table", None)]
    with pytest.raises(Misuse, match="more than one"):
        read(["table"], json=True)
    with pytest.raises(Misuse) as caught:
        read(["pdf"], json=False)
    assert "json" in caught.value.hint


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/2/3", "-1/2", "1/0", "a/b", " 1/2"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(Misuse, match="1/4"):
        audit_options.part_of(text)


def test_a_part_a_time_and_a_duration():
    assert audit_options.part_of("2/3") == (2, 3)
    assert audit_options.part_of(None) is None
    assert moments.time_of("2026-01-02", "--since") == datetime(2026, 1, 2, tzinfo=UTC)
    assert moments.time_of("2026-01-02T03:00:00+02:00", "--since") == datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert moments.duration_of("36h", "--late-after") == timedelta(hours=36)
