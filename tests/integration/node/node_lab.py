"""What the node's integration tests share: certificates, a listener with faults, a runtime's log files."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from decnet_events.envelope import Envelope, parse_envelope
from decnet_events.framing import ALPN_ACKNOWLEDGED, FrameDecoder, encode_ack

Key = tuple[str, str, str, int]


class Authority:
    """A certificate authority that signs what it is asked for."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        self.certificate = self._sign(self._name, self._key.public_key(), authority=True)

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, dns: str = "", authority: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if dns:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, directory: Path, name: str) -> Path:
        """Write tls.key, tls.crt and ca.crt for `name` into `directory`, each atomically."""
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), dns=name)
        pem = serialization.Encoding.PEM
        files = {
            "tls.key": key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            "tls.crt": certificate.public_bytes(pem),
            "ca.crt": self.certificate.public_bytes(pem),
        }
        for file, content in files.items():
            (directory / f".{file}").write_bytes(content)
            (directory / f".{file}").rename(directory / file)
        return directory


@dataclass
class Faults:
    """How likely each fault is, per piece received."""

    random: random.Random = field(default_factory=lambda: random.Random(0))
    reset_before_store: float = 0.0
    reset_before_ack: float = 0.0
    partial_ack: float = 0.0
    silent: bool = False

    def happens(self, probability: float) -> bool:
        """Roll the dice."""
        return self.random.random() < probability


class Listener:
    """Speaks the acknowledged protocol; keeps lines by key, as a database with a unique key would."""

    def __init__(self, tls: Path, faults: Faults | None = None, *, alpn: bool = True) -> None:
        self.faults = faults or Faults()
        self.lines: dict[Key, Envelope] = {}
        self.arrived: dict[Key, float] = {}
        self.repeated = 0
        self.frames = 0
        self.connections = 0
        self.peers: list[str] = []
        self.keep = True
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(tls / "ca.crt")
        self._context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
        if alpn:
            self._context.set_alpn_protocols([ALPN_ACKNOWLEDGED])
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[int]:
        """Listen on localhost while inside; gives the port."""
        server = await asyncio.start_server(self._handle, "127.0.0.1", port, ssl=self._context)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0.05)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peers.append(str(writer.get_extra_info("peercert")["subject"][0][0][1]))
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = FrameDecoder()
        count = 0
        while data := await reader.read(1 << 17):
            if self.faults.happens(self.faults.reset_before_store):
                return  # in the middle of a frame, most likely
            frames = decoder.feed(data)
            self.frames += len(frames)
            if self.keep:
                self._store(frames)
            if self.faults.happens(self.faults.reset_before_ack):
                return
            before, count = count, count + len(frames)
            if self.faults.silent or count == before:
                continue
            if self.faults.happens(self.faults.partial_ack):
                writer.write(encode_ack(self.faults.random.randint(before, count)))
            writer.write(encode_ack(count))
            await writer.drain()

    def _store(self, frames: list[bytes]) -> None:
        now = time.time()
        for frame in frames:
            envelope = parse_envelope(frame)
            if envelope.key in self.lines:
                self.repeated += 1
                assert self.lines[envelope.key].line == envelope.line
            else:
                self.lines[envelope.key] = envelope
                self.arrived[envelope.key] = now


class RuntimeLog:
    """One container's log as containerd and kubelet make it; knows the identity of every line it wrote."""

    _now = time.time_ns()

    def __init__(self, root: Path, pod: str, container: str) -> None:
        self.uid = f"uid-{pod}"
        self.container = container
        self.directory = root / f"decnet_{pod}_{self.uid}" / container
        self.directory.mkdir(parents=True, exist_ok=True)
        self.expected: dict[Key, str] = {}
        self.clock_offset = 0.0
        self._instance = 0
        self._stamp = 0
        self._path = self.directory / "0.log"
        self._gen = ""
        self._file = self._path.open("ab")

    def _record(self, content: str, *, tag: str = "F", stream: str = "stdout") -> tuple[str, int]:
        RuntimeLog._now = max(RuntimeLog._now + 1001, time.time_ns() + int(self.clock_offset * 1e9))
        seconds, nanos = divmod(RuntimeLog._now, 10**9)
        when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        stamp = f"{when:%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
        offset = self._file.seek(0, os.SEEK_END)
        if offset == 0:
            self._gen = stamp
        self._file.write(f"{stamp} {stream} {tag} {content}\n".encode())
        return self._gen, offset

    def write(self, content: str, *, pieces: int = 1, stream: str = "stdout") -> Key:
        """One line, as `pieces` records."""
        size = len(content) // pieces + 1
        gen, offset = "", 0
        for number in range(pieces):
            tag = "F" if number == pieces - 1 else "P"
            place = self._record(content[number * size : (number + 1) * size], tag=tag, stream=stream)
            if number == 0:
                gen, offset = place
        key = (self.uid, self.container, gen, offset)
        self.expected[key] = content
        return key

    def flush(self) -> None:
        """Let readers see it."""
        self._file.flush()

    def rotate(self) -> None:
        """What kubelet does: rename, reopen, compress what was rotated before."""
        self.flush()
        for old in self.directory.glob("*.log.*"):
            if old.suffix != ".gz":
                packed = old.with_name(old.name + ".tmp")
                with old.open("rb") as source, gzip.open(packed, "wb") as target:
                    shutil.copyfileobj(source, target)
                packed.rename(old.with_name(old.name + ".gz"))
                old.unlink()
        self._stamp += 1
        self._path.rename(self.directory / f"{self._path.name}.20250101-{self._stamp:06d}")
        self._reopen()

    def copy_truncate(self) -> None:
        """The other way to rotate: copy the file and empty it."""
        self.flush()
        self._stamp += 1
        shutil.copy(self._path, self.directory / f"{self._path.name}.20250101-{self._stamp:06d}")
        os.truncate(self._path, 0)

    def restart(self) -> None:
        """The container ended and was started again."""
        self._instance += 1
        self._path = self.directory / f"{self._instance}.log"
        self._reopen()

    def _reopen(self) -> None:
        self._file.close()
        self._file = self._path.open("ab")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ForwarderProcess:
    """`decnet-forwarder` as its own process, to be killed."""

    def __init__(self, directory: Path, tls: Path, port: int, **settings: str) -> None:
        self.log = directory / "forwarder.log"
        self.http_port = _free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "DECNET_FORWARDER_LOG_ROOT": str(directory / "pods"),
            "DECNET_FORWARDER_STATE_DIR": str(directory / "state"),
            "DECNET_FORWARDER_TLS_DIR": str(tls),
            "DECNET_FORWARDER_LISTENER": f"127.0.0.1:{port}",
            "DECNET_FORWARDER_NODE": "node-1",
            "DECNET_FORWARDER_HTTP_PORT": str(self.http_port),
            "DECNET_FORWARDER_BACKOFF_SECONDS": "0.5",
            **{f"DECNET_FORWARDER_{name.upper()}": value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; anything it says goes to `log`."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "decnet_node.forwarder.main"], env=self.environment, stderr=output
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(15)

    def get(self, path: str) -> str:
        """A status page. Raises URLError, also for 503."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise KeyError(name)

    def resident_mib(self) -> float:
        """Resident memory, the most there ever was."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    @contextlib.contextmanager
    def running(self) -> Iterator[ForwarderProcess]:
        """Run while inside; killed on the way out if need be."""
        self.start()
        try:
            yield self
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: object, seconds: float, what: str) -> None:
    """Wait for `condition()` to be true. Raises AssertionError with `what` after `seconds`."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)
