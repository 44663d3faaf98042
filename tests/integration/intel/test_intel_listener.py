"""The listener with real TLS clients and a real Postgres."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from intel_lab import (
    NODE,
    Authority,
    Lab,
    client_context,
    connected,
    event_line,
    eventually,
    framed,
    get_status,
    listening,
    make_lab,
)

from decnet_events.credential import credential_fields
from decnet_events.framing import MAX_FRAME, encode_frame


@pytest.fixture
async def lab(postgres_url: str, tmp_path: Path) -> AsyncIterator[Lab]:
    lab = make_lab(postgres_url, tmp_path, frame_seconds=0.5, handshake_seconds=1)
    async with listening(lab):
        yield lab


async def test_a_line_is_stored_and_then_acknowledged(lab: Lab) -> None:
    line = event_line(
        "hello",
        "credential",
        src_ip="172.18.0.9",
        src_port="4711",
        **credential_fields("root", b"toor", "plaintext"),
    )
    async with lab.sender() as sender:
        await sender.send(framed(7, line, cut=True))
        await sender.acks(1)
        [row] = lab.rows()
    assert (row["node"], row["namespace"], row["decky"], row["service"]) == (
        NODE,
        "decnet",
        "web-front",
        "ssh",
    )
    assert (str(row["src_ip"]), row["src_port"], row["event_id"], row["message"]) == (
        "172.18.0.9",
        4711,
        "credential",
        "hello",
    )
    assert (row["byte_offset"], row["cut"], row["acknowledged"], row["raw"]) == (7, True, True, None)
    assert row["fields"]["secret_b64"] == "dG9vcg=="
    assert lab.rows("select principal, secret_printable, src_ip::text from credentials") == [
        {"principal": "root", "secret_printable": "toor", "src_ip": "172.18.0.9/32"}
    ]
    assert lab.rows("select byte_offset from files") == [{"byte_offset": 7}]
    assert lab.rows("select decky, service, event_id, events, credentials from event_counts") == [
        {"decky": "web-front", "service": "ssh", "event_id": "credential", "events": 1, "credentials": 1}
    ]


async def test_lines_sent_again_stay_one(lab: Lab) -> None:
    frames = [
        framed(n, event_line(str(n), src_ip="10.0.0.1"), time="2026-01-01T10:00:00Z") for n in range(50)
    ]
    frames += [framed(n, event_line(str(n), src_ip="10.0.0.1")) for n in range(50, 100)]
    for _ in range(3):
        async with lab.sender() as sender:
            await sender.send(*frames)
            await sender.acks(100)
    assert [row["message"] for row in lab.rows()] == [str(n) for n in range(100)]
    assert lab.rows("select sum(events)::int as n from event_counts") == [{"n": 100}]
    assert lab.rows("select events::int as n from source_counts where src_ip = '10.0.0.1'") == [{"n": 100}]


async def test_the_day_is_the_lines_own(lab: Lab) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    async with lab.sender() as sender:
        await sender.send(framed(1, event_line(), time=yesterday.isoformat()))
        await sender.send(framed(2, event_line(), time="1999-12-31T23:59:59.999999999Z", gen="raw-00"))
        await sender.send(framed(3, event_line(), time="2999-12-31T23:59:59.999999999Z", gen="raw-00"))
        await sender.acks(3)
    today = dt.datetime.now(dt.UTC).date()
    assert [row["day"] for row in lab.rows()] == [yesterday.date(), today, today]
    # as if stored on another day: only the offset knows the line now
    with_day = "update events set day = day - 1 where generation = 'raw-00'"
    lab.rows(with_day + " returning 1")
    async with lab.sender() as sender:
        await sender.send(framed(3, event_line(), time="2999-12-31T23:59:59.999999999Z", gen="raw-00"))
        await sender.acks(1)
    assert len(lab.rows()) == 3


async def test_what_cannot_be_read_is_kept(lab: Lab) -> None:
    odd = "no syslog: \ud7ff \U0001f600 \t \\ \x01 \x7f \\N \\. ünï"
    async with lab.sender() as sender:
        await sender.send(
            framed(1, odd), framed(2, ""), encode_frame(b"\xff\x00 not an envelope\n\xed\xa0\x80")
        )
        await sender.acks(3)
    first, second, third = lab.rows()
    assert (first["event_id"], first["raw"], first["decky"]) == ("raw", odd, "web-front")
    assert (second["event_id"], second["raw"]) == ("raw", "")
    assert third["raw"] == "\\xff\\x00 not an envelope\n\\xed\\xa0\\x80"
    assert (third["node"], third["decky"], third["pod_uid"]) == (NODE, "", "")


async def test_a_source_that_is_no_address_stays_in_the_fields(lab: Lab) -> None:
    values = [
        "fe80::1%eth0",
        "999.1.1.1",
        "1.2.3.4/8",
        "'; drop table events",
        "::ffff:10.1.2.3",
        "\u0661.1.1.1",
    ]
    async with lab.sender() as sender:
        await sender.send(*(framed(n, event_line(src_ip=v, src_port="99999")) for n, v in enumerate(values)))
        await sender.acks(len(values))
    rows = lab.rows()
    assert [row["fields"]["src_ip"] for row in rows] == values
    assert [str(row["src_ip"]) if row["src_ip"] else None for row in rows] == [None] * 4 + ["10.1.2.3", None]
    assert {row["src_port"] for row in rows} == {None}


async def test_a_line_cannot_say_where_it_comes_from(lab: Lab) -> None:
    async with lab.sender() as sender:
        await sender.send(framed(1, event_line(host="someone-else"), node="node-99"))
        await sender.acks(1)
    [row] = lab.rows()
    assert (row["node"], row["decky"], row["hostname"]) == (NODE, "web-front", "someone-else")
    assert "decnet_listener_forged_node_total" in await get_status(lab, "/metrics")


async def test_a_lying_clock_in_the_line_is_not_believed(lab: Lab) -> None:
    line = "<134>1 9999-12-31T23:59:59.999999-23:59 web01 ssh - connect - x"
    line2 = "<134>1 2020-02-02T00:00:00Z web01 ssh - connect - y"
    async with lab.sender() as sender:
        await sender.send(framed(1, line), framed(2, line2))
        await sender.acks(2)
    first, second = lab.rows()
    assert first["event_id"] == "raw"  # beyond what any clock shows
    assert abs(second["occurred_at"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert second["fields"]["claimed_time"] == "2020-02-02T00:00:00+00:00"


async def test_plain_rfc_5425_is_stored_unacknowledged(lab: Lab) -> None:
    async with lab.sender(alpn=False) as sender:
        await sender.send(encode_frame(event_line("from rsyslog").encode()), encode_frame(b"not syslog"))
        await eventually(lambda: len(lab.rows()) == 2, "two rows")
        assert not await sender.closed(0.2)
    first, second = lab.rows()
    assert (first["node"], first["decky"], first["service"], first["acknowledged"]) == (NODE, "", "", False)
    assert (first["message"], first["fields"]["app_name"]) == ("from rsyslog", "ssh")
    assert (second["event_id"], second["raw"]) == ("raw", "not syslog")
    assert first["generation"] == second["generation"]


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"99999999999999999999 x", id="a length that never ends"),
        pytest.param(f"{MAX_FRAME + 1} x".encode(), id="a frame that is too long"),
        pytest.param(b"<134>1 - - - - - -\n", id="no length at all"),
        pytest.param(b"-1 x", id="a negative length"),
        pytest.param(b"0 ", id="nothing"),
        pytest.param(b"\x00" * 100_000, id="zeros"),
    ],
)
async def test_a_broken_frame_ends_the_connection_and_keeps_what_came_before(lab: Lab, bomb: bytes) -> None:
    async with lab.sender() as good, lab.sender() as bad:
        await bad.send(framed(1, event_line("before")) + bomb)
        assert await bad.closed()
        await good.send(framed(2, event_line("other")))
        await good.acks(1)
    await eventually(lambda: len(lab.rows()) == 2, "the whole frame before the broken one")


async def test_a_slow_writer_is_cut_off_and_an_idle_one_is_not(lab: Lab) -> None:
    async with lab.sender() as idle, lab.sender() as slow:
        frame = framed(1, event_line("slow"))
        started = time.monotonic()
        await slow.send(frame[:10])

        async def drip() -> None:
            for n in range(10, len(frame)):
                await slow.send(frame[n : n + 1])
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert await slow.closed(5)
        assert time.monotonic() - started < 3
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        await idle.send(framed(2, event_line("idle")))
        await idle.acks(1)
    assert [row["message"] for row in lab.rows()] == ["idle"]


async def _is_refused(port: int, context: ssl.SSLContext) -> bool:
    """Whether a line sent with `context` is never acknowledged and the connection ended."""
    try:
        async with connected(port, context) as sender:
            await sender.send(framed(1, event_line("impostor")))
            await sender.acks(1, 5)
    except TimeoutError:
        raise
    except OSError:  # ssl.SSLError and ConnectionError are OSErrors
        return True
    return False


async def test_impostors_are_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = Authority(folder, "ca")
    expired = lab.ca.issue("node-old", days=-1)
    lab.pin("node-old", expired.sha256)
    server_only = lab.ca.issue("node-srv", server=True)
    lab.pin("node-srv", server_only.sha256)
    second = lab.ca.issue(NODE)  # signed by our CA for a known node, but not the pinned one
    unknown = lab.ca.issue("node-unknown")
    contexts = {
        "no certificate": client_context(lab.ca.file, None),
        "another CA": client_context(lab.ca.file, other.issue(NODE)),
        "expired": client_context(lab.ca.file, expired),
        "not for clients": client_context(lab.ca.file, server_only),
        "not pinned": client_context(lab.ca.file, second),
        "unknown": client_context(lab.ca.file, unknown),
    }
    old = client_context(lab.ca.file, lab.pair)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    contexts["TLS 1.2"] = old
    assert {
        name: await _is_refused(lab.port, context) for name, context in contexts.items()
    } == dict.fromkeys(contexts, True)
    assert lab.rows() == []


async def test_a_new_pin_lets_in_and_a_withdrawn_one_ends_the_connection(lab: Lab) -> None:
    pair = lab.ca.issue("node-2")
    context = client_context(lab.ca.file, pair)
    assert await _is_refused(lab.port, context)
    lab.pin("node-2", pair.sha256, notify=False)
    started = time.monotonic()
    await eventually(lambda: _let_in(lab.port, context), "let in", 5)
    assert time.monotonic() - started < 2
    async with connected(lab.port, context) as sender:
        await sender.send(framed(5, event_line(), uid="2"))
        await sender.acks(1)
        lab.pin("node-2", None)
        assert await sender.closed(2)
    assert await _is_refused(lab.port, context)


async def _let_in(port: int, context: ssl.SSLContext) -> bool:
    return not await _is_refused(port, context)


async def test_a_changed_server_certificate_is_used(lab: Lab) -> None:
    async def fingerprint() -> bytes:
        async with lab.sender() as sender:
            der: bytes = sender.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return der

    before = await fingerprint()
    lab.settings.tls_key.write_text("broken")
    await asyncio.sleep(2.5)
    assert await fingerprint() == before  # a broken set changes nothing
    lab.ca.issue("decnet-listener", server=True, file="server")

    async def changed() -> bool:
        return await fingerprint() != before

    await eventually(changed, "the new certificate", 6)


async def test_a_stalled_handshake_is_cut_off(lab: Lab) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_node_with_too_many_connections_loses_the_oldest(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path, max_connections_per_node=2)
    async with listening(lab), lab.sender() as first:
        await first.send(framed(1, event_line()))
        await first.acks(1)
        async with lab.sender() as second, lab.sender() as third:
            for n, sender in enumerate((second, third)):
                await sender.send(framed(10 + n, event_line()))
                await sender.acks(1)
            assert await first.closed(5)


async def test_sigterm_commits_and_acknowledges_what_was_read(postgres_url: str, tmp_path: Path) -> None:
    lab = make_lab(postgres_url, tmp_path, batch_lines=100)
    async with listening(lab) as stop, lab.sender() as sender:
        frames = [framed(n, event_line(str(n))) for n in range(3000)]
        await sender.send(*frames[:1])
        await sender.acks(1)
        await sender.send(*frames[1:])
        stop.set()
        assert await sender.closed()
        stored = len(lab.rows())
        assert stored >= 1
        acknowledged = sender.acknowledged
    assert len(lab.rows()) == stored >= acknowledged


async def test_status(lab: Lab) -> None:
    assert "200 OK" in await get_status(lab, "/healthz")
    assert "decnet_listener_lines_total" in await get_status(lab, "/metrics")
    assert "404" in (await get_status(lab, "/other")).splitlines()[0]
