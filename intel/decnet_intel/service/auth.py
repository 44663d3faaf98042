"""Logging in, who a token stands for, and changing the password."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from decnet_intel.models import Role, User
from decnet_intel.repository import users
from decnet_intel.service import passwords, tokens


class AuthError(Exception):
    """The caller is not let in; the text is for them."""


class TooManyTriesError(AuthError):
    """The client has failed too often; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed logins; try again in {retry_after} s")
        self.retry_after = retry_after


class WeakPasswordError(AuthError):
    """The new password breaks the rules in `problems`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """How tokens are signed and how long they live."""

    secret: str
    life: timedelta


@dataclass(frozen=True, slots=True)
class TryLimit:
    """`tries` failed logins of one client address within `window`, counted in Postgres."""

    tries: int
    window: timedelta


Sessions = async_sessionmaker[AsyncSession]


async def log_in(sessions: Sessions, limit: TryLimit, client: str, username: str, password: str) -> User:
    """The user, when the password fits. Raises TooManyTriesError or AuthError."""
    async with sessions() as session:
        user = await users.by_name(session, username)
    if not await _try_password(sessions, limit, client, user, password) or user is None:
        raise AuthError("wrong user name or password")
    return user


async def _try_password(
    sessions: Sessions, limit: TryLimit, client: str, user: User | None, password: str
) -> bool:
    """Whether `password` is `user`'s. Raises TooManyTriesError.

    A try is counted before the password is looked at, so a burst of parallel tries cannot get round
    the limit, and no connection is held while Argon2 works. Only failures stay counted.
    """
    async with sessions.begin() as session:
        try_id, count, first = await users.note_try(session, client, limit.window)
        if count > limit.tries:
            await users.forget_try(session, try_id)  # a refused try does not make the wait longer
    if count > limit.tries:
        left = (first + limit.window - datetime.now(UTC)).total_seconds()
        raise TooManyTriesError(max(1, math.ceil(left)))
    if not await passwords.verify(password, user.password_hash if user else None):
        return False
    async with sessions.begin() as session:
        await users.forget_try(session, try_id)
    return True


def issue_token(policy: TokenPolicy, user: User) -> str:
    """A fresh token for `user`."""
    return tokens.issue(policy.secret, user.id, user.token_version, policy.life)


async def user_of(session: AsyncSession, policy: TokenPolicy, token: str) -> tuple[User, datetime]:
    """Whose token it is and when it ends. Raises AuthError when it is not valid (any more)."""
    try:
        claims = tokens.read(policy.secret, token)
    except tokens.InvalidTokenError as error:
        raise AuthError("the token is not valid; log in again") from error
    user = await users.by_id(session, claims.user_id)
    if user is None or user.token_version != claims.version:
        raise AuthError("the token has been withdrawn; log in again")
    return user, claims.expires


async def change_password(
    sessions: Sessions, limit: TryLimit, client: str, user_id: int, old: str, new: str
) -> User:
    """Set a new password and end all tokens. Raises TooManyTriesError, AuthError, WeakPasswordError."""
    async with sessions() as session:
        user = await users.by_id(session, user_id)
    if not await _try_password(sessions, limit, client, user, old) or user is None:
        raise AuthError("the old password is wrong")
    if problems := passwords.weaknesses(new, old, user.username):
        raise WeakPasswordError(problems)
    new_hash = await passwords.hash_password(new)
    async with sessions.begin() as session:
        changed = await users.by_id(session, user_id, lock=True)
        if changed is None or changed.token_version != user.token_version:
            raise AuthError("the password was changed meanwhile")
        changed.password_hash = new_hash
        changed.must_change_password = False
        changed.token_version += 1
    return changed


async def seed_admin(session: AsyncSession, username: str, password: str) -> None:
    """Make the first admin, or give it the configured password while it has never chosen its own."""
    user = await users.by_name(session, username)
    if user is None:
        await users.add_if_missing(session, username, await passwords.hash_password(password), Role.ADMIN)
    elif user.must_change_password and not await passwords.verify(password, user.password_hash):
        user.password_hash = await passwords.hash_password(password)
        user.token_version += 1
