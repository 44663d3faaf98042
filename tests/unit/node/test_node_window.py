"""The window of unacknowledged batches, against a model of a listener that dies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_node.forwarder.state import FileKey
from decnet_node.forwarder.window import Batch, Window, WindowError

_KEY = FileKey("u", "c", "g")


def _batch(number: int, count: int) -> Batch:
    return Batch(b"%d;" % number * count, count, {_KEY: number})


@given(st.lists(st.tuples(st.sampled_from(["push", "take", "ack", "die"]), st.integers(0, 9)), max_size=60))
def test_commits_never_run_ahead_of_the_listener(steps: list[tuple[str, int]]) -> None:
    window = Window(10**6, 10**6)
    pushed: list[int] = []  # lines before and including each batch
    committed = acked = 0
    connection: list[int] = []  # line counts of the batches given to this connection
    for number, (step, value) in enumerate(steps, 1):
        if step == "push":
            pushed.append(number)
            committed = max(committed, window.push(_batch(number, value)).get(_KEY, 0))
        elif step == "take":
            if (frames := window.take()) is not None:
                connection.append(frames.count(b";"))
        elif step == "die":
            window.reconnect()
            connection, acked = [], 0
        else:
            acked = min(acked + value, sum(connection))
            fresh, commits = window.acknowledge(acked)
            assert fresh <= value
            committed = max(committed, commits.get(_KEY, 0))
        assert window.lines >= 0
        assert window.awaiting == (sum(connection) > acked)
        assert committed in (0, *pushed)
    # In the end a listener that takes everything leaves nothing behind.
    window.reconnect()
    sent = 0
    while (frames := window.take()) is not None:
        sent += frames.count(b";")
    assert sent == window.lines
    window.acknowledge(sent)
    assert (window.lines, window.bytes) == (0, 0)


def test_a_partly_acknowledged_batch_is_sent_again_whole() -> None:
    window = Window(100, 10_000)
    window.push(_batch(1, 3))
    window.push(_batch(2, 2))
    assert (window.take(), window.take(), window.take()) == (b"1;1;1;", b"2;2;", None)
    assert window.acknowledge(4) == (4, {_KEY: 1})
    assert window.reconnect() == 2
    assert window.take() == b"2;2;"


def test_a_batch_without_lines_holds_when_those_before_it_do() -> None:
    window = Window(100, 10_000)
    assert window.push(_batch(5, 0)) == {_KEY: 5}
    window.push(_batch(6, 1))
    assert window.push(_batch(7, 0)) == {}
    window.take()
    assert window.acknowledge(1) == (1, {_KEY: 7})


@pytest.mark.parametrize("count", [3, -1])
def test_impossible_acknowledgements_are_refused(count: int) -> None:
    window = Window(100, 10_000)
    window.push(_batch(1, 2))
    window.take()
    with pytest.raises(WindowError):
        window.acknowledge(count)


def test_full_by_lines_or_bytes() -> None:
    by_lines, by_bytes = Window(2, 10**6), Window(10**6, 4)
    for window in (by_lines, by_bytes):
        assert not window.full
        window.push(_batch(1, 2))
        assert window.full
