"""Which ranges are read in one go."""

from hypothesis import given
from hypothesis import strategies as st

from roverd.storage.ranges import Merging, spans

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=30)
MERGING = st.builds(Merging, gap=st.integers(0, 30), most=st.integers(0, 120))


@given(ranges=RANGES, merging=MERGING)
def test_every_range_lies_in_exactly_one_span(ranges, merging: Merging) -> None:
    made = spans(ranges, merging)
    assert sorted(number for span in made for number in span.ranges) == list(range(len(ranges)))
    for span in made:
        for offset, size in (ranges[number] for number in span.ranges):
            assert span.offset <= offset
            assert offset + size <= span.offset + span.size


@given(ranges=RANGES, merging=MERGING)
def test_no_span_is_longer_than_need_be_or_may_be(ranges, merging: Merging) -> None:
    for span in spans(ranges, merging):
        wanted = [ranges[number] for number in span.ranges]
        assert span.offset == min(offset for offset, _ in wanted)
        assert span.offset + span.size == max(offset + size for offset, size in wanted)
        assert span.size <= merging.most or len(set(wanted)) == 1


@given(ranges=RANGES, merging=MERGING)
def test_no_gap_is_read_that_is_wider_than_allowed(ranges, merging: Merging) -> None:
    for span in spans(ranges, merging):
        reached = span.offset
        for offset, size in sorted(ranges[number] for number in span.ranges):
            assert offset - reached <= merging.gap
            reached = max(reached, offset + size)


@given(ranges=RANGES, merging=MERGING)
def test_equal_ranges_are_read_once(ranges, merging: Merging) -> None:
    home = {number: span for span in spans(ranges, merging) for number in span.ranges}
    for number, one in enumerate(ranges):
        assert home[ranges.index(one)] is home[number]


def test_neighbours_are_merged_as_far_as_they_may_be() -> None:
    ranges = [(100, 10), (0, 10), (10, 10), (25, 5), (36, 4)]
    assert [(span.offset, span.size) for span in spans(ranges, Merging(gap=5, most=30))] == [
        (0, 30),
        (36, 4),
        (100, 10),
    ]
    assert [span.size for span in spans(ranges, Merging(gap=6, most=40))] == [40, 10]
    assert [span.size for span in spans(ranges, Merging(gap=1000, most=110))] == [110]
