"""Where reading may begin again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decnet_node.forwarder.spans import Spans


def test_a_stretch_that_ended_early_is_not_entered_from_one_that_ended_late() -> None:
    spans = Spans()
    spans.position = 100
    spans.open("line", 30)
    spans.close("line")  # with all that was read
    spans.open("count", 10)
    spans.close("count", 40)
    spans.open("count", 50)
    assert spans.resume() == 10


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.booleans()), max_size=12))
def test_reading_never_begins_inside_a_stretch(stretches: list[tuple[int, int, bool]]) -> None:
    spans = Spans()
    spans.position = 100
    for owner, (first, size, ended) in enumerate(stretches):
        spans.open(owner, first)
        if ended:
            spans.close(owner, first + size)
    at = spans.resume()
    assert all(at <= first or (ended and at >= first + size) for first, size, ended in stretches)
