"""A process of the pipe that is started again when it has died, as kubelet would."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from torture.clock import forget_process

_RESTART_SECONDS = 0.3


class Daemon:
    """One process. `busy` is held by whoever does something to it that others must not disturb."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.busy = threading.RLock()
        self.starts = 0
        self.own_deaths: list[int] = []
        """Exit statuses of ends that no fault caused."""
        self._command = list(command)
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        self._environment = {**inherited, "LC_ALL": "C.UTF-8", **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    @property
    def pid(self) -> int:
        """Process id of the latest start."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; what it says goes to `log`."""
        self._killed = False
        self.starts += 1
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """SIGKILL; the supervisor starts it again."""
        assert self._process is not None
        self._killed = True
        self._process.kill()
        self._process.wait()
        forget_process(self._process.pid)

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after `seconds`."""
        self.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(signal.SIGCONT)

    def open_inodes(self) -> set[int]:
        """Inodes of the regular files that it has open."""
        found = set()
        try:
            for entry in os.scandir(f"/proc/{self.pid}/fd"):
                try:
                    found.add(entry.stat().st_ino)
                except OSError:
                    continue
        except OSError:
            return set()
        return found

    def look(self) -> None:
        """Start it again if it has died; called now and then by the supervisor."""
        if self._process is not None and self._process.poll() is not None:
            if not self._killed:
                self.own_deaths.append(self._process.returncode)
            time.sleep(_RESTART_SECONDS)
            self.start()

    def stop(self) -> None:
        """End it for good."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            forget_process(self._process.pid)
            self._process = None


class Supervisor:
    """Looks after daemons until closed. A daemon that is busy is left alone."""

    def __init__(self, daemons: Sequence[Daemon]) -> None:
        self._daemons = daemons
        self._closing = threading.Event()
        for daemon in daemons:
            daemon.start()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(0.1):
            for daemon in self._daemons:
                if daemon.busy.acquire(blocking=False):
                    try:
                        daemon.look()
                    finally:
                        daemon.busy.release()

    def close(self) -> None:
        """End all of them."""
        self._closing.set()
        self._thread.join()
        for daemon in self._daemons:
            daemon.stop()
