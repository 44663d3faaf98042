"""Whatever dies, every line is there once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from intel_lab import (
    Lab,
    Sender,
    client_context,
    connected,
    event_line,
    eventually,
    execute,
    framed,
    is_ready,
    listening,
    make_lab,
    rows,
)

from lab.postgres import PostgresServer

LINES = 4000
LISTENER_PROCESS = "select pid from pg_stat_activity where application_name = 'decnet-listener'"
CUT_OFF = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'decnet-listener'"


class Forwarder:
    """Sends numbered lines and starts again after the last acknowledged one, as the real one does."""

    def __init__(self, port: Callable[[], int], context: ssl.SSLContext, lines: int = LINES) -> None:
        self._port = port
        self._context = context
        self._frames = [framed(n, event_line(str(n), src_ip="10.0.0.9")) for n in range(lines)]
        self.done = 0
        self.connections = 0

    async def run(self) -> None:
        while self.done < len(self._frames):
            try:
                async with connected(self._port(), self._context) as sender:
                    self.connections += 1
                    await self._deliver(sender)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)

    async def _deliver(self, sender: Sender) -> None:
        start = self.done
        sending = asyncio.create_task(self._send(sender, start))
        try:
            while self.done < len(self._frames):
                await sender.acks(self.done - start + 1, 20)
                self.done = start + sender.acknowledged
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, sender: Sender, start: int) -> None:
        for at in range(start, len(self._frames), 50):
            await sender.send(*self._frames[at : at + 50])
            await asyncio.sleep(0.005)


def assert_all_once(url: str, lines: int = LINES) -> None:
    """Every line is there once, in order, and the counts agree."""
    assert [row["message"] for row in rows(url, "select message from events order by id")] == [
        str(n) for n in range(lines)
    ]
    assert rows(url, "select sum(events)::int as n from event_counts") == [{"n": lines}]
    assert rows(url, "select sum(events)::int as n from source_counts") == [{"n": lines}]
    assert rows(url, "select max(byte_offset)::int as n from files") == [{"n": lines - 1}]


async def test_postgres_crashes_under_traffic(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    lab = make_lab(postgres_url, tmp_path, buffer_bytes=1 << 20)
    async with listening(lab):
        forwarder = Forwarder(lambda: lab.port, client_context(lab.ca.file, lab.pair))
        running = asyncio.create_task(forwarder.run())
        for mode in ("immediate", "fast"):
            before = forwarder.done
            await eventually(lambda before=before: forwarder.done > before + 200, "lines are acknowledged")
            await asyncio.to_thread(postgres_server.stop, mode)
            try:
                await eventually(lambda: not_ready(lab), "the listener is not ready")
                stalled = forwarder.done
                await asyncio.sleep(0.5)
                assert forwarder.done == stalled  # nothing is acknowledged that is not committed
                assert await is_ready(lab, "/healthz")
            finally:
                await asyncio.to_thread(postgres_server.start)
        async with asyncio.timeout(40):
            await running
        assert_all_once(lab.url)
        assert forwarder.connections == 1  # it waited, it did not throw anyone out


async def test_a_server_process_that_answers_no_more_is_left(postgres_url: str, tmp_path: Path) -> None:
    """Its connection lives and every packet is confirmed, so no TCP timeout tells."""
    lab = make_lab(postgres_url, tmp_path, transaction_seconds=2)
    async with listening(lab), lab.sender() as sender:
        await sender.send(framed(0, event_line("0", src_ip="10.0.0.9")))
        await sender.acks(1)
        [found] = rows(lab.url, LISTENER_PROCESS)
        os.kill(found["pid"], signal.SIGSTOP)
        try:
            await sender.send(framed(1, event_line("1", src_ip="10.0.0.9")))
            await sender.acks(2, 15)
        finally:
            os.kill(found["pid"], signal.SIGCONT)
        assert_all_once(lab.url, 2)


async def not_ready(lab: Lab) -> bool:
    return not await is_ready(lab)


async def test_a_read_only_or_full_database_is_waited_for(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path)
    name = postgres_url.rsplit("/", 1)[1]
    async with listening(lab), lab.sender() as sender:
        await sender.send(framed(1, event_line("before")))
        await sender.acks(1)
        writable = f"{lab.url}?options=-c%20default_transaction_read_only%3Doff"
        execute(writable, f"alter database {name} set default_transaction_read_only = on")
        execute(writable, CUT_OFF)
        await sender.send(framed(2, event_line("meanwhile")))
        with pytest.raises(TimeoutError):
            await sender.acks(2, 1)
        execute(writable, f"alter database {name} reset default_transaction_read_only")
        execute(writable, CUT_OFF)
        await sender.acks(2)
        assert [row["message"] for row in lab.rows()] == ["before", "meanwhile"]


async def test_a_line_that_postgres_refuses_does_not_stop_the_others(
    postgres_url: str, tmp_path: Path
) -> None:
    lab = make_lab(postgres_url, tmp_path)
    execute(lab.url, "alter table events add constraint picky check (message <> 'poison')")
    async with listening(lab), lab.sender() as sender:
        await sender.send(*(framed(n, event_line("poison" if n == 37 else str(n))) for n in range(100)))
        await sender.acks(100)
        found = lab.rows()
    assert len(found) == 100
    [bad] = [row for row in found if row["event_id"] == "raw"]
    assert (bad["byte_offset"], bad["decky"]) == (37, "web-front")
    assert "poison" in bad["raw"]


async def test_a_dropped_partition_is_noticed(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path)
    async with listening(lab), lab.sender() as sender:
        await sender.send(framed(1, event_line("one")))
        await sender.acks(1)
        [table] = rows(
            lab.url, "select relname from pg_class where relname ~ '^events_[0-9]{8}$' and relkind = 'r'"
        )
        execute(lab.url, f"drop table {table['relname']}")
        await sender.send(framed(2, event_line("two")))
        await sender.acks(2)
        assert [row["message"] for row in lab.rows()] == ["two"]


@contextlib.asynccontextmanager
async def process(lab: Lab) -> AsyncIterator[asyncio.subprocess.Process]:
    """`decnet-intel listener` as the process it is in production."""
    settings = lab.settings
    names = ("host", "port", "tls_cert", "tls_key", "tls_ca", "status_host", "status_port")
    environment = {f"DECNET_LISTENER_{name.upper()}": str(getattr(settings, name)) for name in names}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "decnet_intel.main", "listener",
        env={**os.environ, **environment, "DECNET_DATABASE_URL": lab.url},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await eventually(lambda: is_ready(lab), "the listener is ready")
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


@contextlib.asynccontextmanager
async def deaf_proxy(target: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Passes bytes on; once the event is set, nothing comes back: acknowledgements are lost."""
    deaf = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not (back and deaf.is_set()):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        for task in (
            asyncio.create_task(pump(reader, far_writer, False)),
            asyncio.create_task(pump(far_reader, writer, True)),
        ):
            tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], deaf
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_killed_between_commit_and_acknowledgement(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path)
    context = client_context(lab.ca.file, lab.pair)
    frames = [framed(n, event_line(str(n), src_ip="10.0.0.9")) for n in range(500)]
    async with (
        process(lab) as first,
        deaf_proxy(lab.port) as (port, deaf),
        connected(port, context) as sender,
    ):
        await sender.send(*frames[:10])
        await sender.acks(10)
        deaf.set()
        await sender.send(*frames[10:])
        await eventually(lambda: len(rows(lab.url, "select 1 as x from events")) == 500, "all are committed")
        first.kill()
        await first.wait()
        assert sender.acknowledged == 10
    async with process(lab), connected(lab.port, context) as sender:
        await sender.send(*frames[10:])
        await sender.acks(490)
    assert_all_once(lab.url, 500)


async def test_listeners_are_killed_again_and_again_and_end_cleanly_on_sigterm(
    postgres_url: str, tmp_path: Path
) -> None:
    lab = make_lab(postgres_url, tmp_path)
    forwarder = Forwarder(lambda: lab.port, client_context(lab.ca.file, lab.pair))
    running = asyncio.create_task(forwarder.run())
    for _ in range(2):
        async with process(lab) as child:
            before = forwarder.done
            await eventually(lambda before=before: forwarder.done > before + 300, "lines are acknowledged")
            child.kill()
    async with process(lab) as child:
        async with asyncio.timeout(40):
            await running
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await child.wait() == 0
    assert_all_once(lab.url)


async def test_two_listeners_share_the_work(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = make_lab(postgres_url, tmp_path / "a")
    two = make_lab(postgres_url, tmp_path / "b")
    two.settings.tls_cert, two.settings.tls_key, two.settings.tls_ca = (
        one.settings.tls_cert, one.settings.tls_key, one.settings.tls_ca,
    )  # fmt: skip
    one.pin("node-1", one.pair.sha256)
    context = client_context(one.ca.file, one.pair)
    async with listening(one), listening(two):
        # the same lines to both at once, as when a forwarder moves while its old connection is still read
        forwarders = [Forwarder(lambda: one.port, context, 1500), Forwarder(lambda: two.port, context, 1500)]
        async with asyncio.timeout(40):
            await asyncio.gather(*(forwarder.run() for forwarder in forwarders))
    found = rows(one.url, "select message, count(*)::int as n from events group by 1")
    assert {row["message"]: row["n"] for row in found} == {str(n): 1 for n in range(1500)}
    assert rows(one.url, "select sum(events)::int as n from event_counts") == [{"n": 1500}]
