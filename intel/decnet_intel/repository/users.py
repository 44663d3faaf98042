"""Users and their login tries."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from decnet_intel.models import LoginTry, Role, User


async def by_name(session: AsyncSession, username: str) -> User | None:
    """The user called exactly `username`."""
    found: User | None = await session.scalar(select(User).where(User.username == username))
    return found


async def by_id(session: AsyncSession, user_id: int, *, lock: bool = False) -> User | None:
    """The user; with `lock`, held until the transaction ends."""
    query = select(User).where(User.id == user_id)
    found: User | None = await session.scalar(query.with_for_update() if lock else query)
    return found


async def add_if_missing(session: AsyncSession, username: str, password_hash: str, role: Role) -> bool:
    """Make the user unless the name is taken; whether it was made. The password must be changed."""
    query = (
        insert(User)
        .values(username=username, password_hash=password_hash, role=role.value, must_change_password=True)
        .on_conflict_do_nothing(index_elements=[User.username])
        .returning(User.id)
    )
    return await session.scalar(query) is not None


async def note_try(session: AsyncSession, client: str, window: timedelta) -> tuple[int, int, datetime]:
    """Count a try of `client`: its id, the tries within `window` with this one, when the first was.

    Tries of one client take turns, so that a burst of them cannot all see the same count.
    """
    await session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:client, 0))"), {"client": client}
    )
    await session.execute(delete(LoginTry).where(LoginTry.tried_at < func.now() - window))
    added = insert(LoginTry).values(client=client).returning(LoginTry.id)
    try_id = await session.scalar(added)
    assert try_id is not None  # RETURNING of one inserted row
    counted = select(func.count(), func.min(LoginTry.tried_at)).where(LoginTry.client == client)
    count, first = (await session.execute(counted)).one()
    return try_id, count, first


async def forget_try(session: AsyncSession, try_id: int) -> None:
    """The try was not a failure, or was refused before it was one."""
    await session.execute(delete(LoginTry).where(LoginTry.id == try_id))
