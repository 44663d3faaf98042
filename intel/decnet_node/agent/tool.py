"""Running `ip` and `nft`."""

from __future__ import annotations

import asyncio
import contextlib

_SECONDS = 20.0


class ToolError(RuntimeError):
    """A tool failed, is missing or hangs. The message is the first line of what it said."""


async def run(*command: str, stdin: str = "") -> str:
    """Run `command` and give its standard output. Raises ToolError."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror}") from error
    try:
        output, errors = await asyncio.wait_for(process.communicate(stdin.encode()), _SECONDS)
    except TimeoutError as error:
        raise ToolError(f"{command[0]} did not end within {_SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip().splitlines()
        raise ToolError(f"{command[0]}: {said[0] if said else f'exit status {process.returncode}'}")
    return output.decode(errors="replace")
