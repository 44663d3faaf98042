"""Lines on their way into `events`: a `Row` has a name for every value, an `Entry` is ready for COPY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

RAW = "raw"
"""Event id of a line that could not be read."""

SECRET = "secret_b64"  # noqa: S105 (a name)
"""The field that makes an event a credential."""

NULL = "\\N"

FILE_COLUMNS = "day, file_id, node, namespace, decky, pod_uid, service, generation, acknowledged"
LINE_COLUMNS = (
    "byte_offset, cut, occurred_at, event_id, severity, hostname, src_ip, src_port, fields, message, raw"
)
COLUMNS = f"{FILE_COLUMNS}, {LINE_COLUMNS}"
"""In this order a line of COPY is what its file has in common (`file_text`) and the text of its `Entry`."""


class File(NamedTuple):
    """One log file of one container; of a sender without files, one connection."""

    node: str
    pod_uid: str
    container: str
    generation: str


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """A file, and what all its lines have in common. Known by identity, which is quick to look up."""

    file: File
    namespace: str
    decky: str
    acknowledged: bool


class Row(NamedTuple):
    """One row, before it is known whether it is new.

    `written_at` is the runtime's time of the line, from which its day comes; None when there is
    none, as for a plain sender. `fields` is a JSON object.
    """

    node: str
    namespace: str
    decky: str
    pod_uid: str
    service: str
    generation: str
    byte_offset: int
    event_id: str
    severity: int
    hostname: str
    src_ip: str | None
    src_port: int | None
    fields: str
    message: str
    raw: str | None
    occurred_at: datetime
    acknowledged: bool
    cut: bool
    written_at: datetime | None


Entry = tuple[Source, date | None, int, str, str, str | None, bool, str]
"""source, day, byte_offset, event_id, occurred_at, src_ip, whether it holds a secret, and LINE_COLUMNS for COPY.

A plain tuple, because one is made for every line and a class would take as long as all the rest.
"""


def source_of(row: Row) -> Source:
    """The source of `row`."""
    file = File(row.node, row.pod_uid, row.service, row.generation)
    return Source(file, row.namespace, row.decky, row.acknowledged)


def entry_of(row: Row, source: Source | None = None) -> Entry:
    """`row` ready for COPY; lines of one file do well to share a `source`."""
    at = copy_time(row.occurred_at)
    text = (
        f"{row.byte_offset}\t{'1' if row.cut else '0'}\t{at}\t{escaped(row.event_id)}\t{row.severity}"
        f"\t{escaped(row.hostname)}\t{row.src_ip or NULL}"
        f"\t{NULL if row.src_port is None else row.src_port}\t{escaped(row.fields)}\t{escaped(row.message)}"
        f"\t{NULL if row.raw is None else escaped(row.raw)}\n"
    )
    day = row.written_at.date() if row.written_at else None
    return (
        source or source_of(row),
        day,
        row.byte_offset,
        row.event_id,
        at,
        row.src_ip,
        f'"{SECRET}":' in row.fields,
        text,
    )


def file_text(source: Source, day: date, file_id: int) -> str:
    """FILE_COLUMNS for COPY."""
    file = source.file
    return (
        f"{day}\t{file_id}\t{escaped(file.node)}\t{escaped(source.namespace)}\t{escaped(source.decky)}"
        f"\t{escaped(file.pod_uid)}\t{escaped(file.container)}\t{escaped(file.generation)}"
        f"\t{'t' if source.acknowledged else 'f'}\t"
    )


def copy_time(when: datetime) -> str:
    """`when`, which is UTC, as COPY and the counts read it."""
    return when.isoformat(timespec="microseconds")


def escaped(text: str) -> str:
    """`text` for COPY's text format."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if "\r" in text:
        text = text.replace("\r", "\\r")
    if "\t" in text:
        text = text.replace("\t", "\\t")
    return text


_ESCAPE = re.compile(r"\\(.)")
_PLAIN = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def line_values(entry: Entry) -> Mapping[str, str | None]:
    """What COPY will read from the text of `entry`, by column."""
    values = entry[-1].removesuffix("\n").split("\t")
    return {
        name: None if value == NULL else _ESCAPE.sub(lambda found: _PLAIN[found[1]], value)
        for name, value in zip(LINE_COLUMNS.split(", "), values, strict=True)
    }
