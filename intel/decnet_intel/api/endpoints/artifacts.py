"""Captured files and recordings: lists for everyone, content for admins.

Content is written by intruders. It is given out only as a download that no browser shows or runs, and
what the client sends never becomes part of a path: it is compared with what the database knows.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from decnet_intel.api.access import ADMIN_ONLY, FORBIDDEN, INVALID, Admin, Current, Reader
from decnet_intel.api.artifact_schemas import ArtifactAnswer, CaptureItem, CapturePage
from decnet_intel.api.schemas import ErrorAnswer, PlainText
from decnet_intel.artifacts.store import MissingContentError, verified
from decnet_intel.repository.artifacts import CaptureFilter
from decnet_intel.service import artifacts
from decnet_intel.service.logs import BadCursorError

router = APIRouter(tags=["artifacts"])

_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "nothing with this SHA-256 is kept"}
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the bytes as they were captured",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_DOWNLOAD = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
}

_Name = Annotated[PlainText | None, Query(max_length=255)]
_Sha256 = Annotated[str, Path(description="64 lower-case hex digits")]

log = logging.getLogger(__name__)


@router.get("/artifacts", responses={**FORBIDDEN, **INVALID}, name="artifacts")
async def list_captures(
    _: Reader,
    state: Current,
    limit: Annotated[int, Query(ge=1, le=1000, description="most items in the answer")] = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")] = None,
    namespace: _Name = None,
    decky: _Name = None,
    service: _Name = None,
    kind: Annotated[Literal["session", "file"] | None, Query(description="session or file")] = None,
    sha256: _Name = None,
) -> CapturePage:
    """Captures, the latest first. Pages do not shift when captures come in meanwhile."""
    wanted = CaptureFilter(namespace, decky, service, kind, sha256)
    try:
        async with state.sessions() as session:
            page = await artifacts.page(session, wanted, limit, cursor)
    except BadCursorError as error:
        raise RequestValidationError(
            [{"loc": ("query", "cursor"), "msg": str(error), "type": "bad_cursor"}]
        ) from error
    return CapturePage(items=[CaptureItem.of(it) for it in page.items], next_cursor=page.next_cursor)


@router.get("/artifacts/{sha256}", responses={**FORBIDDEN, **_NOT_FOUND}, name="artifact")
async def one_artifact(_: Reader, state: Current, sha256: _Sha256) -> ArtifactAnswer:
    """What is kept under a SHA-256, and who captured it."""
    async with state.sessions() as session:
        found = await artifacts.detail(session, sha256)
    if found is None:
        raise _unknown()
    return ArtifactAnswer.of(found)


@router.get(
    "/artifacts/{sha256}/content",
    response_class=StreamingResponse,
    responses={**ADMIN_ONLY, **_NOT_FOUND, **_CONTENT},
    name="artifact_content",
)
async def content(_: Admin, state: Current, sha256: _Sha256) -> StreamingResponse:
    """The captured bytes, as a download. They are hostile: see docs/artifacts.md before you open them.

    The answer ends early when the bytes that are kept are not those that were captured.
    """
    async with state.sessions() as session:
        found = await artifacts.find(session, sha256)
    if found is None:
        raise _unknown()
    try:
        pieces = await state.artifacts.read(found.sha256)
    except MissingContentError as error:
        log.error("the content of %s is not in the store", found.sha256)
        raise HTTPException(404, "the content of this artifact is not in the store any more") from error
    except OSError as error:  # StoreError is one
        log.error("%s", error)
        raise HTTPException(503, "the store does not answer; try again", {"Retry-After": "5"}) from error
    return StreamingResponse(
        verified(pieces, found.sha256),
        media_type="application/octet-stream",
        headers={
            **_DOWNLOAD,
            "Content-Length": str(found.size),
            "Content-Disposition": f'attachment; filename="{found.sha256}.bin"',
        },
    )


def _unknown() -> HTTPException:
    return HTTPException(404, "nothing with this SHA-256 is kept")
