"""A browser, an account, and a way to make an event.

By default all three belong to the cluster under test. With DECNET_URL, DECNET_PASSWORD and
DECNET_DATABASE_URL the same tests run against any API beside its database, without a cluster.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dashboard.browser import OPTIONS, Watch, change_password, force_password_change, insert_event, try_login
from lab.api import CHANGED_PASSWORD, installed_login
from lab.attacker import Attacker
from lab.cluster import DASHBOARD_URL, ROOT
from lab.deckies import SSH, deckies, manifest

VIEWPORT = {"width": 1440, "height": 900}
DECKY = "web-shown"
OTHER_PASSWORD = f"{CHANGED_PASSWORD}-2"


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, with what, and what it is changed to."""

    username: str
    password: str
    new_password: str


@pytest.fixture(scope="package")
def base_url() -> str:
    return os.environ.get("DECNET_URL", DASHBOARD_URL)


@pytest.fixture(scope="package")
def account(base_url: str) -> Iterator[Account]:
    """An account that must change its password at the next login; the other tests' password afterwards."""
    username = os.environ.get("DECNET_USERNAME", "admin")
    installed = os.environ.get("DECNET_PASSWORD")
    if installed is None:
        username, installed = installed_login()
    for known in (installed, CHANGED_PASSWORD, OTHER_PASSWORD):
        if answer := try_login(base_url, username, known):
            break
    else:
        raise AssertionError(f"no known password of {username} is taken")
    if not answer["must_change_password"]:
        force_password_change(username)
    yield Account(username, known, OTHER_PASSWORD if known == CHANGED_PASSWORD else CHANGED_PASSWORD)
    if last := try_login(base_url, username, OTHER_PASSWORD):
        change_password(base_url, last["access_token"], OTHER_PASSWORD, CHANGED_PASSWORD)


@pytest.fixture(scope="package")
def decky() -> Iterator[str]:
    """The name of a decky that is there and ready."""
    if "DECNET_DATABASE_URL" in os.environ:
        yield os.environ.get("DECNET_DECKY", "decky-01")
        return
    with deckies(manifest(DECKY, services=[SSH, {"name": "http"}])):
        yield DECKY


@pytest.fixture(scope="package")
def attack(decky: str) -> Iterator[Callable[..., str]]:
    """Does something to the decky; returns a text that its event will show.

    Arguments of what it yields: `path` after a mark of its own, and `user_agent`.
    """
    if "DECNET_DATABASE_URL" in os.environ:

        def insert(path: str = "", user_agent: str = "curl") -> str:
            mark = f"/{uuid.uuid4().hex}{path}"
            insert_event(decky, mark, user_agent=user_agent)
            return mark

        yield insert
        return
    from lab.cluster import get

    address = get(f"decky/{decky}")["status"]["ip"]
    with Attacker() as machine:

        def request(path: str = "", user_agent: str = "curl") -> str:
            mark = f"/{uuid.uuid4().hex}{path}"
            machine.do("curl", "-sg", "-o", "/dev/null", "-A", user_agent, f"http://{address}{mark}")
            return mark

        yield request


@pytest.fixture(scope="package")
def screenshots() -> Path:
    """Where pictures go: DECNET_SCREENSHOTS, or test-results/dashboard."""
    folder = Path(os.environ.get("DECNET_SCREENSHOTS", ROOT / "test-results" / "dashboard"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def context(browser: Browser, base_url: str) -> Iterator[BrowserContext]:
    """One window for all tests, with reduced motion so that pictures do not change from run to run."""
    made = browser.new_context(
        base_url=base_url, viewport=VIEWPORT, color_scheme="dark", reduced_motion="reduce"
    )
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture(scope="package")
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(autouse=True)
def watch(page: Page) -> Iterator[Watch]:
    """Fails the test when the page logged an error, broke its policy or asked another host."""
    with Watch(page) as watching:
        yield watching
    assert watching.complaints == []
