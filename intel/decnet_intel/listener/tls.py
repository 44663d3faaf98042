"""The server side of mutual TLS 1.3, and the certificate read again when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from decnet_events.framing import ALPN_ACKNOWLEDGED
from decnet_events.transfer import ALPN_ARTIFACT
from decnet_intel.listener import metrics

_LOOK_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the listener."""

    cert: Path
    key: Path
    ca: Path

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Changes whenever a file does. Raises OSError when one is missing."""
        stats = [path.stat() for path in (self.cert, self.key, self.ca)]
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who a client's certificate is for, and its SHA-256 in lower-case hex."""

    node: str
    sha256: str


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.3 only, client certificate of our CA needed. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.cert, files.key)
    context.load_verify_locations(files.ca)
    context.set_alpn_protocols([ALPN_ACKNOWLEDGED, ALPN_ARTIFACT])
    context.num_tickets = 0  # no resumption: every connection shows its certificate
    return context


def peer_of(ssl_object: ssl.SSLObject) -> Peer | None:
    """The client's identity; None unless its certificate has exactly one common name."""
    certificate = ssl_object.getpeercert()
    der = ssl_object.getpeercert(binary_form=True)
    if not certificate or der is None:
        return None
    subject: tuple[tuple[tuple[str, str], ...], ...] = certificate.get("subject", ())  # type: ignore[assignment]
    names = [value for part in subject for key, value in part if key == "commonName"]
    return Peer(names[0], sha256(der).hexdigest()) if len(names) == 1 else None


class Certificate:
    """The current TLS context. New connections get the newest that could be read."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp: object = None
        self.context: ssl.SSLContext | None = None

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Read the files if they changed; a bad set is reported and the old one kept."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return
            self.context = server_context(self._files)
        except OSError as error:
            metrics.RELOADS.labels("failed").inc()
            log.warning("cannot read the server certificate: %s", error)
            return
        log.info("%s the server certificate", "read" if self._stamp is None else "read again")
        self._stamp = stamp
        metrics.RELOADS.labels("ok").inc()
