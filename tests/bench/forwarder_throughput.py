"""How many lines a second the forwarder moves to a listener that acknowledges and forgets.

    python tests/bench/forwarder_throughput.py [lines]

Lines of 176 bytes in ten containers' files, read from the start; the listener decodes the frames in a
process of its own. Prints lines/s from start to last acknowledgement, CPU seconds and peak memory.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration" / "node"))

from node_lab import Authority, ForwarderProcess, Listener, RuntimeLog

_CONTAINERS = 10
_LINE = 176


def _listen(tls: Path, port_pipe: object) -> None:
    async def serve() -> None:
        listener = Listener(tls)
        listener.keep = False
        async with listener.listening() as port:
            port_pipe.send(port)  # type: ignore[attr-defined]
            await asyncio.sleep(3600)

    asyncio.run(serve())


def main() -> None:
    """Measure once."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        authority = Authority()
        server = authority.issue(directory / "listener", "decnet-listener")
        client = authority.issue(directory / "node", "node-1")
        logs = [RuntimeLog(directory / "pods", f"web-{n}", "persona") for n in range(_CONTAINERS)]
        for number in range(lines):
            logs[number % _CONTAINERS].write(f"{number:010d} ".ljust(_LINE, "x"))
        for log in logs:
            log.close()
        here, there = multiprocessing.Pipe()
        listener = multiprocessing.Process(target=_listen, args=(server, there), daemon=True)
        listener.start()
        forwarder = ForwarderProcess(directory, client, here.recv())
        with forwarder.running():
            assert forwarder.process is not None
            started = time.monotonic()
            acknowledged = 0.0
            first = None
            while acknowledged < lines:
                time.sleep(0.1)
                try:
                    acknowledged = forwarder.metric("decnet_forwarder_lines_acknowledged_total")
                except OSError:
                    continue
                if first is None and acknowledged:
                    first = (time.monotonic(), acknowledged)
            ended = time.monotonic()
            fields = Path(f"/proc/{forwarder.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            memory = forwarder.resident_mib()
        assert first is not None
        steady = (acknowledged - first[1]) / max(ended - first[0], 0.001)
        print(
            f"{lines} lines of {_LINE} bytes: {lines / (ended - started):,.0f} lines/s with start-up,"
            f" {steady:,.0f} lines/s steady, {cpu:.2f} CPU seconds ({cpu / lines * 1e6:.2f} us a line),"
            f" {memory:.0f} MiB"
        )
        listener.terminate()


if __name__ == "__main__":
    main()
