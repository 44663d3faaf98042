"""Everything by which two deckies differ comes from their seeds."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def decky_seed(install_secret: bytes, namespace: str, name: str, uid: str) -> str:
    """64 hexadecimal digits, the same for the life of a Decky.

    Without the secret of the installation nobody can compute a decky's host keys from what the API shows.
    """
    return hmac.digest(install_secret, f"{namespace}/{name}/{uid}".encode(), hashlib.sha256).hex()


def derive(seed: str, label: str) -> bytes:
    """32 bytes of `seed` for one purpose."""
    return hmac.digest(bytes.fromhex(seed), label.encode(), hashlib.sha256)


def choose(seed: str, label: str, options: Sequence[T]) -> T:
    """One of `options`, which must not be empty."""
    return options[int.from_bytes(derive(seed, label)[:8], "big") % len(options)]
