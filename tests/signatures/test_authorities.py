"""What a trusted root says is read exactly, and its windows are judged without a clock."""

import json
from datetime import UTC, datetime

import pytest

from condattest.signatures import authorities, refresh
from condattest.signatures.authorities import Window
from tests.rehearsal import sandbox

PRODUCTION = json.loads(refresh.PRODUCTION.shipped("trusted_root.json"))


def test_a_window_holds_its_start_and_not_its_end():
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert window.holds(datetime(2026, 1, 1, tzinfo=UTC))
    assert window.holds(datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC))
    assert not window.holds(datetime(2026, 2, 1, tzinfo=UTC))
    assert Window().holds(datetime(1970, 1, 1, tzinfo=UTC))


def test_the_public_root_is_read_whole():
    found = authorities.read(PRODUCTION)
    assert [authority.name for authority in found.certificate] == ["https://fulcio.sigstore.dev"] * 2
    assert {log.name for log in found.logs.values()} >= {"https://rekor.sigstore.dev"}
    assert len(found.ct_logs) == len(PRODUCTION["ctlogs"])
    assert [authority.name for authority in found.time_stamp] == ["https://timestamp.sigstore.dev/api/v1/timestamp"]
    assert found.certificate[0].window.end is not None


def test_without_clock_changes_nothing_but_the_starts():
    opened = authorities.without_clock(PRODUCTION)
    text = json.dumps(opened)
    for member in [*PRODUCTION["tlogs"], *PRODUCTION["ctlogs"]]:
        assert member["publicKey"]["rawBytes"] in text
    windows = [log["publicKey"]["validFor"] for log in (*opened["tlogs"], *opened["ctlogs"])]
    windows += [each["validFor"] for each in (*opened["certificateAuthorities"], *opened["timestampAuthorities"])]
    assert {window["start"] for window in windows} == {"1970-01-01T00:00:00Z"}
    ends = [log["publicKey"]["validFor"].get("end") for log in PRODUCTION["ctlogs"]]
    assert [log["publicKey"]["validFor"].get("end") for log in opened["ctlogs"]] == ends


def test_a_chain_of_one_certificate_is_no_time_stamp_authority():
    document = json.loads(sandbox().trusted_root_json())
    document["timestampAuthorities"][0]["certChain"]["certificates"][1:] = []
    assert authorities.read(document).time_stamp == ()


@pytest.mark.parametrize("start", ["yesterday", "2026-01-01T00:00:00", ""])
def test_a_time_that_is_none_is_refused(start):
    document = json.loads(sandbox().trusted_root_json())
    document["tlogs"][0]["publicKey"]["validFor"]["start"] = start
    with pytest.raises(ValueError, match=r"isoformat|zone"):
        authorities.read(document)
