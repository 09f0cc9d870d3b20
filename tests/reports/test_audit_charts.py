from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condattest.model.audit import Patched
from condattest.reports.audit_charts import BARS, HEIGHT, WIDTH, coverage, shares, timeline

MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def weeks(*numbers, **counts):
    return {MONDAY + timedelta(weeks=number): Counter(counts or {"accepted": 1}) for number in numbers}


def generation(number, at=NOW, changed=1, subdir="noarch"):
    return Patched(
        subdir=subdir, generation=number, at=at, source="tsa", signer="x", changed=changed, removed=0, findings=()
    )


def test_nothing_makes_no_bars():
    assert coverage({}).bars == ()


def test_a_week_without_packages_has_its_place():
    chart = coverage(weeks(0, 3))
    assert [bar.label for bar in chart.bars] == ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"]
    assert [len(bar.segments) for bar in chart.bars] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("last", "span", "label"),
    [(100, "week", "2026-03-02"), (400, "month", "2026-03"), (1500, "quarter", "2026 Q1"), (4000, "year", "2026")],
)
def test_a_long_time_is_shown_by_longer_spans(last, span, label):
    chart = coverage(weeks(0, last))
    assert (chart.span, chart.bars[0].label) == (span, label)


@given(
    st.dictionaries(
        st.integers(0, 1400).map(lambda number: date(2000, 1, 3) + timedelta(weeks=number)),
        st.dictionaries(st.sampled_from(["accepted", "rejected", "unattested", "undecided"]), st.integers(1, 10**6)),
        max_size=20,
    )
)
def test_every_package_is_in_a_bar_and_every_bar_in_the_chart(counts):
    chart = coverage({day: Counter(each) for day, each in counts.items()})
    assert len(chart.bars) <= BARS
    shown = sum(segment.count for bar in chart.bars for segment in bar.segments)
    assert shown == sum(sum(each.values()) for each in counts.values())
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert all(each.y >= -0.1 and each.y + each.height <= HEIGHT + 0.1 for each in bar.segments)


def test_shares_fill_the_bar_in_the_order_of_the_statuses():
    assert shares(Counter(accepted=1, undecided=3)) == (("accepted", 0.0, 250.0), ("undecided", 250.0, 750.0))
    assert shares(Counter()) == ()


class TestTimeline:
    def test_without_a_time_there_is_none(self):
        assert timeline([generation(1, at=None)], {}, 10) is None

    def test_generations_stand_at_their_times_on_the_lane_of_their_subdir(self):
        early = NOW - timedelta(days=10)
        line = timeline([generation(2), generation(1, at=early), generation(1, subdir="win-64")], {}, 10)
        assert [lane.subdir for lane in line.lanes] == ["noarch", "win-64"]
        newest, oldest = line.lanes[0].marks
        assert 0 < oldest.x < newest.x < WIDTH
        assert (line.first, line.last) == (early, NOW)

    def test_what_cannot_be_believed_has_no_place_and_is_counted(self):
        [lane] = timeline([generation(2), generation(1, at=None)], {}, 10).lanes
        assert (len(lane.marks), lane.unplaced) == (1, 1)

    def test_unexplained_records_are_apart_and_unknown_is_not_none(self):
        line = timeline([generation(1), generation(1, subdir="win-64")], {"noarch": 3, "linux-64": 0}, 10)
        told = {lane.subdir: (lane.unexplained, lane.unexplained_height > 0) for lane in line.lanes}
        assert told == {"noarch": (3, True), "win-64": (None, False), "linux-64": (0, False)}

    def test_a_generation_of_one_record_is_still_seen_beside_one_of_a_million(self):
        [lane] = timeline([generation(2, changed=10**6), generation(1, changed=1)], {}, 10).lanes
        assert HEIGHT >= lane.marks[0].height > lane.marks[1].height > 6

    def test_only_so_many_are_shown(self):
        [lane] = timeline([generation(number) for number in range(9, 0, -1)], {}, 4).lanes
        assert [mark.patch.generation for mark in lane.marks] == [9, 8, 7, 6]
