"""Fuzz what a node sends: `python tests/fuzz/fuzz_wire.py -max_total_time=60 FOLDER tests/fuzz/corpus`.

libFuzzer reads the corpus, writes what it finds interesting to FOLDER, and what fails to `crash-…`.
The first byte of an input chooses the parser.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["decnet_events", "decnet_intel"]):
    from fuzz.oracles import check_ack, check_envelope, check_frames, check_line, check_row


def one_input(data: bytes) -> None:
    """Raises when a parser does what it must not."""
    kind, rest = data[:1], data[1:]
    if kind == b"F":
        cuts = list(rest[:4])
        check_frames(rest[4:], cuts)
    elif kind == b"A":
        check_ack(rest)
    elif kind == b"L":
        check_line(rest.decode("utf-8", "surrogateescape"))
    elif kind == b"E":
        check_envelope(rest)
    elif kind in (b"R", b"P"):
        check_row(rest, acknowledged=kind == b"R")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
