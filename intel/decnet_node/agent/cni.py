"""Putting the CNI plugins that deckies need where kubelet's runtime looks for them."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

PLUGINS = ("macvlan", "ipvlan", "static", "tuning")


def install_plugins(source: Path, target: Path) -> list[str]:
    """Copy the PLUGINS that `target` lacks from `source`; the names copied.

    One that is there is left alone: it may belong to the node's distribution. A file gets its name only
    when it is whole, so the runtime never runs half of one. Raises OSError.
    """
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for name in PLUGINS:
        if (target / name).exists():
            continue
        temporary = target / f".{name}.{os.getpid()}"
        try:
            shutil.copyfile(source / name, temporary)
            temporary.chmod(0o755)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.rename(target / name)
        finally:
            temporary.unlink(missing_ok=True)
        copied.append(name)
        log.info("installed %s", target / name)
    return copied
