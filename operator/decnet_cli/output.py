"""Tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import yaml

FORMATS = ("table", "json", "yaml")
_LEAST_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Table:
    """`data` for programs; for people a line or two, then `rows` under `columns`."""

    data: Any
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    before: str = ""


def show(table: Table, output: str, to: TextIO | None = None) -> None:
    """Print `table` in one of FORMATS."""
    stream = to or sys.stdout
    if output == "json":
        text = json.dumps(table.data, indent=2, ensure_ascii=False)
    elif output == "yaml":
        text = yaml.safe_dump(table.data, sort_keys=False, allow_unicode=True).rstrip()
    else:
        text = _lines(table, shutil.get_terminal_size((120, 24)).columns)
    print(text, file=stream)


def _lines(table: Table, width: int) -> str:
    """Columns as wide as they need to be; the last one is wrapped at `width`."""
    lines = [table.before, ""] if table.before else []
    grid = [[name.upper() for name in table.columns], *(list(row) for row in table.rows)]
    if len(grid) == 1:
        return "\n".join([*lines, "none"])
    widths = [max(len(row[at]) for row in grid) for at in range(len(table.columns) - 1)]
    indent = sum(widths) + 3 * len(widths)
    room = max(_LEAST_WIDTH, width - indent)
    for row in grid:
        last = textwrap.wrap(row[-1], room) or [""]
        head = "".join(f"{cell:<{size}}   " for cell, size in zip(row[:-1], widths, strict=True))
        lines.append((head + last[0]).rstrip())
        lines += [" " * indent + more for more in last[1:]]
    return "\n".join(lines)


def plain(value: Mapping[str, Any]) -> str:
    """A mapping in one cell."""
    return ", ".join(f"{key}={text}" for key, text in value.items())
