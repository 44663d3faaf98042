"""One container's files: rotation, compression, truncation, restarts. Real files, no network."""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import time
from pathlib import Path

import pytest

from decnet_events.envelope import parse_envelope
from decnet_events.framing import FrameDecoder
from decnet_node.forwarder import container as container_module
from decnet_node.forwarder.container import ContainerLog
from decnet_node.forwarder.files import Container, LogName, parse_log_name, parse_pod_directory
from decnet_node.forwarder.state import FileKey, Recalled
from decnet_node.forwarder.suppression import Rules, Suppressor

_CLOCK = itertools.count()


def _record(content: str, tag: str = "F") -> str:
    return f"2025-01-01T00:00:00.{next(_CLOCK):09d}Z stdout {tag} {content}\n"


def _write(path: Path, *contents: str, tag: str = "F") -> None:
    with path.open("a") as file:
        file.writelines(_record(content, tag) for content in contents)


def _age(path: Path) -> None:
    """Make `path` look as if nothing had been written for an hour, so that nobody waits for more."""
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago))


class Reader:
    """A ContainerLog whose lines and commits are collected."""

    def __init__(
        self,
        directory: Path,
        positions: dict[str, int] | None = None,
        *,
        rules: Rules = Rules(),  # noqa: B008 - frozen
        marks: dict[str, list[int]] | None = None,
    ) -> None:
        self.log = ContainerLog(
            Container("ns", "web", "uid-1", "ssh"),
            directory,
            "node",
            1000,
            rules,
            Recalled(positions or {}, marks or {}),
        )
        self.lines: list[str] = []
        self.keys: list[tuple[str, str, str, int]] = []
        self.cut: list[bool] = []
        self.times: list[str] = []
        self.commits: dict[FileKey, int] = {}

    def read(self, patience: float = 0.0) -> list[str]:
        """Everything there is now; `patience` in seconds for files that may still grow."""
        fresh: list[str] = []
        deadline = time.monotonic() + patience
        while True:
            self.log.rescan()
            while (batch := self.log.read()) is not None:
                for frame in FrameDecoder().feed(batch.frames):
                    envelope = parse_envelope(frame)
                    fresh.append(envelope.line)
                    self.keys.append(envelope.key)
                    self.cut.append(envelope.cut)
                    self.times.append(envelope.time)
                self.commits |= batch.commits
            if time.monotonic() >= deadline:
                self.lines += fresh
                return fresh
            time.sleep(0.05)

    @property
    def positions(self) -> dict[str, int]:
        return {key.gen: position for key, position in self.commits.items()}


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


def test_follows_and_commits_to_the_end(live: Path) -> None:
    reader = Reader(live.parent)
    assert reader.read() == []
    _write(live, "one")
    assert reader.read() == ["one"]
    _write(live, "two", "three")
    assert reader.read() == ["two", "three"]
    assert list(reader.positions.values()) == [live.stat().st_size]
    assert reader.log.lag() == (0, 0, 0)  # nothing entered a window
    assert Reader(live.parent, reader.positions).read() == []
    reader.log.close()


def test_a_record_being_written_waits(live: Path) -> None:
    reader = Reader(live.parent)
    record = _record("whole")
    live.write_text(record[:-3])
    assert reader.read() == []
    live.write_text(record)
    assert reader.read() == ["whole"]


def test_rotation_by_rename_keeps_order_and_identity(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a", "b")
    reader.read()
    _write(live, "c")
    rotated = live.rename(live.parent / "0.log.20250101-000000")
    with rotated.open("a") as still_open:
        _write(live, "e")
        still_open.write(_record("d"))
        still_open.flush()
        assert reader.read(0.8) == ["c", "d", "e"]
        still_open.write(_record("late"))
    assert reader.read(0.1) == ["late"]
    assert len({key[2] for key in reader.keys}) == 2


def test_rotated_compressed_and_deleted_while_away(live: Path) -> None:
    before = Reader(live.parent)
    _write(live, "a", "b")
    before.read()
    _write(live, "c", "d")
    with gzip.open(live.parent / "0.log.20250101-000000.gz", "wb") as packed:
        packed.write(live.read_bytes())
    live.unlink()
    _write(live, "e")
    after = Reader(live.parent, before.positions)
    assert after.read() == ["c", "d", "e"]
    assert Reader(live.parent, before.positions | after.positions).read() == []
    assert [*before.keys, *after.keys] == sorted({*before.keys, *after.keys}, key=lambda key: key[2:])


def test_compression_under_our_eyes_repeats_nothing(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a", "b")
    rotated = live.rename(live.parent / "0.log.20250101-000000")
    _write(live, "c")
    assert reader.read(0.7) == ["a", "b", "c"]
    with gzip.open(live.parent / "0.log.20250101-000000.gz", "wb") as packed:
        packed.write(rotated.read_bytes())
    assert reader.read(0.7) == []
    rotated.unlink()
    _write(live, "d")
    assert reader.read(0.7) == ["d"]


def test_copy_and_truncate(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a")
    reader.read()
    _write(live, "b")
    copy = Path(shutil.copy(live, live.parent / "0.log.1"))
    os.truncate(live, 0)
    _write(live, "a longer line than before, so that the size alone tells nothing about it")
    assert reader.read(0.8) == [
        "b",
        "a longer line than before, so that the size alone tells nothing about it",
    ]
    assert copy.exists()


def test_a_truncation_seen_before_the_copy_keeps_order(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a")
    reader.read()
    _write(live, "b")
    shutil.copy(live, live.parent / "0.log.1")
    os.truncate(live, 0)
    _write(live, "c")
    batches = []
    while (batch := reader.log.read()) is not None:  # without a look at the directory first
        batches.append(batch)
    assert [
        parse_envelope(frame).line for batch in batches for frame in FrameDecoder().feed(batch.frames)
    ] == ["b"]
    assert reader.read(0.7) == ["c"]


def test_a_rotation_in_the_middle_of_a_look_keeps_order(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(live.parent)
    _write(live, "a")
    reader.read()
    _write(live, "b", "c")
    listing = reader.log._listing

    def rotate_after_listing() -> list[tuple[Path, LogName]]:
        found = listing()
        live.rename(live.parent / "0.log.20250101-000000")
        _write(live, "d")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(reader.log, "_listing", rotate_after_listing)
        reader.log.rescan()
    assert reader.read(0.8) == ["b", "c", "d"]


def test_truncation_without_a_copy_starts_a_generation(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a", "b")
    reader.read()
    os.truncate(live, 0)
    assert reader.read() == []
    _write(live, "c")
    assert reader.read() == ["c"]
    assert len({key[2] for key in reader.keys}) == 2


def test_a_restarted_container_goes_on_in_the_next_file(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a")
    _write(live, "last words", tag="P")
    assert reader.read() == ["a"]
    assert list(reader.positions.values()) != [live.stat().st_size]
    _write(live.parent / "1.log", "b")
    assert reader.read(0.7) == ["last words", "b"]
    assert reader.positions[reader.keys[0][2]] == live.stat().st_size


def test_a_partial_line_over_a_rotation_is_one_line(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "begin ", tag="P")
    reader.read()
    live.rename(live.parent / "0.log.20250101-000000")
    _write(live, "middle ", tag="P")
    _write(live, "end")
    assert reader.read(0.7) == ["begin middle end"]
    assert sorted(reader.positions.values())[0] > 0


def test_a_deleted_file_is_read_to_its_end(live: Path) -> None:
    reader = Reader(live.parent)
    _write(live, "a")
    reader.read()
    _write(live, "b")
    _write(live, "unfinished", tag="P")
    live.unlink()
    assert reader.read(0.7) == ["b", "unfinished"]


def test_a_torn_record_at_the_end_of_a_dead_file(live: Path) -> None:
    live.write_text(_record("a") + _record("torn apart")[:-6])
    _write(live.parent / "1.log", "b")
    _age(live)
    reader = Reader(live.parent)
    assert reader.read() == ["a", "torn ", "b"]
    assert reader.cut == [False, True, False]


def test_an_endless_record_is_cut_in_bounded_memory(live: Path) -> None:
    reader = Reader(live.parent)
    piece = "x" * container_module.PIECE
    with live.open("w") as file:
        file.write(_record("before") + _record("")[:-1])
        for _ in range(40):
            file.write(piece)
            file.flush()
        assert reader.read() == ["before"]
        file.write("\n" + _record("after"))
    assert reader.read() == ["x" * 1000, "after"]
    assert reader.cut == [False, True, False]


def test_broken_files_are_counted_and_passed_over(live: Path) -> None:
    (live.parent / "0.log.20250101-000000.gz").write_bytes(b"\x1f\x8b" + b"no gzip at all, sorry" * 3)
    os.mkfifo(live.parent / "0.log.20250102-000000")
    (live.parent / "9.log").mkdir()
    (live.parent / "0.log.20250103-000000.tmp").write_bytes(b"kubelet at work")
    _write(live, "a")
    reader = Reader(live.parent)
    assert reader.read(0.1) == ["a"]
    assert reader.log.unreadable >= 3


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    directory = tmp_path / "ssh"
    directory.mkdir()
    _write(tmp_path / "elsewhere", "a")
    (directory / "0.log").symlink_to(tmp_path / "elsewhere")
    assert Reader(directory).read() == ["a"]


def test_names() -> None:
    assert parse_log_name("0.log") == LogName(0, None, False)
    assert parse_log_name("3.log.20250101-000000.gz") == LogName(3, "20250101-000000", True)
    assert parse_log_name("0.log.20250101-000000.tmp") is None
    assert parse_log_name("../0.log") is None
    assert parse_pod_directory("decnet_web-1_1234-abcd") == ("decnet", "web-1", "1234-abcd")
    assert parse_pod_directory("decnet_web_1_1234") is None
    names = ["1.log", "0.log", "0.log.20250102-000000", "0.log.20250101-000000.gz"]
    assert sorted(names, key=lambda name: parse_log_name(name).order) == names[::-1]  # type: ignore[union-attr]


def test_blocks_of_nul_are_kept_as_lines_with_the_same_time_again(live: Path) -> None:
    live.write_bytes(bytes(4096) + _record("a").encode() + _record("b").encode() + bytes(100) + b"\n")
    _write(live.parent / "1.log", "c")
    first, second = Reader(live.parent), Reader(live.parent)
    for reader in (first, second):
        reader.read(1)
        assert [line[-5:] for line in reader.lines] == ["0\\x00", "b", "0\\x00", "c"]
        assert reader.cut == [True, False, False, False]
    assert (first.keys, first.times) == (second.keys, second.times)
    assert first.times[0].startswith("2025-01-01T")  # that of the record behind the block


def _event(number: int) -> str:
    return f'<134>1 - web01 ssh - connect [relay@55555 src_ip="10.0.0.1" src_port="{number}"]'


def test_a_count_is_reported_once_its_mark_is_kept(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Suppressor, "patience", 0.0)
    reader = Reader(live.parent, rules=Rules(frozenset({"connect"}), 5))
    _write(live, *(_event(number) for number in range(5)))
    assert reader.read() == [_event(0)]
    assert list(reader.positions.values()) == [0]  # the window has to be seen as a whole again
    (mark,) = reader.log.overdue().items()
    assert mark[1] == live.stat().st_size
    _write(live, "later")
    assert reader.read() == []  # nothing until the mark is kept
    reader.log.settle(durable=False)
    assert reader.read() == ["later"]
    again = Reader(live.parent, rules=Rules(frozenset({"connect"}), 5), marks={mark[0].gen: [mark[1]]})
    lines = again.read()
    assert (lines[0], lines[-1]) == (_event(0), "later")
    assert 'count="4"' in lines[1]
    assert list(again.positions.values()) == [live.stat().st_size]


@pytest.mark.parametrize("counted", ["before the line", "with its end"])
def test_a_line_in_two_files_is_read_again_as_a_whole(live: Path, counted: str) -> None:
    rules = Rules(frozenset({"connect"}), 5)
    reader = Reader(live.parent, rules=rules)
    if counted == "before the line":
        _write(live, _event(0), _event(1))
    _write(live, "begun", tag="P")
    rotated = live.with_name("0.log.20250101-000000")
    live.rename(rotated)
    if counted == "with its end":
        stderr = [_record(_event(number)).replace("stdout", "stderr") for number in range(2)]
        live.write_text("".join(stderr))
    _write(live, " and ended", "next")
    reader.read(1)
    assert reader.lines == [_event(0), "begun and ended", "next"]
    _write(live, "last")
    again = Reader(live.parent, reader.positions, rules=rules)
    again.read(1)
    assert again.lines[-1] == "last"
    assert set(again.lines) <= {*reader.lines, "last"}
    assert set(again.keys[:-1]) <= set(reader.keys)


def test_a_container_that_is_gone_is_done_when_its_counts_are_reported(tmp_path: Path) -> None:
    directory = tmp_path / "ssh"
    directory.mkdir()
    reader = Reader(directory, rules=Rules(frozenset({"connect"}), 5))
    _write(directory / "0.log", _event(1), _event(2))
    assert reader.read() == [_event(1)]
    shutil.rmtree(directory)
    assert reader.read(0.7) == []
    monotonic_end = time.monotonic() + 15
    while not (marks := reader.log.overdue()):
        assert not reader.log.done
        assert time.monotonic() < monotonic_end
        reader.read(0.2)
    assert len(marks) == 1
    reader.log.settle(durable=True)
    (report,) = reader.read()
    assert 'count="1"' in report
    reader.read(0.1)
    assert not reader.log.overdue()
