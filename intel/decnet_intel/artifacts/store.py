"""What every store of content does, and which one the settings ask for.

A store knows content only by its SHA-256, 64 lower-case hex digits that the caller has checked. It never
says that content is kept before it would survive a power cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from decnet_intel.settings import ArtifactSettings

CHUNK_BYTES = 256 * 1024
"""Bytes that are read at once when content is given out."""


class StoreError(OSError):
    """The store does not answer, or not as it should; trying again may help."""


class MissingContentError(LookupError):
    """The store has no such content."""


class DamagedContentError(Exception):
    """What the store has is not what was put there."""


class ContentStore(Protocol):
    """Content by its SHA-256. All methods raise OSError when the store is away or full."""

    async def has(self, sha256: str, size: int) -> bool:
        """Whether the content is kept in its full `size` (bytes)."""

    async def put(self, sha256: str, file: Path) -> None:
        """Keep the verified and synced `file`, which may be moved; once more changes nothing."""

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """The content in pieces. Raises MissingContentError before the first one."""

    async def delete(self, sha256: str) -> None:
        """Forget the content; does nothing when it is not there."""

    def older_than(self, seconds: float) -> AsyncIterator[str]:
        """The SHA-256 of all content that was put longer ago than that."""


def key_of(sha256: str) -> str:
    """The relative path under which content is kept."""
    return f"{sha256[:2]}/{sha256}"


async def verified(pieces: AsyncIterator[bytes], sha256: str) -> AsyncIterator[bytes]:
    """`pieces`, the last of them only if all together have this SHA-256.

    Raises DamagedContentError otherwise, so that a download of damaged content is never complete.
    """
    digest = hashlib.sha256()
    held = b""
    async for piece in pieces:
        digest.update(piece)
        if held:
            yield held
        held = piece
    if digest.hexdigest() != sha256:
        raise DamagedContentError(sha256)
    yield held


def make_store(settings: ArtifactSettings) -> ContentStore:
    """The store that is configured; connects to nothing yet."""
    if settings.s3_endpoint:
        from decnet_intel.artifacts.s3 import S3Store  # the client is loaded only where it is used

        return S3Store(settings)
    from decnet_intel.artifacts.directory import DirectoryStore

    return DirectoryStore(settings.artifacts_dir)
