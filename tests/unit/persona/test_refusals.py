"""When refused packets are reported, and that each is counted once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from persona.refusals import REPORT_INTERVAL, Destination, Refusals

A = Destination("192.0.2.1", "tcp", 443)
B = Destination("192.0.2.1", "udp", 53)


def test_the_first_at_once_then_one_a_minute() -> None:
    refusals = Refusals()
    assert refusals.update({A: 1}, 100.0) == [(A, 1)]
    assert refusals.update({A: 4}, 102.0) == []
    assert refusals.update({A: 5, B: 2}, 104.0) == [(B, 2)]
    assert refusals.update({A: 5, B: 2}, 159.9) == []
    assert refusals.update({A: 6, B: 2}, 160.0) == [(A, 5)]
    assert refusals.update({A: 6, B: 2}, 400.0) == []
    assert refusals.rest() == []


def test_what_is_not_reported_is_there_at_the_end() -> None:
    refusals = Refusals()
    refusals.update({A: 1}, 0.0)
    refusals.update({A: 3}, 2.0)
    assert refusals.rest() == [(A, 2)]


def test_the_kernel_begins_afresh() -> None:
    refusals = Refusals()
    refusals.update({A: 10}, 0.0)
    refusals.update({A: 2}, 2.0)
    assert refusals.update({A: 3}, 61.0) == [(A, 3)]


def test_a_destination_that_is_gone_is_forgotten() -> None:
    refusals = Refusals()
    refusals.update({A: 1}, 0.0)
    refusals.update({A: 2}, 2.0)
    assert refusals.update({}, 30.0) == []
    assert refusals.update({}, 61.0) == [(A, 1)]
    assert refusals.update({A: 1}, 62.0) == [(A, 1)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 90)), max_size=40))
def test_nothing_is_lost_or_counted_twice(steps: list[tuple[int, int]]) -> None:
    refusals = Refusals()
    now, total, reported, last = 0.0, 0, 0, float("-inf")
    for packets, seconds in steps:
        now += seconds
        total += packets
        for destination, attempts in refusals.update({A: total} if total else {}, now):
            assert destination == A
            assert now - last >= REPORT_INTERVAL
            last = now
            reported += attempts
    assert reported + sum(attempts for _, attempts in refusals.rest()) == total
