"""Pages of captures, and content by its SHA-256 and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import Artifact
from decnet_intel.repository import artifacts
from decnet_intel.repository.artifacts import Captured, CaptureFilter
from decnet_intel.service.logs import BadCursorError

LATEST = 100
"""Captures that come with one artifact; the list has them all."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """Captures, the latest first, and the cursor of what is older; None on the last page."""

    items: list[Captured]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Detail:
    """Content, how often it was captured, and the latest LATEST times of that."""

    artifact: Artifact
    count: int
    latest: list[Captured]


def _encode_cursor(last: int) -> str:
    return base64.urlsafe_b64encode(f"c{last}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise BadCursorError("the cursor is not one of ours; start without it") from error
    if not re.fullmatch(r"c[0-9]{1,18}", text, re.ASCII):
        raise BadCursorError("the cursor is not one of ours; start without it")
    return int(text[1:])


async def page(session: AsyncSession, wanted: CaptureFilter, limit: int, cursor: str | None) -> Page:
    """The page after `cursor`. Raises BadCursorError."""
    before = _decode_cursor(cursor) if cursor else None
    rows = await artifacts.page(session, wanted, limit + 1, before)
    items = rows[:limit]
    return Page(items, _encode_cursor(items[-1].capture.id) if len(rows) > limit else None)


async def find(session: AsyncSession, sha256: str) -> Artifact | None:
    """The artifact, if `sha256` is 64 lower-case hex digits that the database knows."""
    if not _SHA256.fullmatch(sha256):
        return None
    return await artifacts.find(session, sha256)


async def detail(session: AsyncSession, sha256: str) -> Detail | None:
    """The artifact with its captures, if there is one."""
    artifact = await find(session, sha256)
    if artifact is None:
        return None
    latest = await artifacts.page(session, CaptureFilter(sha256=sha256), LATEST)
    return Detail(artifact, await artifacts.count_captures(session, sha256), latest)
