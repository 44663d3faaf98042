"""MAC addresses with the prefix of a vendor that fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from decnet_operator.domain import data
from decnet_operator.domain.problem import ProblemError
from decnet_operator.domain.seed import choose, derive

_TRIES = 64


def choose_mac(seed: str, vendors: Sequence[str], taken: Callable[[str], bool]) -> str:
    """The first address from `seed` that is not taken. Raises ProblemError when 64 are."""
    table = data.vendors()
    for attempt in range(_TRIES):
        vendor = table[choose(seed, f"mac vendor {attempt}", vendors)]
        prefix = choose(seed, f"mac prefix {attempt}", vendor.prefixes)
        tail = derive(seed, f"mac {attempt}")[:3]
        mac = f"{prefix}:{tail.hex(':')}"
        if tail not in (b"\0\0\0", b"\xff\xff\xff") and not taken(mac):
            return mac
    raise ProblemError("MacAddressesExhausted", "no free MAC address found: set spec.network.mac")
