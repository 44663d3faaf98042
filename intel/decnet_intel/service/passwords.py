"""Passwords: the rules for new ones, and Argon2id off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 256
MIN_DIFFERENT = 5
_PARALLEL = 2  # each hash takes 64 MiB (RFC 9106, second choice), so this bounds memory
_COMMON = ("password", "passwort", "123456", "qwerty", "letmein", "decnet")

_hasher = PasswordHasher()
_pool = ThreadPoolExecutor(_PARALLEL, "argon2")
_NOBODY = _hasher.hash("nobody has this password")


def weaknesses(new: str, old: str, username: str) -> list[str]:
    """What is wrong with a new password, as sentences for its owner; empty when nothing is."""
    problems = []
    if len(new) < MIN_LENGTH:
        problems.append(f"use at least {MIN_LENGTH} characters")
    if len(new) > MAX_LENGTH:
        problems.append(f"use at most {MAX_LENGTH} characters")
    if len(set(new)) < MIN_DIFFERENT:
        problems.append(f"use at least {MIN_DIFFERENT} different characters")
    if new == old:
        problems.append("choose one that differs from the old password")
    if username.lower() in new.lower():
        problems.append("leave your user name out of it")
    remainder = new.lower()
    for word in _COMMON:
        remainder = remainder.replace(word, "")
    if len(new) >= MIN_LENGTH and len(remainder) < MIN_LENGTH // 2:
        problems.append("choose one that is not made of common words")
    return problems


async def hash_password(password: str) -> str:
    """An Argon2id hash in PHC format."""
    return await asyncio.get_running_loop().run_in_executor(_pool, _hasher.hash, password)


async def verify(password: str, password_hash: str | None) -> bool:
    """Whether the password fits. Without a hash (no such user) it takes as long and is False."""
    fits = await asyncio.get_running_loop().run_in_executor(_pool, _fits, password_hash or _NOBODY, password)
    return fits and password_hash is not None


def _fits(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
