"""Lines and counts over several files: whatever dies, each line is there once or counted once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from decnet_events.rfc5424 import parse_line
from decnet_node.forwarder.cri import Joiner, Line
from decnet_node.forwarder.spans import ContainerSpans
from decnet_node.forwarder.suppression import Rules, Suppressor

_RULES = Rules(frozenset({"connect"}), 5)
_GENS = ("a", "b", "c")

_Key = tuple[str, int]


def _content(source: int) -> str:
    return f'<134>1 2025-01-01T00:00:00Z web ssh - connect [relay@55555 src_ip="10.0.0.{source}"] text'


@st.composite
def _files(draw: st.DrawFn) -> dict[str, bytes]:
    """Both streams, partial lines that may end in the next file, and times that go on."""
    now = 0
    files = {}
    for gen in _GENS:
        records = []
        for _ in range(draw(st.integers(1, 4))):
            now += draw(st.sampled_from([0, 0, 0, 1, 6]))
            stream = draw(st.sampled_from(["stdout", "stderr"]))
            tag = draw(st.sampled_from("FP"))
            content = draw(st.sampled_from([_content(1), _content(1), _content(2), "no event"]))
            records.append(f"2025-01-01T00:{now // 60:02d}:{now % 60:02d}Z {stream} {tag} {content}\n")
        files[gen] = "".join(records).encode()
    return files


@dataclass
class _Node:
    """A forwarder that dies, and a listener that keeps the first of what has the same identity."""

    files: dict[str, bytes]
    saved: dict[str, int] = field(default_factory=dict)
    stored: dict[_Key, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.spans = ContainerSpans()
        self.joiner = Joiner(10_000, self.spans)
        self.suppressors = {gen: Suppressor(_RULES, self.spans[gen], Counter()) for gen in _GENS}
        self.positions = {gen: self.saved.get(gen, 0) for gen in _GENS}
        for gen, position in self.positions.items():
            self.spans[gen].position = position
        self.unacknowledged: list[tuple[list[Line], dict[str, int]]] = []

    def read(self, count: int) -> None:
        """Some records of the first file that has any left."""
        for gen in _GENS:
            at = self.positions[gen]
            if records := self.files[gen][at:].split(b"\n")[:-1][:count]:
                data = b"".join(record + b"\n" for record in records)
                self.positions[gen] = self.spans[gen].position = at + len(data)
                self._send(self.suppressors[gen].filter(self.joiner.feed(gen, at, data)))
                return

    def _send(self, lines: list[Line]) -> None:
        resume = self.spans.resume()
        assert all(resume[gen] >= position for gen, position in self.saved.items())
        self.unacknowledged.append((lines, resume))

    def acknowledge(self, count: int) -> None:
        for lines, resume in self.unacknowledged[:count]:
            for line in lines:
                self.stored.setdefault((line.gen, line.offset), line)
            self.saved = resume
        del self.unacknowledged[:count]

    def finish(self) -> None:
        while any(self.positions[gen] < len(self.files[gen]) for gen in _GENS):
            self.read(100)
        self._send(self.joiner.flush())
        for gen, suppressor in self.suppressors.items():
            self._send(suppressor.end(self.positions[gen]))
        self.acknowledge(len(self.unacknowledged))


_STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "read", "acknowledge", "die"]), st.integers(1, 3)),
    min_size=8,
    max_size=20,
)


@settings(max_examples=1000)
@given(_files(), _STEPS)
def test_rows_and_counts_are_the_lines_of_all_files(
    files: dict[str, bytes], steps: list[tuple[str, int]]
) -> None:
    node = _Node(files)
    for step, count in steps:
        if step == "die":
            node.start()
        else:
            getattr(node, step)(count)
    node.finish()

    whole = Joiner(10_000, ContainerSpans())
    lines = [line for gen in _GENS for line in whole.feed(gen, 0, files[gen])] + whole.flush()
    written = {(line.gen, line.offset): line.content for line in lines}
    rows = {key: line for key, line in node.stored.items() if b" suppressed [" not in line.content}
    counts = [
        parse_line(line.content.decode()).fields["count"]
        for line in node.stored.values()
        if line not in rows.values()
    ]
    assert all(written[key] == line.content for key, line in rows.items())
    assert node.stored.keys() <= written.keys()
    assert len(rows) + sum(map(int, counts)) == len(written)
