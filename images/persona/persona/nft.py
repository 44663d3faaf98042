"""Runs nft: loads rules and reads them back. Needs CAP_NET_ADMIN in the namespace."""

from __future__ import annotations

import os

from .failure import DisguiseFailedError

_NFT = "/usr/sbin/nft"
_MAX_OUTPUT = 256 * 1024


def load(rules: str) -> None:
    """Apply `rules` in one transaction: all of them or none. Raises DisguiseFailedError with nft's words."""
    status, output = _run(["-f", "/dev/stdin"], rules.encode())
    if status:
        raise DisguiseFailedError(f"nft refuses the rules: {' '.join(output.split())[:500]}")


def listing(family: str, table: str) -> str:
    """The table as nft prints it, without counts and elements; empty when there is none."""
    status, output = _run(["--stateless", "--terse", "list", "table", family, table], b"")
    return "" if status else output


def _run(arguments: list[str], stdin: bytes) -> tuple[int, str]:
    """Exit status and output. Files in memory instead of pipes: no side can block the other."""
    given = os.memfd_create("in")
    result = os.memfd_create("out")
    try:
        os.write(given, stdin)
        os.lseek(given, 0, os.SEEK_SET)
        # spawned without the subprocess module, which would stay in memory for three calls
        pid = os.posix_spawn(
            _NFT,
            [_NFT, *arguments],
            {"PATH": "/usr/sbin:/usr/bin"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, given, 0),
                (os.POSIX_SPAWN_DUP2, result, 1),
                (os.POSIX_SPAWN_DUP2, result, 2),
            ],
            setsigmask=[],
        )
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), os.pread(result, _MAX_OUTPUT, 0).decode()
    except OSError as error:
        raise DisguiseFailedError(f"nft cannot be run: {error.strerror}") from error
    finally:
        os.close(given)
        os.close(result)
