"""What the container runtime wrote on a node: the truth that the database is compared with."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
from typing import NamedTuple

from lab.cluster import literal, sql

_FILE = re.compile(r"(?P<container>[^/]+)/\d+\.log(\.[^/]*)?")


class Place(NamedTuple):
    """Where a line began: the container, the time of its log file's first record, the offset in that file."""

    container: str
    generation: str
    offset: int


def on_disk(node: str, namespace: str, pod: str, uid: str) -> set[Place]:
    """Every whole line in the pod's log files on `node`, rotated and compressed ones included."""
    folder = f"{namespace}_{pod}_{uid}"
    done = subprocess.run(
        ["docker", "exec", node, "tar", "-C", f"/var/log/pods/{folder}", "-ch", "."],
        capture_output=True,
        check=False,  # tar complains about a file that grows meanwhile
        timeout=60,
    )
    found: set[Place] = set()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            name = _FILE.fullmatch(member.name.removeprefix("./"))
            opened = archive.extractfile(member) if name and member.isfile() else None
            if name is None or opened is None:
                continue
            content = opened.read()
            if member.name.endswith(".gz"):
                content = gzip.decompress(content)
            found |= _lines(name["container"], content)
    return found


def _lines(container: str, content: bytes) -> set[Place]:
    """The places of the lines that `content`, a file in the runtime's format, completes."""
    generation = content.split(b" ", 1)[0].decode()
    begun: dict[bytes, int] = {}
    found: set[Place] = set()
    offset = 0
    for record in content.splitlines(keepends=True):
        if record.endswith(b"\n"):
            _, stream, tag, _ = (*record.split(b" ", 3), b"")[:4]
            start = begun.setdefault(stream, offset)
            if tag.strip() == b"F":
                found.add(Place(container, generation, start))
                del begun[stream]
        offset += len(record)
    return found


class Stored(NamedTuple):
    """The rows of one pod: their places, each as often as it is there, and how many lines a place stands for."""

    places: list[Place]
    stands_for: dict[Place, int]


def stored(uid: str) -> Stored:
    """What the database has of the pod. A report of withheld lines stands for all of them, at the first one's place."""
    rows = sql(
        "select service, generation, byte_offset, event_id, fields->>'count' as count from events"
        f" where pod_uid = {literal(uid)} and generation not like 'artifact:%' and generation not like 'lost:%'"
    )
    found = Stored([], {})
    for row in rows:
        place = Place(row["service"], row["generation"], row["byte_offset"])
        found.places.append(place)
        found.stands_for[place] = int(row["count"]) if row["event_id"] == "suppressed" else 1
    return found


def difference(disk: set[Place], rows: Stored) -> str:
    """What is not there once; empty when each line is, or is counted by a report.

    Rows of files that kubelet has removed meanwhile cannot be compared, only be there once.
    """
    files = {(place.container, place.generation) for place in disk}
    places = {place for place in rows.places if (place.container, place.generation) in files}
    twice = len(rows.places) - len(rows.stands_for)
    invented = len(places - disk)
    missing = len(disk) - sum(rows.stands_for[place] for place in places)
    found = {"there twice": twice, "not on the disk": invented, "missing": missing}
    return ", ".join(f"{count} {what}" for what, count in found.items() if count)
