"""Byte streams that a compromised node may send after a good handshake, and what must become of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from intel_lab import event_line, framed

from decnet_events.framing import MAX_FRAME, MAX_LINE, encode_frame


@dataclass(frozen=True)
class Wire:
    """Frames of one case: its node and a pod of its own."""

    node: str

    def line(self, offset: int, text: str, **changes: object) -> bytes:
        return framed(offset, text, **{"node": self.node, "uid": f"pod-of-{self.node}", **changes})

    def envelope(self, before: bytes, after: bytes, text: str = "x") -> bytes:
        """A frame of the forwarder with `before` replaced in it."""
        good = self.line(1, text).split(b" ", 1)[1]
        assert before in good
        return encode_frame(good.replace(before, after, 1))


@dataclass(frozen=True)
class Stream:
    """What is sent; the event ids of the rows it leaves, in order; whether the connection is ended.

    `keeps` is text that the last row's raw, message or fields must hold. `plain` leaves ALPN out.
    """

    name: str
    send: Callable[[Wire], bytes]
    stored: tuple[str, ...] = ()
    cut: bool = False
    keeps: str = ""
    plain: bool = False


def _bomb(name: str, data: bytes, *stored: str) -> Stream:
    return Stream(name, lambda _: data, stored, cut=True)


def _after_a_good_line(wire: Wire) -> bytes:
    return wire.line(1, event_line("good")) + b"99999999 x"


BROKEN_FRAMES = (
    _bomb("length-of-eight-digits", b"12345678 x"),
    _bomb("length-that-never-ends", b"9" * 1_000_000),
    _bomb("length-over-the-limit", f"{MAX_FRAME + 1} x".encode()),
    _bomb("length-beyond-64-bits", b"18446744073709551617 x"),
    _bomb("length-with-leading-zeros", b"007 abcdefg"),
    _bomb("length-negative", b"-5 abcde"),
    _bomb("length-with-a-plus", b"+5 abcde"),
    _bomb("length-zero", b"0 "),
    _bomb("length-hexadecimal", b"0x10 abc"),
    _bomb("length-with-an-exponent", b"1e3 abc"),
    _bomb("length-with-a-separator", b"1,000 abc"),
    _bomb("length-in-arabic-digits", "٣ abc".encode()),
    _bomb("length-after-a-byte-order-mark", b"\xef\xbb\xbf5 hello"),
    _bomb("tab-for-the-space", b"5\tabcde"),
    _bomb("no-space", b"5abcde"),
    _bomb("space-first", b" 5 abcde"),
    _bomb("lines-instead-of-frames", b"<134>1 - h a - connect - x\n" * 1000),
    _bomb("a-web-request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    _bomb("tls-within-tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    _bomb("zeros", bytes(2_000_000)),
    _bomb("shorter-than-what-is-sent", b"3 abcdef", "raw"),
    Stream("a-bomb-after-a-good-line", _after_a_good_line, ("connect",), cut=True, keeps="good"),
)


def _raw(name: str, frame: bytes, keeps: str, *, plain: bool = False) -> Stream:
    return Stream(name, lambda _: encode_frame(frame), ("raw",), keeps=keeps, plain=plain)


def _line(name: str, text: str, event_id: str = "raw", keeps: str = "") -> Stream:
    return Stream(name, lambda wire: wire.line(1, text), (event_id,), keeps=keeps or text)


def _changed(name: str, before: bytes, after: bytes, stored: str, keeps: str = "") -> Stream:
    return Stream(name, lambda wire: wire.envelope(before, after), (stored,), keeps=keeps)


def _claims(name: str, stored: str, keeps: str, *, offset: int = 1, **changes: str) -> Stream:
    return Stream(
        name, lambda wire: wire.line(offset, event_line("claim"), **changes), (stored,), keeps=keeps
    )


NOT_AN_ENVELOPE = (
    _raw("bytes-that-are-no-utf8", b"\xff\xfe\xfd", "\\xff\\xfe\\xfd"),
    _raw("nul", b"a\0b", "a\\x00b"),
    _raw("lone-surrogates", b"\xed\xa0\x80\xed\xbf\xbf", "\\xed\\xa0\\x80\\xed\\xbf\\xbf"),
    _raw("overlong-utf8", b"\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"),
    _raw("utf8-of-five-bytes", b"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"),
    _raw("utf8-beyond-unicode", b"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"),
    _raw("half-a-character", "é".encode()[:1], "\\xc3"),
    _raw("an-acknowledgement", b"ACK 9223372036854775807", "ACK 9223372036854775807"),
    _raw("the-largest-frame", b"A" * MAX_FRAME, "A" * MAX_FRAME),
    _raw("the-end-of-copy", b"\\.", "\\."),
    _raw("null-of-copy", b"\\N", "\\N"),
    _raw("tabs-and-line-ends", b"\t\\.\n\\N\r\n\t\x0b\x0c", "\t\\.\n\\N\r\n\t\x0b\x0c"),
    _raw("plain-and-unreadable", b"\x80 not syslog", "\\x80 not syslog", plain=True),
    _changed("line-feed-in-an-envelope", b"] x", b"] x\n<134>1 - - - - - -", "raw", "x\n<134>1"),
    _changed("nul-in-an-envelope", b"] x", b"] a\0b", "raw", "a\\x00b"),
    _changed("offset-beyond-64-bits", b'offset="1"', b'offset="9223372036854775808"', "raw"),
    _changed("offset-of-a-million-digits", b'offset="1"', b'offset="%b"' % (b"9" * 100_000), "raw"),
    _changed("offset-negative", b'offset="1"', b'offset="-1"', "raw"),
    _claims("time-in-the-year-0", "raw", "0000-01-01", time="0000-01-01T00:00:00Z"),
    _claims("time-before-the-year-1", "raw", "0001-01-01", time="0001-01-01T00:00:00+09:00"),
    _claims("time-that-is-none", "raw", "2026-02-30", time="2026-02-30T25:61:61Z"),
    _changed("too-many-parameters", b'"] x', b'"' + b' a="b"' * 9 + b"] x", "raw"),
    _changed("pod-name-that-closes-the-element", b'pod="web', b'pod="a"] [line@55555 pod="web', "raw"),
)

BAD_LINES = (
    _line("terminal-escapes", "\x1b]0;owned\x07\x1b[2J\x1b[31m \x9b \u202e"),
    _line("lies-about-the-host", event_line("m", host="another-host"), "connect", "m"),
    _line("an-envelope-in-the-line", Wire("node-99").line(7, "y").split(b" ", 1)[1].decode(), "line", "y"),
    _line("sql", event_line("'; drop table events; --", k="$$;$1 %s %(x)s {}"), "connect", "$$;$1 %s %(x)s {}"),
    _line("json", event_line("", k='"},"x":[{\\u0000\\ud800', __proto__="1"), "connect", '"},"x":[{\\u0000\\ud800'),
    _line("copy-in-fields", event_line("\\.", k="\\N\\.\\b"), "connect", "\\N\\.\\b"),
    _line("address-that-is-none", event_line("", src_ip="1.2.3.4'::inet", src_port="1e9"), "connect", "1.2.3.4'::inet"),
    _line("address-with-a-zone", event_line("", src_ip="fe80::1%" + "z" * 500), "connect", "zzz"),
    _line("a-thousand-parameters", "<134>1 - h a - connect [relay@55555" + ' a="b"' * 1000 + "] m"),
    _line("ten-thousand-elements", "<134>1 - h a - connect " + "[a@1]" * 10_000 + " m", "connect", "m"),
    _line("element-not-closed", '<134>1 - h a - connect [relay@55555 a="b"'),
    _line("quote-not-closed", '<134>1 - h a - connect [relay@55555 a="' + "\\\\" * 30_000),
    _line("brackets", "<134>1 - h a - connect " + "[" * 60_000),
    _line("priority-too-high", "<999>1 - h a - connect - m"),
    _line("version-2", "<134>2 - h a - connect - m"),
    _line("year-0", "<134>1 0000-01-01T00:00:00Z h a - connect - m"),
    _line("year-9999", "<134>1 9999-12-31T23:59:59.999999Z h a - connect - m", "connect", "9999"),
    _line("after-the-year-9999", "<134>1 9999-12-31T23:59:59-23:59 h a - connect - m"),
    _line("a-leap-second", "<134>1 2026-06-30T23:59:60Z h a - connect - m"),
    _line("a-giant-line", "\x7f" * MAX_LINE),
    _line("a-giant-field", event_line("", k="v" * 60_000), "connect", "v" * 60_000),
    _line("a-giant-number", f"<134>1 {'9' * 60} h a - connect - m"),
    _claims("another-nodes-name", "connect", "claim", node="node-99"),
    _claims("time-in-the-year-9999", "connect", "claim", time="9999-12-31T23:59:59.999999999Z"),
    _claims("a-path-for-a-pod", "connect", "claim", pod="../../etc/passwd"),
    _claims("offset-of-18-digits", "connect", "claim", offset=10**18 - 1),
)  # fmt: skip

STREAMS = (*BROKEN_FRAMES, *NOT_AN_ENVELOPE, *BAD_LINES)
