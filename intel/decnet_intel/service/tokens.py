"""Bearer tokens: JWT, HS256, with nothing in them but who and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

_ALGORITHM = "HS256"
_ISSUER = "decnet"


class InvalidTokenError(ValueError):
    """The token is not ours, was changed, or is too old."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose token it is. `version` must equal the user's; `expires` is when it ends."""

    user_id: int
    version: int
    expires: datetime


def issue(secret: str, user_id: int, version: int, life: timedelta) -> str:
    """A token of user `user_id` that ends after `life`."""
    now = datetime.now(UTC)
    claims = {"iss": _ISSUER, "sub": str(user_id), "ver": version, "iat": now, "exp": now + life}
    return jwt.encode(claims, secret, _ALGORITHM)


def read(secret: str, token: str) -> Claims:
    """What `token` says. Raises InvalidTokenError."""
    required = ["iss", "sub", "ver", "iat", "exp"]
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], issuer=_ISSUER, options={"require": required})
        return Claims(int(claims["sub"]), int(claims["ver"]), datetime.fromtimestamp(claims["exp"], UTC))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidTokenError(str(error)) from error
