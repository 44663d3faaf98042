"""Tells the world outside: event lines on stdout, the pod's termination message, the ready file."""

from __future__ import annotations

import contextlib
import json

from relay.emitter import SEVERITY_NOTICE, SEVERITY_WARNING, Emitter

from . import files
from .failure import AddressConflictError, DisguiseError
from .refusals import Destination

APP_NAME = "persona"
READY = "/run/ready"
TERMINATION_LOG = "/dev/termination-log"
MAX_TERMINATION = 4096  # what kubelet keeps


class Reporter:
    """Everything that this container says. `hostname` is the machine's name."""

    def __init__(self, hostname: str) -> None:
        self._emitter = Emitter(hostname, APP_NAME)

    def disguise_on(self, address: str, egress: str) -> None:
        self._emitter.emit("disguise_on", {"address": address, "egress": egress}, "", SEVERITY_NOTICE)

    def failed(self, error: DisguiseError) -> None:
        """The event and the termination message for `error`."""
        reason = str(error)
        if isinstance(error, AddressConflictError):
            self.address_conflict(error.address, error.mac)
        else:
            self._emitter.emit("disguise_failed", {"reason": reason}, "", SEVERITY_WARNING)
        text = json.dumps({"reason": error.reason, "message": reason[: MAX_TERMINATION // 2]})
        with contextlib.suppress(OSError):  # outside Kubernetes there is none
            files.write(TERMINATION_LOG, text)

    def address_conflict(self, address: str, mac: str) -> None:
        self._emitter.emit("address_conflict", {"address": address, "mac": mac}, "", SEVERITY_WARNING)

    def rules_restored(self, how: str) -> None:
        self._emitter.emit("containment_restored", {"reason": how}, "", SEVERITY_WARNING)

    def refused(self, destination: Destination, attempts: int) -> None:
        fields = {
            "dst_ip": destination.address,
            "dst_port": str(destination.port),
            "protocol": destination.protocol,
            "attempts": str(attempts),
        }
        self._emitter.emit("egress_refused", fields, "", SEVERITY_WARNING)
