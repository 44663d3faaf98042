"""The built dashboard: its files, and its page for every path that only the browser knows."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_PAGE = "index.html"
_FOREVER = "public, max-age=31536000, immutable"


class Dashboard(StaticFiles):
    """Files of `folder`; a path without a dot in its last part that is no file is the page."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, the page, or 404 for what belongs to the API or looks like a file.

        `path` has lost its dots and slashes; what the client asked for says whom it belongs to.
        """
        if f"{scope['path']}/".startswith("/api/"):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or not _is_page(path):
                raise
            response = await super().get_response(_PAGE, scope)
        hashed = path.startswith("assets/") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = _FOREVER if hashed else "no-cache"
        return response


def _is_page(path: str) -> bool:
    return "." not in path.rsplit("/", 1)[-1]
