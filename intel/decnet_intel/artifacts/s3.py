"""Content as objects of a bucket on an S3-compatible server. The client blocks, so it works in threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

import certifi
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from decnet_intel.artifacts.store import CHUNK_BYTES, MissingContentError, StoreError, key_of
from decnet_intel.settings import ArtifactSettings

_CONNECTIONS = 16
_TIMES = urllib3.Timeout(connect=5, read=30)
_TRIES = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
_PART_BYTES = 8 * 1024 * 1024  # what is held in memory of an upload; the least that S3 takes is 5 MiB
_LISTED = 1000  # objects that S3 lists at once

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class S3Store:
    """A `ContentStore` in a bucket that exists."""

    def __init__(self, settings: ArtifactSettings) -> None:
        url = urlsplit(settings.s3_endpoint)
        self._bucket = settings.s3_bucket
        self._client = Minio(
            url.netloc,
            settings.s3_access_key.get_secret_value(),
            settings.s3_secret_key.get_secret_value(),
            secure=url.scheme == "https",
            region=settings.s3_region,
            http_client=urllib3.PoolManager(
                timeout=_TIMES,
                retries=_TRIES,
                maxsize=_CONNECTIONS,
                cert_reqs="CERT_REQUIRED",
                ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
            ),
        )

    async def has(self, sha256: str, size: int) -> bool:
        try:
            found = await _call(self._client.stat_object, self._bucket, key_of(sha256))
        except MissingContentError:
            return False
        return found.size == size

    async def put(self, sha256: str, file: Path) -> None:
        await _call(self._upload, sha256, file)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        response = await _call(self._client.get_object, self._bucket, key_of(sha256))
        return _pieces(response)

    async def delete(self, sha256: str) -> None:
        await _call(self._client.remove_object, self._bucket, key_of(sha256))

    async def older_than(self, seconds: float) -> AsyncIterator[str]:
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        after: str | None = ""
        while after is not None:
            names, after = await _call(self._listed, after, before)
            for name in names:
                yield name

    def _upload(self, sha256: str, file: Path) -> None:
        with file.open("rb") as data:
            self._client.put_object(
                self._bucket,
                key_of(sha256),
                data,
                file.stat().st_size,
                part_size=_PART_BYTES,
                num_parallel_uploads=1,
            )

    def _listed(self, after: str, before: datetime) -> tuple[list[str], str | None]:
        """The old ones of the next objects, and where to go on; None at the end."""
        old = []
        objects = self._client.list_objects(self._bucket, recursive=True, start_after=after)
        for number, found in enumerate(objects, 1):
            name = found.object_name or ""
            _, _, sha256 = name.partition("/")
            if found.last_modified and found.last_modified < before and key_of(sha256) == name:
                old.append(sha256)
            if number == _LISTED:
                return old, name
        return old, None


async def _call(
    function: Callable[_Given, _Answer], *arguments: _Given.args, **named: _Given.kwargs
) -> _Answer:
    """`function` in a thread. Raises MissingContentError for an object that is none, StoreError else."""
    try:
        return await asyncio.to_thread(function, *arguments, **named)
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchObject"):
            raise MissingContentError(str(error)) from error
        raise StoreError(f"S3: {error.code}: {error.message}") from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(f"S3: {error}") from error


async def _pieces(response: urllib3.BaseHTTPResponse) -> AsyncIterator[bytes]:
    try:
        while piece := await _call(response.read, CHUNK_BYTES):
            yield piece
    finally:
        response.close()
        response.release_conn()
