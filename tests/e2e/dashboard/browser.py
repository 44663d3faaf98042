"""What the dashboard's tests share: axe, the strictest policy, and rows for a database without a cluster."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from playwright.sync_api import ConsoleMessage, Page, Request, Route

from lab.cluster import ROOT, literal, psql

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
STRICTEST = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere: what the built dashboard needs and no more."""


class Watch:
    """Collects what a page complains about: script errors, policy violations, requests to other hosts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Texts of console errors that a test brings about on purpose."""

    def __enter__(self) -> Watch:
        self._page.on("console", self._console)
        self._page.on("pageerror", self._error)
        self._page.on("request", self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._page.remove_listener("console", self._console)
        self._page.remove_listener("pageerror", self._error)
        self._page.remove_listener("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.expected):
            self.complaints.append(f"{message.type}: {message.text}")

    def _error(self, error: Exception) -> None:
        self.complaints.append(f"exception: {error}")

    def _request(self, request: Request) -> None:
        here, there = urlsplit(self._page.url), urlsplit(request.url)
        if here.netloc and there.netloc != here.netloc:
            self.complaints.append(f"request to {there.netloc}")


def with_strictest_policy(route: Route) -> None:
    """Answer with the server's document under the strictest policy instead of its own."""
    answer = route.fetch()
    headers = {**answer.headers, "content-security-policy": STRICTEST}
    route.fulfill(response=answer, headers=headers)


def axe(page: Page) -> list[str]:
    """What axe finds wrong with the page, a line each. Best practices are part of it."""
    # Evaluated over the debugger, which the page's policy does not bind.
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document)")
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def picture(page: Page, path: Path) -> None:
    """Save what the page shows as a PNG. Playwright's own way adds a style that the page's policy forbids."""
    shot = page.context.new_cdp_session(page).send("Page.captureScreenshot")
    path.write_bytes(base64.b64decode(shot["data"]))


def execute(statement: str) -> None:
    """Run `statement` on the product's database."""
    if url := os.environ.get("DECNET_DATABASE_URL"):
        with psycopg.connect(url) as connection:
            connection.execute(statement.encode())
        return
    psql(statement)


def try_login(base_url: str, username: str, password: str) -> dict[str, Any] | None:
    """The API's answer to a login, None when it refuses the password."""
    body = {"username": username, "password": password}
    answer = httpx.post(f"{base_url}/api/v1/auth/login", json=body, timeout=30)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return None
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def change_password(base_url: str, token: str, old: str, new: str) -> None:
    """Change the password through the API."""
    httpx.post(
        f"{base_url}/api/v1/auth/change-password",
        headers={"Authorization": f"Bearer {token}"},
        json={"old_password": old, "new_password": new},
        timeout=30,
    ).raise_for_status()


def force_password_change(username: str) -> None:
    """Put `username` back to where the installation left it: the next login must change the password."""
    execute(f"update users set must_change_password = true where username = {literal(username)}")


def insert_event(decky: str, path: str, **fields: str) -> None:
    """Store an HTTP request to `decky` the way the listener does, for an API without a cluster."""
    body = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "status": "404", **fields}
    with psycopg.connect(os.environ["DECNET_DATABASE_URL"]) as connection:
        connection.execute(
            "do $$ begin execute format('create table if not exists events_%s partition of events"
            " for values from (%L) to (%L)', to_char(now() at time zone 'utc', 'YYYYMMDD'),"
            " (now() at time zone 'utc')::date, (now() at time zone 'utc')::date + 1); end $$"
        )
        connection.execute(
            "insert into events (day, file_id, node, namespace, decky, pod_uid, service, generation, byte_offset,"
            " event_id, severity, hostname, src_ip, src_port, fields, message, raw, occurred_at,"
            " acknowledged, cut)"
            " values ((now() at time zone 'utc')::date, 0, 'node', 'decnet', %s, gen_random_uuid()::text,"
            " 'http', 'g', (random() * 1e15)::bigint, 'http_request', 6, %s, '192.0.2.66', 40000, %s,"
            " '', null, now(), true, false)",
            (decky, decky, json.dumps(body)),
        )
        connection.execute("notify events")
