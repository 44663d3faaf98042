"""The dashboard in Chromium, in the order in which a new user meets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.browser import STRICTEST, Watch, axe, picture, with_strictest_policy
from dashboard.conftest import Account

PAGES = {"overview": "/", "events": "/events", "deckies": "/deckies", "password": "/password"}
SET_SCHEME = "name => document.documentElement.setAttribute('data-mantine-color-scheme', name)"
HOSTILE_PATH = "/<img/src=x/onerror=alert(1)>"
HOSTILE_AGENT = "<script>alert(2)</script>\u202egnp.exe"


def _theme(page: Page, name: str) -> None:
    page.locator("label").filter(has_text=f"{name} theme").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", name.lower())


def _log_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_login_page_is_accessible(page: Page, screenshots: Path, theme: str) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    _theme(page, theme)
    assert axe(page) == []
    picture(page, screenshots / f"login-{theme.lower()}.png")


def test_wrong_password_is_told(page: Page, watch: Watch, account: Account) -> None:
    watch.expected = ("401",)
    page.goto("/login")
    _log_in(page, account.username, "not-the-password")
    expect(page.get_by_role("alert")).to_contain_text("Wrong user name or password")
    assert axe(page) == []


def test_lockout_says_how_long(page: Page, watch: Watch, account: Account) -> None:
    watch.expected = ("429",)
    body = '{"detail": "too many failed logins"}'
    headers = {"Retry-After": "185", "Content-Type": "application/json"}
    page.route("**/auth/login", lambda route: route.fulfill(status=429, headers=headers, body=body))
    page.goto("/login")
    _log_in(page, account.username, "whatever")
    expect(page.get_by_role("alert")).to_contain_text("Try again in 3 min")
    assert axe(page) == []
    page.unroute("**/auth/login")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_first_login_must_change_the_password(
    page: Page, account: Account, screenshots: Path, theme: str
) -> None:
    page.goto("/login")
    _log_in(page, account.username, account.password)
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    _theme(page, theme)
    page.goto("/deckies")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    assert axe(page) == []
    picture(page, screenshots / f"first-login-{theme.lower()}.png")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_password_rules_and_change(page: Page, watch: Watch, account: Account) -> None:
    watch.expected = ("422",)
    page.goto("/login")
    _log_in(page, account.username, account.password)
    change = page.get_by_role("button", name="Change password")
    old, new, again = (page.locator(f"input[name={name}]") for name in ("old", "new", "again"))
    old.fill(account.password)
    new.fill("short")
    again.fill("short")
    expect(change).to_be_disabled()
    new.fill("password-password-password")
    again.fill("password-password-password")
    change.click()
    expect(page.get_by_text("Choose one that is not made of common words")).to_be_visible()
    old.fill("not-the-old-one")
    new.fill(account.new_password)
    again.fill(account.new_password + "x")
    expect(page.get_by_text("The two differ")).to_be_visible()
    again.fill(account.new_password)
    change.click()
    expect(page.get_by_text("The old password is wrong")).to_be_visible()
    old.fill(account.password)
    change.click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_feed_shows_an_event_within_two_seconds(page: Page, attack: Callable[[], str]) -> None:
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page.get_by_test_id("live").first).to_have_text("LIVE")
    mark = attack()
    started = time.monotonic()
    expect(page.get_by_role("row").filter(has_text=mark)).to_be_visible()
    taken = time.monotonic() - started
    print(f"event shown after {taken:.2f} s")
    assert taken < 2


def test_pause_holds_the_feed(page: Page, attack: Callable[[], str]) -> None:
    page.get_by_role("button", name="Pause").click()
    row = page.get_by_role("row").filter(has_text=attack())
    waiting = page.get_by_role("button", name="new")
    expect(waiting).to_be_visible()
    expect(row).to_have_count(0)
    waiting.click()
    expect(row).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_drawer_by_keyboard(page: Page, attack: Callable[[], str], screenshots: Path) -> None:
    mark = attack()
    row = page.get_by_role("row").filter(has_text=mark)
    row.get_by_role("button").focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text(mark)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    drawer.get_by_role("button", name="Copy as JSON").click()
    assert mark in page.evaluate("navigator.clipboard.readText()")
    for theme in ("light", "dark"):
        page.evaluate(SET_SCHEME, theme)
        assert axe(page) == []
        picture(page, screenshots / f"event-{theme}.png")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(row.get_by_role("button")).to_be_focused()


def test_search_and_filters(page: Page, attack: Callable[[], str], decky: str) -> None:
    mark = attack()
    expect(page.get_by_role("row").filter(has_text=mark)).to_be_visible()
    page.get_by_label("Search").fill(mark)
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("combobox", name="Service").fill("no-such-service")
    expect(page.get_by_text("No event fits")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("combobox", name="Decky").fill(decky)
    expect(page).to_have_url(f"{page.url.split('/events')[0]}/events?decky={decky}")
    second = attack()
    expect(page.get_by_role("row").filter(has_text=second)).to_be_visible()
    page.reload()
    expect(page.get_by_role("combobox", name="Decky")).to_have_value(decky)
    expect(page.get_by_role("row").filter(has_text=second)).to_be_visible()
    page.get_by_role("button", name="Clear").click()


def test_feed_resumes_where_it_broke_off(page: Page, watch: Watch, attack: Callable[[], str]) -> None:
    watch.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "ERR_FAILED")
    page.goto("/events")
    live = page.get_by_test_id("live").first
    expect(live).to_have_text("LIVE")
    mark = attack()
    expect(page.get_by_role("row").filter(has_text=mark)).to_be_visible()
    page.context.set_offline(True)
    expect(live).to_have_text("RECONNECTING")
    missed = attack()
    page.context.set_offline(False)
    expect(page.get_by_role("row").filter(has_text=missed)).to_be_visible()
    expect(live).to_have_text("LIVE")
    expect(page.get_by_role("row").filter(has_text=mark)).to_have_count(1)


def test_hostile_text_is_text(page: Page, attack: Callable[..., str]) -> None:
    page.goto("/events")
    expect(page.get_by_test_id("live").first).to_have_text("LIVE")
    path = attack(HOSTILE_PATH, user_agent=HOSTILE_AGENT)
    row = page.get_by_role("row").filter(has_text=path.split("<")[0]).first
    expect(row).to_contain_text(path)
    row.click()
    expect(page.get_by_role("dialog")).to_contain_text("<script>alert(2)</script>\\u{202E}gnp.exe")
    assert axe(page) == []
    page.keyboard.press("Escape")


def test_decky_is_in_the_table(page: Page, decky: str) -> None:
    page.get_by_role("link", name="Deckies", exact=True).click()
    row = page.get_by_test_id(f"decky-{decky}")
    expect(row).to_contain_text("Ready", timeout=30_000)
    page.get_by_label("Filter deckies").fill("nothing like it")
    expect(page.get_by_text("No decky fits the filter")).to_be_visible()
    page.get_by_label("Filter deckies").fill(decky)
    expect(row).to_be_visible()
    page.get_by_label("Filter deckies").fill("")
    page.get_by_role("button", name="IP").click()
    expect(page.get_by_role("columnheader", name="IP")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("name", list(PAGES))
def test_axe_finds_nothing(page: Page, screenshots: Path, name: str, theme: str) -> None:
    page.goto(PAGES[name])
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_label("Loading")).to_have_count(0)
    _theme(page, theme)
    if name == "events":
        expect(page.get_by_role("row").nth(1)).to_be_visible()
    assert axe(page) == []
    picture(page, screenshots / f"{name}-{theme.lower()}.png")


def test_no_page_needs_more_than_the_strictest_policy(page: Page) -> None:
    page.route(lambda url: "/api/" not in url and "." not in url.rsplit("/", 1)[-1], with_strictest_policy)
    for path in PAGES.values():
        answer = page.goto(path)
        assert answer is not None
        assert answer.headers["content-security-policy"] == STRICTEST
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto("/events")
    page.get_by_role("row").nth(1).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Service").click()
    page.keyboard.press("Escape")
    page.unroute_all()


def test_an_ended_session_leads_back(page: Page, watch: Watch, account: Account) -> None:
    watch.expected = ("401",)
    page.goto("/events?service=http")
    page.evaluate(
        "const s = JSON.parse(sessionStorage['decnet.session']);"
        "sessionStorage['decnet.session'] = JSON.stringify({...s, token: 'ended'})"
    )
    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    _log_in(page, account.username, account.new_password)
    expect(page).to_have_url(f"{page.url.split('/', 3)[0]}//{page.url.split('/', 3)[2]}/events?service=http")


def test_log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/events")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
