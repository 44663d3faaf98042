"""From `kubectl apply` to an answer on the LAN, for 20 deckies one after the other; run with `make bench`.

The clock starts before kubectl does and stops when the attacker's machine has completed a TCP
handshake with the decky's SSH port, so it holds kubectl's own start as well.
"""

from __future__ import annotations

import statistics
import sys
import time

from lab.attacker import Attacker
from lab.cluster import get, kubectl, wait_for
from lab.deckies import HTTP, SSH, apply, manifest

DECKIES = 20
ANSWER = "for _ in $(seq 600); do nc -z -w 1 {address} 22 && exit 0; sleep 0.02; done; exit 1"


def time_one(attacker: Attacker, name: str) -> float:
    """Seconds from apply to the first completed handshake."""
    started = time.monotonic()
    apply(manifest(name, services=[SSH, HTTP]))
    address = wait_for("an address", lambda: get(f"decky/{name}").get("status", {}).get("ip"), every=0.05)
    attacker.do("sh", "-c", ANSWER.format(address=address), timeout=60)
    return time.monotonic() - started


def main() -> int:
    """Print each time, then median, p99 and maximum in seconds."""
    names = [f"bench-{n:02}" for n in range(DECKIES)]
    times: list[float] = []
    try:
        with Attacker() as attacker:
            for name in names:
                times.append(time_one(attacker, name))
                print(f"{name}  {times[-1]:.2f} s", flush=True)
    finally:
        kubectl("delete", "decky", *names, "--ignore-not-found", "--timeout=180s", timeout=200)
    p99 = statistics.quantiles(times, n=100, method="inclusive")[98]
    print(
        f"median {statistics.median(times):.2f} s  p99 {p99:.2f} s  max {max(times):.2f} s"
        f"  ({DECKIES} deckies)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
