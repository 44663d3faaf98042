"""Does the faults of a plan to a pipe, each in a thread of its own, while traffic flows."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from torture.cri_log import CriLog, Rotated
from torture.daemon import Daemon
from torture.disk import SmallDisk
from torture.pipe import Pipe
from torture.proxy import Proxy, Trap
from torture.schedule import OF_POSTGRES, OF_ROOT, Fault
from torture.traffic import Traffic

_AT_ONCE = 4
_TRAP_SECONDS = 15.0
_SEEN_SECONDS = 20.0
_THROUGH_SECONDS = 120.0
"""An outage may have to end first."""


class Injector:
    """Call `due` between turns of the traffic."""

    def __init__(
        self, pipe: Pipe, traffic: Traffic, plan: Sequence[Fault], say: Callable[[str], None]
    ) -> None:
        self.applied: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        """Faults that could not be done: no database in this pipe, no root, nothing came by."""
        self.failed: list[str] = []
        self._pipe = pipe
        self._traffic = traffic
        self._plan = list(plan)
        self._next = 0
        self._say = say
        self._threads: list[threading.Thread] = []
        self._trap_locks = {id(proxy): threading.Lock() for proxy in (*pipe.links, *pipe.stores)}

    def due(self) -> bool:
        """Start what is due; False while so much is going on that traffic has to wait for the rest."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while self._next < len(self._plan) and self._plan[self._next].at <= self._traffic.written:
            if len(self._threads) >= _AT_ONCE:
                return False
            fault = self._plan[self._next]
            self._next += 1
            thread = threading.Thread(target=self._run, args=(fault,), name=str(fault), daemon=True)
            self._threads.append(thread)
            thread.start()
        return True

    @property
    def busy(self) -> bool:
        """Whether a fault is not over."""
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, fault: Fault) -> None:
        kind = fault.kind
        if (kind in OF_POSTGRES and self._pipe.database is None) or (kind in OF_ROOT and os.geteuid()):
            self.left_out[kind] += 1
            return
        self._say(str(fault))
        group, _, what = kind.partition("_")
        do = getattr(self, f"_{kind}", None) or getattr(self, f"_{group}_{_PART.get(what, what)}")
        try:
            applied = do(fault)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is no longer what was planned
            self.failed.append(f"{fault}: {error!r}")
            return
        (self.applied if applied is not False else self.left_out)[kind] += 1

    def _process(self, fault: Fault) -> Daemon:
        pipe = self._pipe
        return (pipe.senders if fault.kind.endswith("forwarder") else pipe.receivers)[fault.target]

    def _kill_process(self, fault: Fault) -> None:
        daemon = self._process(fault)
        with daemon.busy:
            daemon.kill()

    def _pause_process(self, fault: Fault) -> None:
        daemon = self._process(fault)
        with daemon.busy:
            daemon.pause(fault.detail["seconds"])

    def _backend(self) -> int | None:
        """A server process that serves a listener's writer; one comes when a listener has found its way back."""
        assert self._pipe.database is not None
        deadline = time.monotonic() + _TRAP_SECONDS
        while time.monotonic() < deadline:
            if (pid := self._pipe.database.backend("decnet-listener")) is not None:
                return pid
            time.sleep(0.2)
        return None

    def _kill_backend(self, _: Fault) -> bool:
        pid = self._backend()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid is not None

    def _pause_backend(self, fault: Fault) -> bool:
        pid = self._backend()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(fault.detail["seconds"])
                os.kill(pid, signal.SIGCONT)
        return pid is not None

    def _kill_postgres(self, _: Fault) -> None:
        self._pipe.database.kill()  # type: ignore[union-attr]

    def _trap(self, fault: Fault) -> bool:
        action, _, part = fault.kind.partition("_")
        proxy = self._proxies(part)[fault.target]
        detail = fault.detail
        with self._trap_locks[id(proxy)]:
            trap = Trap(action, detail["direction"], detail["after"], detail.get("seconds", 0.0))
            if detail["broken_off"]:
                proxy.break_all()
            proxy.trap = trap
            if not trap.sprung.wait(_TRAP_SECONDS):
                trap.left = 0  # whatever comes next
            trap.sprung.wait(_TRAP_SECONDS)
            proxy.trap = None
            return trap.sprung.is_set()

    def _proxies(self, part: str) -> Sequence[Proxy]:
        return self._pipe.links if part == "node" else self._pipe.stores

    _reset_node = _hole_node = _vanish_node = _reset_database = _hole_database = _vanish_database = _trap

    def _swap(self, _: Fault) -> None:
        self._pipe.swap()
        for link in self._pipe.links:
            link.break_all()

    def _log(self, fault: Fault) -> CriLog:
        logs = self._traffic.by_node[fault.target]
        return logs[int(fault.detail["container"]) % len(logs)]

    def _rotate(self, fault: Fault) -> None:
        log = self._log(fault)
        for _ in range(fault.detail["times"]):
            self._traffic.do(log.rotate)
            time.sleep(0.3)

    def _truncate(self, fault: Fault) -> None:
        log = self._log(fault)
        for _ in range(fault.detail["times"]):
            self._traffic.do(log.copy_truncate)
            time.sleep(0.3)

    def _restart_container(self, fault: Fault) -> None:
        self._traffic.do(self._log(fault).restart)

    def _delete_open(self, fault: Fault) -> bool:
        """Delete a rotated file that the sender has open. It is not killed until it has got through:
        what only a dead process had open is gone by anybody's measure."""
        log, sender = self._log(fault), self._pipe.senders[fault.target]
        with sender.busy:
            file: Rotated = self._traffic.do(lambda: log.rotate(stays_plain=True))
            inode = file.path.stat().st_ino
            deadline = time.monotonic() + _SEEN_SECONDS
            while inode not in sender.open_inodes():
                if time.monotonic() > deadline:
                    return False
                sender.look()  # nobody else may, meanwhile
                time.sleep(0.02)
            self._traffic.do(lambda: log.delete(file))
            self._traffic.do(log.finish)  # a line that began in the file must not wait for its end
            while not log.got_through(file) and time.monotonic() < deadline + _THROUGH_SECONDS:
                time.sleep(0.1)
            if self._pipe.saved is not None and not log.got_through(file):
                raise TimeoutError(f"{file.path} was deleted while open and never got through")
        return True

    def _full_forwarder(self, fault: Fault) -> None:
        self._fill(self._pipe.ground.states[fault.target], fault)

    def _full_postgres(self, fault: Fault) -> None:
        assert self._pipe.database_disk is not None
        self._fill(self._pipe.database_disk, fault)

    def _fill(self, disk: SmallDisk, fault: Fault) -> None:
        disk.fill(fault.detail["room"])
        time.sleep(fault.detail["seconds"])
        disk.free()

    def _step_node(self, fault: Fault) -> None:
        self._pipe.ground.node_clocks[fault.target].step(fault.detail["seconds"])

    def _step_listener(self, fault: Fault) -> None:
        self._pipe.ground.listener_clocks[fault.target].step(fault.detail["seconds"])

    def _read_only(self, fault: Fault) -> None:
        database = self._pipe.database
        assert database is not None
        database.read_only(True)
        time.sleep(fault.detail["seconds"])
        database.read_only(False)

    def _corrupt_state(self, fault: Fault) -> bool:
        """Damage the state while its owner is dead."""
        daemon = self._pipe.senders[fault.target]
        with daemon.busy:
            daemon.kill()
            for log in self._traffic.by_node[fault.target]:
                log.account.state_lost = True
            folder = self._pipe.ground.states[fault.target].folder
            files = sorted(path for path in folder.glob(self._pipe.state_files) if path.is_file())
            for path in files[: 1 + fault.number % 2]:
                _damage(path, fault)
        return bool(files)


_PART = {"forwarder": "process", "listener": "process"}


def _damage(path: Path, fault: Fault) -> None:
    how, size = fault.detail["how"], path.stat().st_size
    at = int(size * fault.detail["where"])
    if how == "removed":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        os.truncate(path, at)
    else:
        count = min(fault.detail["bytes"], size - at)
        noise = bytes(count) if how == "zeroes" else random.Random(fault.number).randbytes(count)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(noise)
