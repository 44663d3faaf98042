"""Passwords in tests are hashed cheaply, unless a test asks for the real cost."""

from __future__ import annotations

import argon2
import pytest

from decnet_intel.service import passwords


@pytest.fixture(autouse=True)
def _cheap_argon2(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_argon2" in request.fixturenames:
        return
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODY", hasher.hash("nobody"))


@pytest.fixture
def real_argon2() -> None:
    """Argon2id at the cost that users have."""
