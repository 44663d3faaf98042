"""From hostile spools to the store: what is taken, what is refused, what is told, what stays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from decnet_events.transfer import Lost
from decnet_node.collector.index import Waiting
from decnet_node.collector.intake import Intake
from decnet_node.collector.metrics import Metrics
from decnet_node.collector.spools import Spool, SpoolTree
from decnet_node.collector.store import FILE_COST, Store

MIB = 1024 * 1024
MAX_FILE = 4 * MIB


@dataclass
class Node:
    """One decky's spool, and the collector's halves without their loop."""

    folder: Path
    store: Store
    tree: SpoolTree
    intake: Intake

    @property
    def spool(self) -> Path:
        return self.folder / "pods" / "uid-web" / "volumes" / "kubernetes.io~empty-dir" / "spool-ssh"

    @property
    def logs(self) -> Path:
        return self.folder / "logs" / "decnet_web_uid-web"

    def collect(self) -> None:
        """Until all spools have nothing more."""
        for spool in self.tree.scan():
            for _ in range(100):
                if not self.intake.turn(spool).more:
                    break

    def waiting(self) -> list[Waiting]:
        return self.store._index._waiting("1 ORDER BY id")

    def names(self) -> list[str]:
        return [it.offer.name for it in self.waiting()]

    def losses(self) -> list[Lost]:
        found = []
        while (lost := self.store.loss_to_tell()) is not None:
            self.store.noted(lost)
            found.append(lost)
        return found

    def content(self, it: Waiting) -> bytes:
        with os.fdopen(self.store.open_content(it), "rb") as file:
            return file.read()


@contextlib.contextmanager
def _opened(folder: Path, **changes: int) -> Iterator[Node]:
    quotas = {"decky_bytes": 64 * MIB, "node_bytes": 128 * MIB, "keep_free": MIB, **changes}
    store = Store(folder / "state", **quotas)
    tree = SpoolTree(folder / "logs", folder / "pods", "persona", store)
    node = Node(folder, store, tree, Intake(tree, store, MAX_FILE, Metrics(lambda: False)))
    (node.logs / "persona").mkdir(parents=True, exist_ok=True)
    node.spool.mkdir(parents=True, exist_ok=True)
    try:
        yield node
    finally:
        store.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with _opened(tmp_path) as it:
        yield it


def test_finished_files_are_copied_and_leave_the_spool(node: Node) -> None:
    (node.spool / "session-a-0001.cast").write_bytes(b"one")
    (node.spool / "file-a-1").write_bytes(b"")
    (node.spool / ".session-a-0002.cast.part").write_bytes(b"unfinished")
    node.collect()
    found = {it.offer.name: it for it in node.waiting()}
    assert found.keys() == {"session-a-0001.cast", "file-a-1"}
    session = found["session-a-0001.cast"].offer
    assert (session.namespace, session.pod, session.uid, session.container) == (
        "decnet",
        "web",
        "uid-web",
        "ssh",
    )
    assert (session.kind, session.size, session.cut) == ("session", 3, False)
    assert session.sha256 == hashlib.sha256(b"one").hexdigest()
    assert node.content(found["session-a-0001.cast"]) == b"one"
    assert [path.name for path in node.spool.iterdir()] == [".session-a-0002.cast.part"]
    assert node.losses() == []


def test_what_an_ended_pod_left_unfinished_is_taken_as_cut(node: Node) -> None:
    (node.spool / ".session-a-0002.cast.part").write_bytes(b"unfinished")
    node.collect()
    assert node.names() == []
    (node.logs / "persona").rmdir()
    node.logs.rmdir()
    node.collect()
    (it,) = node.waiting()
    assert (it.offer.name, it.offer.cut) == ("session-a-0002.cast", True)
    assert list(node.spool.iterdir()) == []


def test_an_ended_pod_is_known_after_a_restart(tmp_path: Path) -> None:
    with _opened(tmp_path) as node:
        node.collect()
        (node.spool / ".file-a-1.part").write_bytes(b"x")
    with _opened(tmp_path) as node:
        (node.logs / "persona").rmdir()
        node.logs.rmdir()
        node.collect()
        assert node.names() == ["file-a-1"]


def test_pods_that_are_no_deckies_are_left_alone(node: Node) -> None:
    other = node.folder / "pods" / "uid-db" / "volumes" / "kubernetes.io~empty-dir" / "spool-x"
    other.mkdir(parents=True)
    (other / "file-a-1").write_bytes(b"theirs")
    (node.folder / "logs" / "decnet_db_uid-db" / "postgres").mkdir(parents=True)
    node.collect()
    assert node.names() == []
    assert (other / "file-a-1").exists()


def test_nothing_but_plain_files_is_taken(node: Node, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the node's")
    (node.spool / "file-link-1").symlink_to(secret)
    (node.spool / "file-link-2").symlink_to("nowhere")
    (node.spool / "file-link-3").symlink_to(tmp_path)
    (node.spool / "file-hard-1").write_bytes(b"twice")
    os.link(node.spool / "file-hard-1", node.spool / "file-hard-2")
    os.mkfifo(node.spool / "file-fifo-1")
    os.mknod(node.spool / "file-null-1", 0o20666, os.makedev(1, 3))
    os.mknod(node.spool / "file-socket-1", 0o600 | stat.S_IFSOCK)
    (node.spool / "file-dir-1").mkdir()
    (node.spool / "file-dir-2" / "below").mkdir(parents=True)
    (node.spool / "file-dir-2" / "below" / "file-a-1").write_bytes(b"deep")
    node.collect()
    # One name of a hard link is refused; with the other one the file is plain again.
    assert [it for it in node.names() if it not in ("file-hard-1", "file-hard-2")] == []
    assert len(node.names()) <= 1
    assert secret.read_text() == "the node's"
    assert [path.name for path in node.spool.iterdir()] == ["file-dir-2"]
    losses = node.losses()
    assert {it.reason for it in losses} == {"type"}
    assert len({it.id for it in losses}) == len(losses) >= 8
    node.collect()
    assert node.losses() == [], "told once"


@pytest.mark.parametrize(
    "name",
    [
        b"..evil",
        b"-rf",
        b"UPPER",
        b"a b",
        b"a\nb",
        b"\xff\xfe",
        "\u0661file".encode(),
        b"a" * 129,
        b".x.y",
        b"~",
    ],
)
def test_other_names_are_refused_and_not_told(node: Node, name: bytes) -> None:
    Path(os.fsdecode(bytes(node.spool) + b"/" + name)).write_bytes(b"12345")
    (node.spool / "file-a-1").write_bytes(b"good")
    node.collect()
    assert node.names() == ["file-a-1"]
    (lost,) = node.losses()
    assert (lost.reason, lost.name, lost.bytes, lost.count) == ("name", "", 5, 1)
    assert list(node.spool.iterdir()) == []


def test_thousands_of_bad_names_are_summed_up(node: Node) -> None:
    for number in range(3000):
        (node.spool / f"BAD{number}").write_bytes(b"123")
    node.collect()
    losses = node.losses()
    assert len(losses) <= 70
    assert sum(it.count for it in losses) == 3000
    assert sum(it.bytes for it in losses) == 9000
    assert list(node.spool.iterdir()) == []


def test_a_long_or_sparse_file_is_cut_and_told(node: Node) -> None:
    with (node.spool / "file-a-1").open("wb") as file:
        file.write(b"begin")
        file.truncate(1 << 40)
    node.collect()
    (it,) = node.waiting()
    assert (it.offer.size, it.offer.cut) == (MAX_FILE, True)
    assert node.content(it) == b"begin".ljust(MAX_FILE, b"\0")
    (lost,) = node.losses()
    assert (lost.reason, lost.name, lost.bytes) == ("size", "file-a-1", (1 << 40) - MAX_FILE)


def test_impossible_times_are_made_possible(node: Node) -> None:
    for number, when in enumerate((-(10**9), 0, 2**40)):
        path = node.spool / f"file-a-{number}"
        path.write_bytes(b"%d" % number)
        os.utime(path, (when, when))
    node.collect()
    assert sorted(it.offer.modified.year for it in node.waiting()) == [1970, 1970, 2100]


def test_a_spool_replaced_by_a_link_is_told_once(node: Node, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file-a-1").write_bytes(b"theirs")
    node.spool.rmdir()
    node.spool.symlink_to(elsewhere)
    node.collect()
    node.collect()
    assert node.names() == []
    assert (elsewhere / "file-a-1").exists()
    assert [it.reason for it in node.losses()] == ["unreadable"]


def test_a_vanished_spool_leaves_what_was_copied(node: Node) -> None:
    (node.spool / "file-a-1").write_bytes(b"copied")
    spools = node.tree.scan()
    node.collect()
    node.spool.rmdir()
    assert node.intake.turn(spools[0]).bytes == 0
    assert node.names() == ["file-a-1"]


def test_a_file_that_is_settled_is_only_removed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a crash between writing down and removing."""
    (node.spool / "BAD").write_bytes(b"x")
    (node.spool / "file-a-1").write_bytes(b"y")
    with monkeypatch.context() as without:
        without.setattr("decnet_node.collector.intake.remove", lambda *_: False)
        node.collect()
    assert len(list(node.spool.iterdir())) == 2
    node.store.forget(node.waiting()[0])
    assert len(node.losses()) == 1
    node.collect()
    assert (node.names(), node.losses(), list(node.spool.iterdir())) == ([], [], [])


def test_the_oldest_make_room_and_are_told(tmp_path: Path) -> None:
    with _opened(tmp_path, decky_bytes=5 * MIB) as node:
        for number in range(10):
            path = node.spool / f"file-a-{number}"
            path.write_bytes(bytes([number]) * MIB)
            os.utime(path, (number, number))
        node.collect()
        assert node.names() == [f"file-a-{number}" for number in range(6, 10)]
        losses = node.losses()
        assert [(it.name, it.reason, it.bytes) for it in losses] == [
            (f"file-a-{number}", "backlog", MIB) for number in range(6)
        ]
        kept = list((tmp_path / "state" / "content").iterdir())
        assert len(kept) == 4


def test_the_noisy_decky_makes_room_for_all(tmp_path: Path) -> None:
    with _opened(tmp_path, node_bytes=8 * MIB) as node:
        (node.spool / "session-a-1.cast").write_bytes(b"quiet")
        node.collect()
        noisy = node.folder / "pods" / "uid-db" / "volumes" / "kubernetes.io~empty-dir" / "spool-ssh"
        noisy.mkdir(parents=True)
        (node.folder / "logs" / "decnet_db_uid-db" / "persona").mkdir(parents=True)
        for number in range(12):
            (noisy / f"file-a-{number}").write_bytes(bytes([number]) * MIB)
        node.collect()
        assert "session-a-1.cast" in node.names()
        used = sum(it.offer.size + FILE_COST for it in node.waiting())
        assert used <= 8 * MIB
        assert {it.pod for it in node.losses()} == {"db"}


def test_the_copy_that_is_being_sent_is_spared(tmp_path: Path) -> None:
    sending = None
    with _opened(tmp_path, decky_bytes=9 * MIB) as node:
        for number in range(3):
            (node.spool / f"file-a-{number}").write_bytes(bytes([number]) * 4 * MIB)
            node.collect()
            sending = sending or node.store.next_turn(True, "")
        assert node.names() == ["file-a-0", "file-a-2"]
        assert sending is not None and sending.offer.name == "file-a-0"


def test_the_same_content_is_kept_once_and_as_long_as_needed(node: Node) -> None:
    for name in ("file-a-1", "file-a-2"):
        (node.spool / name).write_bytes(b"same")
    node.collect()
    first, second = node.waiting()
    assert len(list((node.folder / "state" / "content").iterdir())) == 1
    node.store.forget(first)
    assert node.content(second) == b"same"
    node.store.forget(second)
    assert list((node.folder / "state" / "content").iterdir()) == []


def test_a_file_of_another_name_is_never_removed_in_its_place(node: Node) -> None:
    from decnet_node.collector.source import remove

    (node.spool / "file-a-1").write_bytes(b"new")
    directory = os.open(node.spool, os.O_RDONLY)
    try:
        assert remove(directory, "file-a-1", inode=1)
    finally:
        os.close(directory)
    assert (node.spool / "file-a-1").exists()


def test_a_start_clears_what_a_crash_left(tmp_path: Path) -> None:
    with _opened(tmp_path) as node:
        (node.spool / "file-a-1").write_bytes(b"keep")
        node.collect()
    (tmp_path / "state" / "incoming" / "7").write_bytes(b"half a copy")
    (tmp_path / "state" / "content" / ("0" * 64)).write_bytes(b"nobody's")
    with _opened(tmp_path) as node:
        (it,) = node.waiting()
        assert node.content(it) == b"keep"
        assert len(list((tmp_path / "state" / "content").iterdir())) == 1
        assert list((tmp_path / "state" / "incoming").iterdir()) == []


def _zeros(index: Path) -> None:
    index.write_bytes(b"\0" * 8192)


def _later_format(index: Path) -> None:
    """The header's write version: SQLite then opens the file for reading only."""
    content = bytearray(index.read_bytes())
    content[18] = 9
    index.write_bytes(content)


@pytest.mark.parametrize("damage", [_zeros, _later_format])
def test_a_broken_index_is_set_aside(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    with _opened(tmp_path):
        pass
    damage(tmp_path / "state" / "index.db")
    with _opened(tmp_path) as node:
        assert node.store.was_broken
        (node.spool / "file-a-1").write_bytes(b"x")
        node.collect()
        assert node.names() == ["file-a-1"]


def test_spools_are_those_of_containers(node: Node) -> None:
    (node.spool.parent / "scratch").mkdir()
    (node.spool.parent / "spool-Bad_Name").mkdir()
    assert [spool.origin.container for spool in node.tree.scan()] == ["ssh"]
    assert node.tree.scan() == [Spool(node.tree.scan()[0].origin, ended=False)]
