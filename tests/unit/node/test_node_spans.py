"""Where reading may begin again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decnet_node.forwarder.spans import ContainerSpans, Spans


def test_a_stretch_that_ended_early_is_not_entered_from_one_that_ended_late() -> None:
    spans = Spans()
    spans.position = 100
    spans.open("line", 30)
    spans.close("line")  # with all that was read
    spans.open("count", 10)
    spans.close("count", 40)
    spans.open("count", 50)
    assert spans.resume() == 10


def test_of_very_many_stretches_none_is_forgotten() -> None:
    spans = Spans()
    spans.position = 1000
    for owner in range(31):
        spans.open(owner, 10 * owner)
        spans.close(owner, 10 * owner + 5)
    spans.open("line", 400)
    spans.close("line")  # with all that was read
    spans.open("count", 390)
    spans.close("count", 410)
    spans.open("count", 500)
    assert spans.resume() == 390


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.booleans()), max_size=80))
def test_reading_never_begins_inside_a_stretch(stretches: list[tuple[int, int, bool]]) -> None:
    spans = Spans()
    spans.position = 100
    for owner, (first, size, ended) in enumerate(stretches):
        spans.open(owner, first)
        if ended:
            spans.close(owner, first + size)
    at = spans.resume()
    assert all(at <= first or (ended and at >= first + size) for first, size, ended in stretches)


def test_a_line_across_files_is_read_again_in_all_of_them_or_in_none() -> None:
    files = ContainerSpans()
    for gen, first in {"a": 80, "b": 10}.items():
        files[gen].position = 100
        files[gen].open("line", first)
    files["a"].open("count", 70)
    assert files.resume() == {"a": 70, "b": 10}
    for gen in "ab":
        files[gen].close("line")
    files.across({"a": 80, "b": 10})
    files["b"].open("count", 5)
    files["b"].close("count", 15)
    assert files.resume() == {"a": 70, "b": 5}  # a count holds the one back, and with it the other
    files["b"].position = 200
    files["b"].open("count", 150)
    files["a"].close("count")
    assert files.resume() == {"a": 100, "b": 150}
