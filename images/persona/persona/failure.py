"""Why the machine must stay silent."""

from __future__ import annotations


class DisguiseError(Exception):
    """The disguise is not on. `reason` goes to the pod's status, `exit_code` is the container's."""

    reason = "DisguiseFailed"
    exit_code = 4


class DisguiseFailedError(DisguiseError):
    """A setting, a sysctl, the interface or the rules are not as they must be."""


class AddressConflictError(DisguiseError):
    """The machine with MAC address `mac` uses our address."""

    reason = "AddressConflict"
    exit_code = 3

    def __init__(self, address: str, mac: str) -> None:
        super().__init__(f"{mac} answers for {address}")
        self.address = address
        self.mac = mac
