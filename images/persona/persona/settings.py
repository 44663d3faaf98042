"""What the container is told, in the one variable SETTINGS."""

from __future__ import annotations

import json
import re
import socket
from typing import Any, NamedTuple

from .failure import DisguiseFailedError

EGRESS_DENY = "deny"
EGRESS_OFF = "off"

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_INTERFACE = re.compile(r"[^\s/]{1,15}")
_SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_@-]+)+")


class Settings(NamedTuple):
    """SETTINGS, checked.

    `sysctls` maps names such as `net.ipv4.ip_default_ttl` to the values that must be in force.
    `egress` is `deny`, or `off` for tests of the other containment layer.
    """

    hostname: str
    address: str
    prefix: int
    mac: str
    interface: str
    sysctls: dict[str, str]
    egress: str


def parse_settings(text: str) -> Settings:
    """The settings in `text`. Raises DisguiseFailedError naming the key and what it should be."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise DisguiseFailedError(f"SETTINGS is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise DisguiseFailedError("SETTINGS is not a JSON object")
    return Settings(
        hostname=_matching(given, "hostname", _HOSTNAME, "a host name"),
        address=_address(given),
        prefix=_prefix(given),
        mac=_matching(given, "mac", _MAC, "a MAC address such as 00:15:5d:01:02:03"),
        interface=_matching(given, "interface", _INTERFACE, "an interface name such as eth0"),
        sysctls=_sysctls(given),
        egress=_egress(given),
    )


def _matching(given: dict[str, Any], key: str, pattern: re.Pattern[str], what: str) -> str:
    value = given.get(key)
    if key == "mac" and isinstance(value, str):
        value = value.lower()
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise DisguiseFailedError(f"SETTINGS {key} is {value!r}, not {what}")
    return value


def _address(given: dict[str, Any]) -> str:
    value = given.get("address")
    try:
        return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, value or ""))
    except (OSError, TypeError) as error:
        raise DisguiseFailedError(f"SETTINGS address is {value!r}, not an IPv4 address") from error


def _prefix(given: dict[str, Any]) -> int:
    value = given.get("prefix")
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 32:
        raise DisguiseFailedError(f"SETTINGS prefix is {value!r}, not a number from 1 to 32")
    return value


def _sysctls(given: dict[str, Any]) -> dict[str, str]:
    value = given.get("sysctls", {})
    if not isinstance(value, dict):
        raise DisguiseFailedError(f"SETTINGS sysctls is {value!r}, not an object")
    for name, wanted in value.items():
        if not _SYSCTL.fullmatch(name) or not isinstance(wanted, str):
            raise DisguiseFailedError(f"SETTINGS sysctls: {name!r} = {wanted!r} is not a name and a string")
    return value


def _egress(given: dict[str, Any]) -> str:
    value = given.get("egress", EGRESS_DENY)
    if value not in (EGRESS_DENY, EGRESS_OFF):
        raise DisguiseFailedError(f"SETTINGS egress is {value!r}, not {EGRESS_DENY!r} or {EGRESS_OFF!r}")
    return str(value)
