"""Rows on disk."""

from datetime import UTC, datetime

import pytest

from condattest.errors import LocalFailure, Misuse
from condattest.model.artifact import Sha256
from condattest.model.finding import Code, Finding
from condattest.operations.audit_spool import Kept, Row, Signed, Spool, moment

AT = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)


def row(number=0, **more) -> Row:
    signed = [Signed("me", "issuer", AT, "log", "issuer me")]
    return Row(
        "noarch", f"x-{number:05}-0.conda", "x", "1", Sha256("ab" * 32), None, "accepted", 5, "rule", signed, **more
    )


def test_rows_come_back_as_they_were_put_as_often_as_wanted():
    spool = Spool(None, b"key")
    rows = [row(number, found=[("CRYPTO", "x", {"reason": "no\n\x1b"})]) for number in range(250)]
    for each in rows:
        spool.put(each)
    assert len(spool) == 250
    assert list(spool) == rows == list(spool)
    walks = zip(spool, spool, strict=True)
    assert all(one == two for one, two in walks)
    spool.close()


def test_a_row_is_the_value_that_reports_show():
    made = row()
    made.add(Finding.of(Code.CRYPTO, "x", reason="no"))
    shown = made.audited([Finding(Code.AUDIT_LATE)])
    assert [finding.code for finding in shown.findings] == [Code.CRYPTO, Code.AUDIT_LATE]
    assert (shown.sha256, shown.rule, shown.signatures[0].at) == ("ab" * 32, "rule", AT)
    assert shown.indexed_at == datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)


@pytest.mark.parametrize("cut", [1, 3, 10, 100])
def test_what_a_killed_writer_left_half_written_is_cut_off(tmp_path, cut):
    path = tmp_path / "state"
    spool = Spool(path, b"key")
    for number in range(10):
        spool.put(row(number))
    spool.flush()
    spool.close()
    path.write_bytes(path.read_bytes()[:-cut])
    kept = Kept(path, b"key")
    found = [kept.row("noarch", row(number).file, lambda subdir: 0) for number in range(10)]
    kept.close()
    assert found[:8] == [row(number) for number in range(8)]
    assert found[9] is None


def test_what_is_not_listed_any_more_is_passed_over(tmp_path):
    path = tmp_path / "state"
    spool = Spool(path, b"key")
    for number in range(5):
        spool.put(row(number))
    spool.flush()
    spool.close()
    kept = Kept(path, b"key")
    assert kept.row("noarch", row(3).file, lambda subdir: 0) == row(3)
    assert kept.row("noarch", "x-00003-1.conda", lambda subdir: 0) is None
    assert kept.row("noarch", row(4).file, lambda subdir: 0) == row(4)
    assert kept.is_over
    kept.close()


def test_a_file_of_something_else_is_refused_and_none_is_no_rows(tmp_path):
    assert Kept(tmp_path / "none", b"key").is_over
    Spool(tmp_path / "state", b"other").close()
    with pytest.raises(Misuse, match="another channel"):
        Kept(tmp_path / "state", b"key")
    (tmp_path / "empty").touch()
    with pytest.raises(Misuse, match="something else"):
        Kept(tmp_path / "empty", b"key")


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    with pytest.raises(LocalFailure):
        Spool(tmp_path / "no" / "such" / "folder", b"key")


@pytest.mark.parametrize(("value", "year"), [(None, None), (-1, None), (0, 1970), (2**60, None)])
def test_a_time_that_is_no_date_is_none(value, year):
    assert getattr(moment(value), "year", None) == year
