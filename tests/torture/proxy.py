"""A TCP proxy between two parts of the pipe that breaks connections at a chosen byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

_PIECE = 256 * 1024
_TCP_REPAIR = 19  # linux/tcp.h; a socket closed in this mode sends neither FIN nor RST
_ABORT = struct.pack("ii", 1, 0)


@dataclass
class Trap:
    """What happens to the next connection that carries `left` more bytes in `direction`.

    `reset`: both sides get a RST. `hole`: nothing goes through for `seconds`, then all of it does.
    `vanish`: both sides are left with a connection to nobody, and hear nothing of it unless they send.
    """

    action: str
    direction: str
    left: int
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.sprung = threading.Event()


class Network:
    """The event loop of all proxies, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.sockets: list[socket.socket] = []
        """Those that listen."""
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `work` in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        """End every connection."""

        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        for listening in self.sockets:
            listening.close()


class _BrokenError(Exception):
    """The connection is to end in this way."""


class Proxy:
    """Listens on `port` of loopback; new connections go to `target`, which may be changed."""

    def __init__(self, network: Network, target: int) -> None:
        self.target = target
        self.trap: Trap | None = None
        self._network = network
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.setblocking(False)
        network.sockets.append(self._socket)
        self.port = int(self._socket.getsockname()[1])
        self._open: dict[asyncio.Task[None], asyncio.Event] = {}
        self._accepting = asyncio.run_coroutine_threadsafe(self._accept(), network.loop)

    def break_all(self) -> None:
        """Reset the connections there are."""

        async def end() -> None:
            for task in list(self._open):
                task.cancel()

        self._network.call(end())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._socket)
            client.setblocking(False)
            task = loop.create_task(self._serve(client))
            self._open[task] = asyncio.Event()
            self._open[task].set()
            task.add_done_callback(partial(self._is_over, client))

    def _is_over(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        client.close()  # one that was cancelled before it began has not done so

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        passing = self._open[asyncio.current_task()]  # type: ignore[index]
        server = socket.socket()
        server.setblocking(False)
        how = "reset"
        pumps: list[asyncio.Task[None]] = []
        try:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(server, ("127.0.0.1", self.target))
            pumps = [
                loop.create_task(self._pump(client, server, "up", passing)),
                loop.create_task(self._pump(server, client, "down", passing)),
            ]
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in done:
                pump.result()
            how = "close"
        except _BrokenError as broken:
            how = str(broken)
        except OSError:
            how = "reset"
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for side in (client, server):
                _end(side, how)

    async def _pump(
        self, source: socket.socket, sink: socket.socket, direction: str, passing: asyncio.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, _PIECE):
            await passing.wait()
            trap = self.trap
            if trap is not None and trap.direction == direction:
                if len(data) < trap.left:
                    trap.left -= len(data)
                else:
                    await loop.sock_sendall(sink, data[: trap.left])
                    data = data[trap.left :]
                    await self._spring(trap, passing)
            await loop.sock_sendall(sink, data)
        await passing.wait()

    async def _spring(self, trap: Trap, passing: asyncio.Event) -> None:
        self.trap = None
        trap.sprung.set()
        if trap.action != "hole":
            raise _BrokenError(trap.action)
        passing.clear()
        await asyncio.sleep(trap.seconds)
        passing.set()


def _end(side: socket.socket, how: str) -> None:
    with contextlib.suppress(OSError):
        if how == "vanish" and os.geteuid() == 0:
            side.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        elif how == "reset":
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    side.close()
