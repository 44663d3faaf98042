"""The cluster under test, through the same kubectl and psql that a user has."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
PRODUCT_NAMESPACE = "decnet"
CLUSTER_NAME = os.environ.get("CLUSTER_NAME", "decnet")
DOCKER_NETWORK = os.environ.get("DOCKER_NETWORK", "kind")
DASHBOARD_URL = f"http://127.0.0.1:{os.environ.get('DASHBOARD_PORT', '8080')}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "decnet"
KUBECONFIG = Path(os.environ.get("KUBECONFIG") or CACHE / f"kubeconfig-{CLUSTER_NAME}")

T = TypeVar("T")


class CommandError(RuntimeError):
    """A command ended with another status than 0; the text holds what it printed."""


def run(*command: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> str:
    """What `command` printed. Raises CommandError on failure unless `check` is false (then stderr too)."""
    env = {**os.environ, "KUBECONFIG": str(KUBECONFIG), "PATH": f"{CACHE / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout, env=env, check=False
    )
    if not check:
        return done.stdout + done.stderr
    if done.returncode:
        raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*args: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> str:
    """`kubectl args` against the cluster under test."""
    return run("kubectl", *args, stdin=stdin, check=check, timeout=timeout)


def get(*args: str) -> Any:
    """The object or list that `kubectl get args` names."""
    return json.loads(kubectl("get", *args, "-o", "json"))


def psql(statement: str) -> str:
    """What `statement` prints when it is run on the product's database."""
    command = (
        'PGPASSWORD="$POSTGRES_PASSWORD" psql -h 127.0.0.1 -U decnet -d decnet -AtXq -v ON_ERROR_STOP=1 -f -'
    )
    return kubectl(
        "-n", PRODUCT_NAMESPACE, "exec", "-i", "statefulset/decnet-postgres", "--", "sh", "-c", command,
        stdin=statement,
    )  # fmt: skip


def sql(query: str) -> list[dict[str, Any]]:
    """Rows of `query` against the product's database."""
    rows: list[dict[str, Any]] = json.loads(
        psql(f"select coalesce(json_agg(row_to_json(t)), '[]') from ({query}) t")
    )
    return rows


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def events(decky: str, where: str = "true", since_id: int = 0) -> list[dict[str, Any]]:
    """Events of `decky` in the order they were stored, newest last."""
    return sql(
        "select id, occurred_at, service, event_id, host(src_ip) as src_ip, src_port, fields, message, raw"
        f" from events where decky = {literal(decky)} and id > {since_id} and ({where}) order by id"
    )


def last_event_id() -> int:
    """The highest event id so far, 0 when there is none."""
    return int(sql("select coalesce(max(id), 0) as id from events")[0]["id"])


def wait_for(what: str, probe: Callable[[], T], timeout: float = 30, every: float = 0.3) -> T:
    """What `probe` returns once it is true. Raises TimeoutError naming `what` and the last answer."""
    deadline = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s; last: {answer!r}")
        time.sleep(every)
    return answer
