"""RFC 5425 octet counting, and the acknowledgements that go the other way.

A frame is `MSG-LEN SP MSG`: the length in decimal without leading zeros, one space, that many
bytes. The decoder is fed whatever the network gave and yields whole frames. What the peer can make
it hold is bounded: a length has at most `MAX_DIGITS` digits and at most `max_frame` is accepted, and
both are refused before a byte of the message is kept.

In acknowledged mode (ALPN `syslog-ack`) the listener writes frames whose message is `ACK <n>`: the first n
frames of this connection are committed. n never goes down.
"""

from __future__ import annotations

import re
from typing import NoReturn

ALPN_ACKNOWLEDGED = "syslog-ack"
"""ALPN protocol name by which both sides agree on acknowledgements."""

MAX_LINE = 64 * 1024
"""Bytes of one original line that are carried; the rest is cut and the line marked."""

MAX_FRAME = 4 * MAX_LINE + 4096
"""Bytes of one frame: a line in which every byte had to be escaped as \\xNN, and its header."""

MAX_DIGITS = 7
MAX_ACK_FRAME = 32

_ACK = re.compile(rb"ACK (0|[1-9]\d{0,18})")


class FramingError(ValueError):
    """The bytes are not octet-counted frames within the bounds; the connection is to be closed.

    `frames` are the whole frames that came before the break in the same piece of data.
    """

    def __init__(self, message: str, frames: list[bytes] | None = None) -> None:
        super().__init__(message)
        self.frames = frames or []


def encode_frame(message: bytes) -> bytes:
    """`message` with its length in front."""
    return b"%d %b" % (len(message), message)


class FrameDecoder:
    """Incremental decoder of one direction of one connection.

    Holds at most one unfinished frame (`max_frame` bytes and its length) between calls. After a
    FramingError the position in the stream is lost: every further call raises again.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._unfinished = bytearray()  # not a list of pieces: each could be one byte
        self._needed = 0  # bytes that make it a frame, once its length is known
        self._broken: str | None = None

    @property
    def pending(self) -> int:
        """Bytes received that do not make a whole frame yet."""
        return len(self._unfinished)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, in order.

        Raises FramingError when the stream breaks the bounds. Frames before the break that the same
        call completed are in the error's `frames`, so nothing well-formed is dropped with it.
        """
        if self._broken is not None:
            raise FramingError(self._broken)
        if self._unfinished:
            self._unfinished += data
            if len(self._unfinished) < self._needed:
                return []
            data = bytes(self._unfinished)
            self._unfinished = bytearray()
            self._needed = 0
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        at = 0
        total = len(data)
        while at < total:
            space = data.find(b" ", at, at + MAX_DIGITS + 1)
            if space < 0:
                if total - at > MAX_DIGITS or not _is_length_prefix(data[at:]):
                    self._break(frames, f"no frame length in {data[at : at + MAX_DIGITS + 1]!r}")
                self._unfinished += data[at:]
                return frames
            digits = data[at:space]
            if not _is_length_prefix(digits):
                self._break(frames, f"frame length {digits!r} is not a number")
            length = int(digits)
            if length > self._max_frame:
                self._break(frames, f"frame of {length} bytes is over {self._max_frame}")
            end = space + 1 + length
            if end > total:
                self._unfinished += data[at:]
                self._needed = end - at
                return frames
            frames.append(data[space + 1 : end])
            at = end
        return frames

    def _break(self, frames: list[bytes], why: str) -> NoReturn:
        self._broken = why
        raise FramingError(why, frames)


def _is_length_prefix(digits: bytes) -> bool:
    """Whether `digits` is MSG-LEN or the beginning of one: NONZERO-DIGIT *DIGIT."""
    return digits.isdigit() and digits[:1] != b"0"


def encode_ack(count: int) -> bytes:
    """The frame that says the first `count` frames of this connection are committed."""
    return encode_frame(b"ACK %d" % count)


def decode_ack(message: bytes) -> int:
    """The count in an acknowledgement's message. Raises FramingError for anything else."""
    found = _ACK.fullmatch(message)
    if found is None:
        raise FramingError(f"not an acknowledgement: {message[:MAX_ACK_FRAME]!r}")
    return int(found[1])
