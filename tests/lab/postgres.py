"""A private Postgres server made of the machine's own binaries."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import psycopg

BINARIES = Path("/usr/lib/postgresql/15/bin")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PostgresServer:
    """initdb and postgres in a folder of its own; Postgres refuses to run as root, so it does not.

    Without `durable` it does not sync its files, which tests of anything but crashes and speed can do without;
    with it everything is as Postgres and the bundled image have it: synced, with checksums.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self._durable = durable
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user, pwd.getpwnam(self._user).pw_gid)
        self._run(
            "initdb", "-D", str(folder / "data"), "-U", "decnet", "--auth=trust", "-E", "UTF8",
            "--data-checksums" if durable else "--no-sync",
        )  # fmt: skip

    def url(self, database: str) -> str:
        """The URL of a database on this server."""
        return f"postgresql://decnet@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        if not self._durable:
            options += " -c fsync=off"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "30", "-l", str(self.folder / "log"),
            "-o", options, "start",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop; `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _run(self, program: str, *arguments: str) -> None:
        """Output goes to a file: a server that pg_ctl starts would hold a pipe open for ever."""
        log = self.folder / f"{program}.out"
        with log.open("w") as out:
            done = subprocess.run(
                [str(BINARIES / program), *arguments],
                user=self._user,
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"{program}: {log.read_text()}")
