"""Host names that fit the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from decnet_operator.domain.seed import choose, derive

_TRIES = 64


def choose_hostname(seed: str, patterns: Sequence[str], taken: Callable[[str], bool]) -> str:
    """The first name from `seed` that no other decky has; after 64 tries one with a number from the seed."""
    for attempt in range(_TRIES):
        name = _fill(
            choose(seed, f"hostname pattern {attempt}", patterns), derive(seed, f"hostname {attempt}")
        )
        if not taken(name):
            return name
    return f"srv-{derive(seed, 'hostname')[:5].hex()}"


def _fill(pattern: str, random: bytes) -> str:
    number = int.from_bytes(random[:4], "big")
    return (
        pattern.replace("{nn}", f"{number % 99 + 1:02}")
        .replace("{n}", str(number % 9 + 1))
        .replace("{hex}", random[4:7].hex())
    )
