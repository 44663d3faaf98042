"""The one shape in which a captured secret is written, whatever the protocol."""

from __future__ import annotations

import base64

MAX_SECRET = 4096
"""Bytes of a secret that are kept; nobody types more, and a longer one is an attack on us."""


def credential_fields(principal: str, secret: bytes, kind: str) -> dict[str, str]:
    """Event fields for a captured credential.

    Arguments: `principal`, the account name as the intruder gave it; `secret`, the raw bytes;
    `kind`, what the bytes are (`plaintext`, `ntlmv2`, …).
    Returns principal, secret_printable (undecodable bytes as `\\xNN`), secret_b64, secret_kind.
    """
    kept = secret[:MAX_SECRET]
    return {
        "principal": principal,
        "secret_printable": kept.decode("utf-8", "backslashreplace"),
        "secret_b64": base64.b64encode(kept).decode("ascii"),
        "secret_kind": kind,
    }
