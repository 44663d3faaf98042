"""Hostile input to a real listener process: refused or kept, bounded, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_lab import Bystander, Target, target, undisturbed
from hostile_manners import MANNERS, Manner
from hostile_streams import STREAMS, Stream, Wire
from hostile_tls import STRANGERS, Stranger
from intel_lab import Pair, client_context, connected, eventually

from lab.postgres import PostgresServer

CASES = [case.name for table in (STREAMS, STRANGERS, MANNERS) for case in table]


@pytest.fixture(scope="module")
def listener(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One listener process for all cases: what one leaves behind, the next would feel."""
    postgres_server.sql("create database hostile template decnet_template")
    with target(postgres_server.url("hostile"), tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(scope="module")
def bystander(listener: Target) -> Pair:
    return listener.enrol(Bystander.NODE)


def test_at_least_fifty() -> None:
    assert len(set(CASES)) == len(CASES) >= 50


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
async def test_hostile_stream(listener: Target, bystander: Pair, case: Stream) -> None:
    node = f"stream-{case.name}"
    context = client_context(listener.lab.ca.file, listener.enrol(node), alpn=not case.plain)
    async with undisturbed(listener, bystander), connected(listener.lab.port, context) as sender:
        try:
            await sender.send(case.send(Wire(node)))
        except OSError:
            assert case.cut  # ended before all of it was sent
        if case.cut:
            assert await sender.closed()
        elif not case.plain:
            await sender.acks(len(case.stored))
        await eventually(lambda: len(listener.rows(node)) == len(case.stored), "what could be kept is")
        assert case.cut or not await sender.closed(0.05)
    rows = listener.rows(node)
    assert tuple(row["event_id"] for row in rows) == case.stored
    if case.keeps:
        row = rows[-1]
        texts = (row["raw"] or "", row["message"], *row["fields"].values(), *row["fields"])
        assert any(case.keeps in text for text in texts), json.dumps(row, default=str)[:2000]


@pytest.mark.parametrize("case", STRANGERS, ids=lambda case: case.name)
async def test_stranger(listener: Target, bystander: Pair, tmp_path: Path, case: Stranger) -> None:
    node = f"stranger-{case.name}"
    async with undisturbed(listener, bystander):
        context = case.context(listener, node, tmp_path)
        with pytest.raises((OSError, ssl.SSLError)):
            async with asyncio.timeout(10), connected(listener.lab.port, context) as sender:
                await sender.send(Wire(node).line(1, "impostor"))
                await sender.acks(1)
    found = listener.lab.rows("select node from events where raw = 'impostor'")
    assert found == []


@pytest.mark.parametrize("case", MANNERS, ids=lambda case: case.name)
async def test_bad_manners(listener: Target, bystander: Pair, case: Manner) -> None:
    node = f"manner-{case.name}"
    async with undisturbed(listener, bystander):
        await case.behave(listener, node)


def test_the_bystander_lost_nothing(listener: Target) -> None:
    assert [row["message"] for row in listener.rows(Bystander.NODE)] == Bystander.sent()
