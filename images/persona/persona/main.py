"""The order of things: silence, containment, checks, probe; only then the machine may be heard."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from . import files, nft, ruleset
from .arp import ArpSocket
from .checks import require_disguise
from .failure import DisguiseError, DisguiseFailedError
from .report import READY, Reporter
from .settings import Settings, parse_settings
from .watch import Containment, Watch


def main() -> int:
    """Exit status: 0 after SIGTERM, 3 for an address conflict, 4 when the disguise is not on."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    report = Reporter("-")
    try:
        files.remove(READY)  # the volume outlives the container
        settings = parse_settings(os.environ.get("SETTINGS", ""))
        report = Reporter(settings.hostname)
        _live(settings, report)
    except DisguiseError as error:
        return _fail(report, error)
    except OSError as error:
        return _fail(report, DisguiseFailedError(f"{error.strerror or error}"))
    return 0


def _live(settings: Settings, report: Reporter) -> None:
    containment = Containment(settings)
    nft.load(ruleset.QUIET)
    containment.load()
    require_disguise(settings)
    arp = ArpSocket(settings)
    arp.require_unused()
    nft.load(ruleset.AUDIBLE)
    arp.announce()
    watch = Watch(settings, containment, arp, report)
    report.disguise_on(settings.address, settings.egress)
    files.write(READY, "")
    try:
        watch.run()
    finally:
        watch.finish()


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _fail(report: Reporter, error: DisguiseError) -> int:
    files.remove(READY)
    report.failed(error)
    return error.exit_code
