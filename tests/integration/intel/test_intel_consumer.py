"""Consumers of events: order, topics, wake-ups, and what becomes of events that cannot be handled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest
from consumer_lab import NAME, QUICK, add, commit, consuming, effects, prepare, record
from intel_lab import eventually, rows
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.consumer import Delivery, Pace, Topics
from decnet_intel.consumer.topics import topic_of
from decnet_intel.database import make_engine
from decnet_intel.repository import events
from decnet_intel.repository.events import Position
from decnet_intel.settings import CommonSettings


@pytest.fixture
def url(postgres_url: str) -> str:
    prepare(postgres_url)
    return postgres_url


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(f"decnet_consumer_{name}", {"consumer": NAME}) or 0.0


async def recorded(url: str, *messages: str, seconds: float = 15) -> None:
    await eventually(lambda: len(effects(url)) >= len(messages), "all effects", seconds)
    assert effects(url) == list(messages)


async def test_a_late_commit_of_an_older_transaction_is_not_skipped(url: str) -> None:
    async with consuming(url):
        with psycopg.connect(url) as older:
            add(older, "late")
            commit(url, "early", notify=True)
            await asyncio.sleep(1)
            assert effects(url) == []  # what is younger waits
        commit(url, "last", notify=True)
        await recorded(url, "late", "early", "last")


async def test_a_rolled_back_transaction_holds_nothing_up(url: str) -> None:
    async with consuming(url):
        with psycopg.connect(url) as older:
            add(older, "never")
            commit(url, "kept")
            older.rollback()
        await recorded(url, "kept")


async def test_batches_in_order(url: str) -> None:
    sizes: list[int] = []

    async def handler(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        sizes.append(len(deliveries))
        await record(session, deliveries)

    for start in range(0, 90, 30):
        commit(url, *(str(n) for n in range(start, start + 30)))
    async with consuming(url, handler):
        await recorded(url, *(str(n) for n in range(90)))
    assert max(sizes) == QUICK.batch


async def test_only_the_topics_asked_for(url: str) -> None:
    commit(url, "a", decky="web.01", event="credential")
    commit(url, "b", service="http", event="credential")
    commit(url, *"x" * 100, service="http", event="disconnect")
    commit(url, "c", decky="", service="", event="a.>.*")
    async with consuming(url, topics=Topics("host.web_01.*.credential", "host._.>")):
        await recorded(url, "a", "c")
        commit(url, "d", decky="web.01", event="credential")
        await recorded(url, "a", "c", "d")


async def test_postgres_and_python_agree_on_topics(url: str) -> None:
    names = ["web", "web.01", "", "*", ">", "ü b", "WEB", "a_b", "a\tb\n"]
    for name in names:
        commit(url, name, decky=name)
        commit(url, name, event=name)
    patterns = [
        ">", "*.>", "host.>", "host.*.*.*", "host.web.ssh.connect", "host.web_01.>", "host._.>", "*._.*.>",
        "host.web.ssh._", "host.*.ssh.WEB", "host.*.*.a_b", "host.*.*.___", "host.web.*.>",
    ]  # fmt: skip
    engine = make_engine(CommonSettings(database_url=url), "test")  # type: ignore[arg-type]
    async with AsyncSession(engine) as session:
        every = (await events.settled_after(session, Position(0, 0), 1000)).events
        assert len(every) == 2 * len(names)
        for pattern in patterns:
            topics = Topics(pattern)
            found = await events.settled_after(session, Position(0, 0), 1000, topics.condition)
            assert found.events == [each for each in every if topics.match(topic_of(each[1]))], pattern
            assert found.end == every[-1][0]
    await engine.dispose()


async def test_a_notification_wakes_at_once_and_polling_does_without(url: str) -> None:
    async with consuming(url, pace=replace(QUICK, poll=60)):
        commit(url, "first", notify=True)
        await recorded(url, "first")
        for n in range(5):
            started = time.monotonic()
            commit(url, f"notified {n}", notify=True)
            await eventually(lambda n=n: len(effects(url)) == n + 2, "the effect", 5)
            assert time.monotonic() - started < 1
    async with consuming(url, pace=replace(QUICK, poll=0.5)):
        commit(url, "not notified")
        await eventually(lambda: "not notified" in effects(url), "the effect", 3)


async def test_a_new_consumer_without_history_begins_now(url: str) -> None:
    commit(url, "before")
    async with consuming(url, history=False):
        await eventually(lambda: rows(url, "select 1 as x from cursors"), "the cursor")
        commit(url, "after")
        await recorded(url, "after")
    commit(url, "meanwhile")
    async with consuming(url, history=False):
        await recorded(url, "after", "meanwhile")


async def test_what_cannot_be_handled_becomes_a_dead_letter_and_nothing_else_does(url: str) -> None:
    calls: list[int] = []

    async def handler(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        calls.append(len(deliveries))
        await record(session, deliveries)
        if any("poison" in delivery.event.message for delivery in deliveries):
            raise ValueError("cannot take \0 this")

    before = metric("dead_letters_total"), metric("failures_total")
    commit(url, *("poison" if n in (7, 8, 30) else str(n) for n in range(40)), decky="db.1")
    async with consuming(url, handler) as consumer:
        await recorded(url, *(str(n) for n in range(40) if n not in (7, 8, 30)), seconds=60)
        await eventually(lambda: len(rows(url, "select 1 as x from dead_letters")) == 3, "dead letters")
        await eventually(lambda: consumer.trouble is None, "no trouble is left")
        commit(url, "next")
        await eventually(lambda: effects(url)[-1] == "next", "it goes on")
    assert calls.count(20) == 2 * QUICK.tries  # both batches as a whole first
    letters = rows(url, "select * from dead_letters order by xid, event_id")
    assert [letter["event"]["message"] for letter in letters] == ["poison"] * 3
    assert {(letter["consumer"], letter["topic"], letter["tries"]) for letter in letters} == {
        (NAME, "host.db_1.ssh.connect", QUICK.tries)
    }
    assert "ValueError: cannot take \\x00 this" in letters[0]["error"]
    assert metric("dead_letters_total") - before[0] == 3
    assert metric("failures_total") - before[1] == 5 * QUICK.tries


async def _slow_query(session: AsyncSession) -> None:
    await session.execute(text("select pg_sleep(30)"))


async def _bad_value(session: AsyncSession) -> None:
    await session.execute(text("insert into effects (message) values (:m)"), {"m": "a\0b"})


async def _bad_statement(session: AsyncSession) -> None:
    await session.execute(text("select 1 / 0"))


async def _asleep(session: AsyncSession) -> None:  # noqa: ARG001
    await asyncio.sleep(30)


@pytest.mark.parametrize("fail", [_slow_query, _bad_value, _bad_statement, _asleep])
async def test_every_way_to_fail_ends(url: str, fail: object) -> None:
    """Also when what the handler did costs the connection: the tries are counted beyond it."""

    async def handler(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        await record(session, deliveries)
        if any(delivery.event.message == "bad" for delivery in deliveries):
            await fail(session)  # type: ignore[operator]

    commit(url, "1", "bad", "2")
    async with consuming(url, handler, pace=replace(QUICK, handler=0.3)):
        await recorded(url, "1", "2", seconds=30)
    [letter] = rows(url, "select * from dead_letters")
    assert letter["event"]["message"] == "bad"


async def test_a_passing_failure_costs_nothing_but_time(url: str) -> None:
    failures = iter((RuntimeError("not now"), RuntimeError("not yet")))

    async def handler(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        await record(session, deliveries)
        if error := next(failures, None):
            raise error

    commit(url, "1", "2")
    async with consuming(url, handler):
        await recorded(url, "1", "2")
    assert rows(url, "select 1 as x from dead_letters") == []


async def test_the_lag_is_told(url: str) -> None:
    commit(url, *"abc")
    gate = asyncio.Event()

    async def handler(session: AsyncSession, deliveries: Sequence[Delivery]) -> None:
        await gate.wait()
        await record(session, deliveries)

    async with consuming(url, handler, pace=replace(QUICK, handler=60)):
        await eventually(lambda: metric("lag_events") == 3, "the lag in events")
        await eventually(lambda: metric("lag_seconds") > 0.3, "the lag in seconds")
        assert metric("active") == 1
        gate.set()
        await eventually(lambda: metric("lag_events") == metric("lag_seconds") == 0, "no lag")
    assert metric("active") == 0


def test_pauses_grow_and_end_growing() -> None:
    pace = Pace(first_pause=0.5, longest_pause=4)
    assert [pace.pause(n) for n in (1, 2, 3, 4, 5, 10_000)] == [0.5, 1, 2, 4, 4, 4]
