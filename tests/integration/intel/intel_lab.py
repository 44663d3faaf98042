"""What the intel tests share: a CA, a listener, a sender that speaks the real wire."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from psycopg.rows import dict_row

from decnet_events.envelope import Envelope, format_envelope
from decnet_events.framing import ALPN_ACKNOWLEDGED, FrameDecoder, decode_ack, encode_frame
from decnet_events.rfc5424 import Line, format_line, format_timestamp
from decnet_intel.listener.run import listen
from decnet_intel.settings import ListenerSettings
from lab.postgres import free_port

NODE = "node-1"


@dataclass(frozen=True)
class Pair:
    """Certificate and key files."""

    cert: Path
    key: Path
    sha256: str


class Authority:
    """A CA in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def pair(self, folder: Path) -> Pair:
        """The CA's own certificate and key as files, for a test that signs with them."""
        key = folder / f"{self.file.stem}.key"
        key.write_bytes(_pem(self._key))
        return Pair(self.file, key, self._certificate.fingerprint(hashes.SHA256()).hex())

    def issue(self, name: str, *, server: bool = False, days: int = 10, file: str | None = None) -> Pair:
        """A certificate for `name`; with negative `days` it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=20))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("decnet-listener")]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        stem = self.folder / (file or f"{name}-{certificate.serial_number}")
        pair = Pair(
            stem.with_suffix(".crt"), stem.with_suffix(".key"), certificate.fingerprint(hashes.SHA256()).hex()
        )
        pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(_pem(key))
        return pair


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def client_context(ca: Path, pair: Pair | None, *, alpn: bool = True) -> ssl.SSLContext:
    """TLS as a node does it."""
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    if alpn:
        context.set_alpn_protocols([ALPN_ACKNOWLEDGED])
    return context


def event_line(message: str = "", event_id: str = "connect", host: str = "web01", **fields: str) -> str:
    """A line as a service writes it."""
    now = dt.datetime.now(dt.UTC)
    return format_line(Line(host, "ssh", event_id, fields, message, now))


def framed(offset: int, line: str, **changes: Any) -> bytes:
    """A frame of the forwarder."""
    it = Envelope(
        namespace=changes.get("namespace", "decnet"),
        pod=changes.get("pod", "web-front"),
        uid=changes.get("uid", "11111111-2222-3333-4444-555555555555"),
        container=changes.get("container", "ssh"),
        gen=changes.get("gen", "2026-01-01T00:00:00.000000001Z"),
        offset=offset,
        time=changes.get("time", format_timestamp(dt.datetime.now(dt.UTC))),
        stream="stdout",
        cut=changes.get("cut", False),
        node=changes.get("node", NODE),
        line=line,
    )
    return encode_frame(format_envelope(it))


class Sender:
    """A client connection that counts acknowledgements."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.acknowledged = 0
        self._decoder = FrameDecoder()

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def acks(self, count: int, seconds: float = 10) -> None:
        """Wait until `count` frames are acknowledged. Raises ConnectionError at the end of the stream."""
        async with asyncio.timeout(seconds):
            while self.acknowledged < count:
                data = await self.reader.read(65536)
                if not data:
                    raise ConnectionError("closed by the listener")
                for message in self._decoder.feed(data):
                    self.acknowledged = decode_ack(message)

    async def closed(self, seconds: float = 10) -> bool:
        """Whether the listener ends the connection within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except (OSError, ssl.SSLError):
            return True
        return True


@contextlib.asynccontextmanager
async def connected(port: int, context: ssl.SSLContext) -> AsyncIterator[Sender]:
    """A TLS connection to the listener."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    try:
        yield Sender(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass
class Lab:
    """A running listener and all that is needed to talk to it."""

    settings: ListenerSettings
    url: str
    ca: Authority
    pair: Pair
    server: Pair

    @property
    def port(self) -> int:
        return self.settings.port

    def sender(self, pair: Pair | None = None, *, alpn: bool = True) -> Any:
        return connected(self.port, client_context(self.ca.file, pair or self.pair, alpn=alpn))

    def rows(self, query: str = "select * from events order by id") -> list[dict[str, Any]]:
        return rows(self.url, query)

    def pin(self, name: str, sha256: str | None, *, notify: bool = True) -> None:
        pin(self.url, name, sha256, notify=notify)


def rows(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def execute(url: str, statement: str, *values: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement, values)  # type: ignore[call-overload]


def pin(url: str, name: str, sha256: str | None, *, notify: bool = True) -> None:
    execute(
        url,
        "insert into swarm_hosts (name, sha256) values (%s, %s)"
        " on conflict (name) do update set sha256 = excluded.sha256",
        name,
        sha256,
    )
    if notify:
        execute(url, "notify swarm_hosts")


def make_lab(url: str, folder: Path, **changes: Any) -> Lab:
    """Certificates, a pin and settings; nothing runs yet."""
    ca = Authority(folder)
    server = ca.issue("decnet-listener", server=True, file="server")
    pair = ca.issue(NODE)
    pin(url, NODE, pair.sha256)
    settings = ListenerSettings(
        database_url=url,  # type: ignore[arg-type]
        host="127.0.0.1",
        port=free_port(),
        tls_cert=server.cert,
        tls_key=server.key,
        tls_ca=ca.file,
        status_host="127.0.0.1",
        status_port=free_port(),
        **changes,
    )
    return Lab(settings, url, ca, pair, server)


@contextlib.asynccontextmanager
async def listening(lab: Lab) -> AsyncIterator[asyncio.Event]:
    """The listener in this process; the event stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(listen(lab.settings, stop))
    try:
        await eventually(lambda: is_ready(lab), "the listener is ready")
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


async def is_ready(lab: Lab, path: str = "/readyz") -> bool:
    """Whether the status port answers 200."""
    return (await get_status(lab, path)).startswith("HTTP/1.1 200")


async def get_status(lab: Lab, path: str) -> str:
    """The raw answer of the status port; empty when it does not answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.settings.status_port)
    except OSError:
        return ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer.decode()


async def eventually(probe: Callable[[], Any], what: str, seconds: float = 15) -> Any:
    """What `probe` gives (awaited when it is awaitable) once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)
