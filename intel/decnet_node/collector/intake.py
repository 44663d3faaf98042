"""From the spools to the store, a bounded piece of one spool at a time."""

from __future__ import annotations

import itertools
import logging
import os
import re
import stat
from collections.abc import Iterator, Set
from contextlib import ExitStack, closing
from dataclasses import dataclass

from decnet_events.transfer import LOSSES, Offer, is_name, kind_of
from decnet_node.collector.index import Loss, Origin, SourceKey
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.source import Source, UnfitError, VanishedError, is_plain, remove, sync
from decnet_node.collector.spools import Spool, SpoolTree
from decnet_node.collector.store import Copy, Store, Taken

log = logging.getLogger(__name__)

_FILES = 64
_BYTES = 8 * 1024 * 1024
_ENTRIES = 200_000
_STUCK = 256
"""Files of one spool that could not be removed; with more nothing is taken from it."""

_UNFINISHED = re.compile(r"\.(.+)\.part", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn did: bytes read, and whether there is more."""

    bytes: int
    more: bool


class Intake:
    """Copies finished files and removes them from their spools. Blocking; one thread at a time."""

    def __init__(self, tree: SpoolTree, store: Store, max_file: int, metrics: Metrics) -> None:
        self._tree = tree
        self._store = store
        self._max_file = max_file
        self._metrics = metrics
        self._told: set[tuple[Origin, str]] = set()

    def turn(self, spool: Spool) -> Turn:
        """Take some files of `spool`. Raises OSError or sqlite3.Error: not now, and nothing is lost."""
        with ExitStack() as opened:
            try:
                directory = opened.enter_context(self._tree.open(spool))
            except FileNotFoundError:
                return Turn(0, more=False)
            except OSError:  # a spool that we may not enter has been tampered with
                self._tell_once(spool.origin, "unreadable")
                return Turn(0, more=False)
            self._told.discard((spool.origin, "unreadable"))
            names, more = self._names(directory, spool)
            size, rest = self._take(directory, spool.origin, names)
            return Turn(size, more or rest)

    def forget(self, present: Set[Origin]) -> None:
        """Spools that are no more need not be remembered."""
        self._told = {it for it in self._told if it[0] in present}

    def _tell_once(self, origin: Origin, reason: str) -> None:
        """Report what is wrong with the spool as such."""
        if (origin, reason) not in self._told:
            log.warning("spool of %s in %s: %s", origin.container, origin.decky, LOSSES[reason])
            self._store.lose(origin, Loss("", "file", 0, reason))
            self._told.add((origin, reason))

    def _names(self, directory: int, spool: Spool) -> tuple[list[tuple[str, os.stat_result]], bool]:
        """Some names that are to be looked at, the oldest first, and whether there are more."""
        settled = self._store.settled(spool.origin)
        stuck = len(settled) > _STUCK
        if stuck:
            self._tell_once(spool.origin, "stuck")
        found: list[tuple[str, os.stat_result]] = []
        gone = []
        for name, status in self._entries(directory, spool):
            key = SourceKey(status.st_ino, status.st_ctime_ns)
            if key in settled:
                if remove(directory, name, status.st_ino):
                    gone.append(key)
            elif not stuck:
                found.append((name, status))
                if len(found) > _FILES:
                    break
        if gone:
            sync(directory)
            self._store.removed(spool.origin, gone)
        found.sort(key=lambda it: it[1].st_mtime_ns)
        return found[:_FILES], len(found) > _FILES

    def _entries(self, directory: int, spool: Spool) -> Iterator[tuple[str, os.stat_result]]:
        """What is finished in the spool. Directories that are not empty stay and are told once."""
        with os.scandir(directory) as entries:
            for entry in itertools.islice(entries, _ENTRIES):
                if _UNFINISHED.fullmatch(entry.name) and not spool.ended:
                    continue
                try:
                    status = os.stat(entry.name, dir_fd=directory, follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    remove(directory, entry.name, status.st_ino)
                    self._tell_once(spool.origin, "type")
                else:
                    yield entry.name, status

    def _take(
        self, directory: int, origin: Origin, names: list[tuple[str, os.stat_result]]
    ) -> tuple[int, bool]:
        """Copy, write down, remove. (bytes read, whether names are left)."""
        taken: list[Taken] = []
        size = 0
        problem: OSError | None = None
        try:
            for name, status in names:
                if size >= _BYTES:
                    break
                try:
                    it = self._look_at(directory, origin, name, status)
                except VanishedError:
                    continue
                except OSError as error:  # of our disk: those of the source are UnfitErrors
                    problem = error
                    break
                taken.append(it)
                size += it.copy.offer.size if it.copy is not None else 0
            if taken:
                self._store.keep(origin, taken)
        except BaseException:
            for it in taken:
                if it.copy is not None:
                    self._store.give_up(it.copy.room)
            raise
        self._clear(directory, origin, taken)
        if problem is not None and not taken:
            raise problem
        # With room for some of them only, these may make room for the others once they are in the index.
        return size, size >= _BYTES or problem is not None

    def _clear(self, directory: int, origin: Origin, taken: list[Taken]) -> None:
        """Remove from the spool what is written down."""
        for it in taken:
            if it.copy is not None:
                self._metrics.taken.inc()
                self._metrics.taken_bytes.inc(it.copy.offer.size)
        gone = [it.key for it in taken if remove(directory, it.name, it.key.inode)]
        if gone:
            sync(directory)
            self._store.removed(origin, gone)

    def _look_at(self, directory: int, origin: Origin, name: str, status: os.stat_result) -> Taken:
        """Copy one file, or say why not. Raises VanishedError, and OSError when it cannot be written."""
        key = SourceKey(status.st_ino, status.st_ctime_ns)
        unfinished = _UNFINISHED.fullmatch(name)
        final = unfinished[1] if unfinished else name
        known = final if is_name(final) else ""
        try:
            if not is_plain(status):
                raise UnfitError("type", status.st_size)
            if not known:
                raise UnfitError("name", status.st_size)
            with closing(Source(directory, name)) as source:
                copy, loss = self._copy(source, origin, final, unfinished=unfinished is not None)
                return Taken(name, key, copy, loss)
        except UnfitError as unfit:
            return Taken(name, key, loss=Loss(known, kind_of(known), unfit.size, unfit.reason))

    def _copy(
        self, source: Source, origin: Origin, name: str, *, unfinished: bool
    ) -> tuple[Copy, Loss | None]:
        room = self._store.reserve(origin, min(source.size, self._max_file))
        try:
            content = source.copy(room.path, self._max_file)
        except BaseException:
            self._store.give_up(room)
            raise
        kind = kind_of(name)
        cut = unfinished or content.reason is not None
        offer = Offer(content.sha256, content.size, *origin, name, kind, content.modified, cut)
        loss = Loss(name, kind, content.missing, content.reason) if content.reason else None
        return Copy(offer, room), loss
