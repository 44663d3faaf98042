"""docs/events.md, made from the registry: `python -m decnet_events.docs > docs/events.md`."""

from __future__ import annotations

import sys

from .registry import EVENTS, EventType
from .rfc5424 import SD_ID

_HEAD = f"""# Events

Made from the registry by `python -m decnet_events.docs`; do not edit.

An event is one RFC 5424 line: HOSTNAME is the machine, APP-NAME the service, MSGID the event id, the
fields are the parameters of the element `[{SD_ID} …]`, free text comes last. Times are UTC with
microseconds. All values are text; the type says how to read them. `src_ip` and `src_port` are always the
other side. A captured secret is always `principal`, `secret_printable`, `secret_b64`, `secret_kind`.

A line whose id is not listed is kept all the same. A line that is no RFC 5424 at all is kept with the
event id `raw` and its text as it was.
"""


def _section(event: EventType) -> str:
    lines = [f"## {event.id}", "", event.meaning, ""]
    if event.fields:
        lines += ["| field | type | always there | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{field.name}` | {field.type} | {'yes' if field.required else 'no'} |"
            f" {_cell(field.meaning)} |"
            for field in event.fields
        ]
    else:
        lines.append("No fields.")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def render() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(EVENTS[event_id]) for event_id in sorted(EVENTS))])


if __name__ == "__main__":
    sys.stdout.write(render())
