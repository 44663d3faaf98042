"""Whether sysctls, address and MAC are what the settings say. Reads only; nothing is repaired here.

They are set before this container starts, by the network plugins; a difference means that a plugin
failed or that somebody changed them, and either way the machine would not look like what it claims.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from . import files
from .failure import DisguiseFailedError
from .settings import Settings

SYSCTL_ROOT = "/proc/sys"

_SIOCGIFFLAGS = 0x8913
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_SIOCGIFHWADDR = 0x8927
_IFF_UP = 1


def check_sysctls(wanted: dict[str, str], root: str = SYSCTL_ROOT) -> list[str]:
    """A sentence for each sysctl that differs. Runs of blanks compare equal, as in sysctl(8)."""
    return [problem for name, value in wanted.items() if (problem := _check_sysctl(root, name, value))]


def _check_sysctl(root: str, name: str, wanted: str) -> str:
    # As sysctl(8) reads names: whichever separator comes first separates, the other is a character.
    first = min((at for at in (name.find("."), name.find("/")) if at >= 0), default=0)
    swap = str.maketrans("./", "/.") if name[first : first + 1] == "." else {}
    try:
        found = files.read(f"{root}/{name.translate(swap)}").split()
    except OSError as error:
        return f"sysctl {name} cannot be read: {error.strerror}"
    if found != wanted.split():
        return f"sysctl {name} is {' '.join(found)!r}, not {wanted!r}"
    return ""


def check_interface(settings: Settings) -> list[str]:
    """A sentence for each way in which the interface differs from the settings."""
    name = settings.interface
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            flags = struct.unpack_from("H", _ask(probe, _SIOCGIFFLAGS, name))[0]
        except OSError as error:
            return [f"interface {name}: {error.strerror}"]
        mac = _ask(probe, _SIOCGIFHWADDR, name)[2:8].hex(":")
        try:
            address = socket.inet_ntoa(_ask(probe, _SIOCGIFADDR, name)[4:8])
            mask = struct.unpack_from("!I", _ask(probe, _SIOCGIFNETMASK, name), 4)[0]
        except OSError:
            return [f"interface {name} has no IPv4 address, not {settings.address}"]
    prefix = mask.bit_count()
    problems = []
    if not flags & _IFF_UP:
        problems.append(f"interface {name} is down")
    if mac != settings.mac:
        problems.append(f"interface {name} has MAC address {mac}, not {settings.mac}")
    if (address, prefix) != (settings.address, settings.prefix):
        wanted = f"{settings.address}/{settings.prefix}"
        problems.append(f"interface {name} has address {address}/{prefix}, not {wanted}")
    return problems


def _ask(probe: socket.socket, request: int, name: str) -> bytes:
    """The answer part of the kernel's struct ifreq."""
    return fcntl.ioctl(probe, request, struct.pack("16s24x", name.encode()))[16:]


def require_disguise(settings: Settings) -> None:
    """Raises DisguiseFailedError with every difference."""
    problems = check_sysctls(settings.sysctls) + check_interface(settings)
    if problems:
        raise DisguiseFailedError("; ".join(problems))
