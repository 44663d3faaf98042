"""Log in, see who you are, change the password."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError

from decnet_intel.api.access import INVALID, UNAUTHORIZED, AnyCaller, Current
from decnet_intel.api.schemas import ChangePasswordRequest, ErrorAnswer, LoginRequest, Me, TokenAnswer
from decnet_intel.api.state import client_address
from decnet_intel.service import auth

router = APIRouter(prefix="/auth", tags=["auth"])

_TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"model": ErrorAnswer, "description": "too many failed logins; see Retry-After"}
}


@router.post("/login", responses={**UNAUTHORIZED, **INVALID, **_TOO_MANY})
async def login(body: LoginRequest, request: Request, state: Current) -> TokenAnswer:
    """A token for name and password. Ten failures in five minutes from one address are answered 429."""
    try:
        user = await auth.log_in(
            state.sessions, state.limit, client_address(request), body.username, body.password
        )
    except auth.TooManyTriesError as error:
        raise HTTPException(429, str(error), {"Retry-After": str(error.retry_after)}) from error
    except auth.AuthError as error:
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, str(error), {"WWW-Authenticate": "Bearer"}
        ) from error
    return TokenAnswer(
        access_token=auth.issue_token(state.tokens, user), must_change_password=user.must_change_password
    )


@router.post("/change-password", responses={**UNAUTHORIZED, **INVALID, **_TOO_MANY})
async def change_password(
    body: ChangePasswordRequest, request: Request, caller: AnyCaller, state: Current
) -> TokenAnswer:
    """Set a new password. Every older token ends; the answer is a new one."""
    try:
        user = await auth.change_password(
            state.sessions,
            state.limit,
            client_address(request),
            caller.id,
            body.old_password,
            body.new_password,
        )
    except auth.WeakPasswordError as error:
        raise RequestValidationError(
            [
                {"loc": ("body", "new_password"), "msg": problem, "type": "weak_password"}
                for problem in error.problems
            ]
        ) from error
    except auth.TooManyTriesError as error:
        raise HTTPException(429, str(error), {"Retry-After": str(error.retry_after)}) from error
    except auth.AuthError as error:
        raise RequestValidationError(
            [{"loc": ("body", "old_password"), "msg": str(error), "type": "wrong_password"}]
        ) from error
    return TokenAnswer(access_token=auth.issue_token(state.tokens, user), must_change_password=False)


@router.get("/me", responses=UNAUTHORIZED)
async def me(caller: AnyCaller) -> Me:
    """Whose token it is."""
    return Me(username=caller.username, role=caller.role, must_change_password=caller.must_change_password)
