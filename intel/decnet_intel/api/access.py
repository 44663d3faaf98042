"""Who may call an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Query, Request, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from decnet_intel.api.schemas import ErrorAnswer, InvalidAnswer
from decnet_intel.api.state import State, state_of
from decnet_intel.models import Role
from decnet_intel.service import auth

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="from /api/v1/auth/login")

Current = Annotated[State, Depends(state_of)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

UNAUTHORIZED: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "no token, or one that is not valid any more"},
    503: {"model": ErrorAnswer, "description": "the database is away or too slow; see Retry-After"},
}
FORBIDDEN: dict[int | str, dict[str, Any]] = {
    **UNAUTHORIZED,
    403: {"model": ErrorAnswer, "description": "the password must be changed first"},
}
ADMIN_ONLY: dict[int | str, dict[str, Any]] = {
    **UNAUTHORIZED,
    403: {"model": ErrorAnswer, "description": "only for admins, and after the password was changed"},
}
INVALID: dict[int | str, dict[str, Any]] = {
    422: {"model": InvalidAnswer, "description": "the request does not fit"},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token."""

    id: int
    username: str
    role: Role
    must_change_password: bool
    token: str
    expires: datetime


async def caller_of(state: State, token: str | None) -> Caller:
    """Whose token it is. Raises the 401 answer."""
    if token is None:
        raise _unauthorized("a token is needed: send Authorization: Bearer …")
    async with state.sessions() as session:
        try:
            user, expires = await auth.user_of(session, state.tokens, token)
        except auth.AuthError as error:
            raise _unauthorized(str(error)) from error
    return Caller(user.id, user.username, Role(user.role), user.must_change_password, token, expires)


async def _any_caller(state: Current, credentials: Credentials) -> Caller:
    return await caller_of(state, credentials.credentials if credentials else None)


AnyCaller = Annotated[Caller, Depends(_any_caller)]
"""Anyone with a token, also before the password was changed."""


def _settled(caller: Caller) -> Caller:
    if caller.must_change_password:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "change the password first: POST /api/v1/auth/change-password"
        )
    return caller


def _reader(caller: AnyCaller) -> Caller:
    return _settled(caller)


Reader = Annotated[Caller, Depends(_reader)]
"""Anyone with a token who has chosen a password of their own."""


def _admin(caller: Reader) -> Caller:
    if caller.role is not Role.ADMIN:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "only admins may do that")
    return caller


Admin = Annotated[Caller, Depends(_admin)]
"""As Reader, with the role admin."""


async def _stream_reader(
    state: Current,
    credentials: Credentials,
    token: Annotated[
        str | None, Query(description="the token, for EventSource, which cannot send headers")
    ] = None,
) -> Caller:
    return _settled(await caller_of(state, credentials.credentials if credentials else token))


StreamReader = Annotated[Caller, Depends(_stream_reader)]
"""As Reader; the token may be in the URL."""


async def caller_or_none(request: Request) -> Caller | None:
    """The caller, or None without a valid token or while the database is away."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return await caller_of(state_of(request), token)
    except HTTPException:
        return None


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})
