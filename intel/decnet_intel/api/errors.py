"""Errors as answers: one shape, and nothing of the request or of the inside in it."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

log = logging.getLogger(__name__)

_QUERY_CANCELED = "57014"


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """422 without the input: that may be a password."""
    assert isinstance(error, RequestValidationError)
    problems = [
        {"loc": list(problem["loc"]), "msg": problem["msg"], "type": problem["type"]}
        for problem in error.errors()
    ]
    return JSONResponse({"detail": problems}, 422)


async def _database(_: Request, error: Exception) -> JSONResponse:
    """503: the database is away, or the query took too long."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if getattr(cause, "sqlstate", None) == _QUERY_CANCELED:
        return JSONResponse({"detail": "that took too long; narrow the search"}, 503, {"Retry-After": "1"})
    log.error("database: %s", error)
    return JSONResponse({"detail": "the database does not answer; try again"}, 503, {"Retry-After": "5"})


def add_error_answers(app: FastAPI) -> None:
    """Let `app` answer all errors in one shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(ConnectionError, _database)
