"""The certificates that both ends of every TLS connection of the benchmark have."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration" / "node"))

from node_lab import Authority

SERVER = "decnet-listener"
NODE = "node-1"


@dataclass(frozen=True)
class Trust:
    """Directories with tls.key, tls.crt and ca.crt."""

    server: Path
    node: Path

    @property
    def pin(self) -> str:
        """The fingerprint of the node's certificate."""
        return sha256(PEM_cert_to_DER_cert((self.node / "tls.crt").read_text())).hexdigest()


def make_trust(folder: Path) -> Trust:
    """A CA and what it signed, good for an hour."""
    authority = Authority()
    return Trust(authority.issue(folder / "server", SERVER), authority.issue(folder / "node", NODE))
