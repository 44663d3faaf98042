"""A real S3 server on loopback: versitygw, the one on PATH or else built as tests/tools/versitygw pins it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from minio import Minio

from lab.postgres import free_port

_SOURCES = Path(__file__).resolve().parents[2] / "tools" / "versitygw"
_PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
ACCESS, SECRET, BUCKET = "test-access-key", "test-secret-key", "artifacts"


def build(folder: Path) -> Path:
    """The server's binary, made in `folder` if need be: minutes the first time, then from Go's cache."""
    if (found := shutil.which("versitygw")) is not None:
        return Path(found)
    go = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    assert go is not None, "needs Go: https://go.dev/dl"
    binary = folder / "versitygw"
    subprocess.run([go, "build", "-o", str(binary), _PACKAGE], cwd=_SOURCES, check=True)
    return binary


@dataclass
class S3Server:
    """The server with one bucket. Objects are plain files of `folder`."""

    binary: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, binary: Path, folder: Path) -> S3Server:
        """With an empty bucket; not started."""
        for name in ("data", "data/artifacts", "meta"):
            (folder / name).mkdir()
        return cls(binary, folder, free_port())

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process of ours to use it."""
        return {
            "DECNET_ARTIFACTS_S3_ENDPOINT": self.endpoint,
            "DECNET_ARTIFACTS_S3_BUCKET": BUCKET,
            "DECNET_ARTIFACTS_S3_ACCESS_KEY": ACCESS,
            "DECNET_ARTIFACTS_S3_SECRET_KEY": SECRET,
        }

    def start(self) -> None:
        """Start; it answers a little later."""
        self.process = subprocess.Popen(
            [str(self.binary), "--port", f"127.0.0.1:{self.port}", "--access", ACCESS, "--secret", SECRET,
             "--quiet", "posix", "--sidecar", str(self.folder / "meta"), str(self.folder / "data")],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def answers(self) -> bool:
        """Whether the bucket can be reached."""
        client = Minio(f"127.0.0.1:{self.port}", ACCESS, SECRET, secure=False, region="us-east-1")
        try:
            return client.bucket_exists(BUCKET)
        except OSError:
            return False

    def kept(self) -> dict[str, bytes]:
        """The objects by the last part of their keys."""
        root = self.folder / "data" / BUCKET
        return {path.name: path.read_bytes() for path in root.glob("??/*") if path.is_file()}
