"""Who gets in."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator

import jwt
import pytest
from api_lab import CHOSEN, FIRST, Api, bearer, serving
from intel_lab import execute, rows


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with serving(postgres_url) as api:
        yield api


async def test_the_first_login_must_change_the_password(api: Api) -> None:
    answer = (await api.login()).json()
    assert answer["must_change_password"] is True
    assert answer["token_type"] == "bearer"
    first = bearer(answer["access_token"])
    for path in ("logs", "stats", "deckies", "stream"):
        refused = await api.client.get(f"/api/v1/{path}", headers=first)
        assert refused.status_code == 403, path
        assert "change-password" in refused.json()["detail"]
    me = await api.client.get("/api/v1/auth/me", headers=first)
    assert me.json() == {"username": "admin", "role": "admin", "must_change_password": True}
    changed = await api.client.post(
        "/api/v1/auth/change-password",
        json={"old_password": FIRST, "new_password": CHOSEN},
        headers=first,
    )
    assert changed.status_code == 200
    assert (await api.client.get("/api/v1/auth/me", headers=first)).status_code == 401
    assert (await api.login()).status_code == 401
    second = await api.login(CHOSEN)
    assert second.json()["must_change_password"] is False
    for token in (second.json()["access_token"], changed.json()["access_token"]):
        assert (await api.client.get("/api/v1/logs", headers=bearer(token))).status_code == 200


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("short1!", "at least 12"),
        ("aaaaaaaaaaaaaa", "different characters"),
        (FIRST, "differs from the old"),
        ("my-ADMIN-account-7", "user name"),
        ("password123456", "common words"),
    ],
)
async def test_weak_passwords_are_refused_with_a_reason_and_never_repeated(
    api: Api, new: str, says: str
) -> None:
    token = (await api.login()).json()["access_token"]
    answer = await api.client.post(
        "/api/v1/auth/change-password",
        json={"old_password": FIRST, "new_password": new},
        headers=bearer(token),
    )
    assert answer.status_code == 422
    problems = answer.json()["detail"]
    assert any(says in problem["msg"] for problem in problems)
    assert {tuple(problem["loc"]) for problem in problems} == {("body", "new_password")}
    assert new not in answer.text.replace("user name", "")
    assert (await api.login()).status_code == 200


async def test_a_wrong_old_password_is_a_counted_try(api: Api) -> None:
    token = (await api.login()).json()["access_token"]
    body = {"old_password": "wrong", "new_password": CHOSEN}
    codes = [
        (await api.client.post("/api/v1/auth/change-password", json=body, headers=bearer(token))).status_code
        for _ in range(11)
    ]
    assert codes == [422] * 10 + [429]


async def test_ten_failures_then_429_also_for_the_right_password(api: Api, postgres_url: str) -> None:
    await api.login()  # a success does not count
    answers = [(await api.login(f"guess {n}")).status_code for n in range(10)]
    assert answers == [401] * 10
    late = await api.login()
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 300
    assert "try again in" in late.json()["detail"]
    execute(postgres_url, "update login_tries set tried_at = tried_at - interval '301 seconds'")
    assert (await api.login()).status_code == 200
    assert rows(postgres_url, "select count(*)::int as n from login_tries") == [{"n": 0}]


async def test_a_burst_cannot_get_round_the_limit(api: Api) -> None:
    answers = await asyncio.gather(*(api.login(f"guess {n}") for n in range(25)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [401] * 10 + [429] * 15


async def test_clients_are_told_apart_only_behind_a_trusted_proxy(postgres_url: str) -> None:
    async with serving(postgres_url, trusted_proxies="127.0.0.0/8, 10.0.0.0/8") as api:

        async def guess(forwarded: str) -> int:
            body = {"username": "admin", "password": "wrong"}
            headers = {"X-Forwarded-For": forwarded}
            return (await api.client.post("/api/v1/auth/login", json=body, headers=headers)).status_code

        for _ in range(10):
            assert await guess("203.0.113.7, 10.0.0.1") == 401
        assert await guess("203.0.113.7") == 429
        assert await guess("1.2.3.4, 203.0.113.7, 10.9.9.9") == 429  # what a client puts in front is ignored
        assert await guess("203.0.113.8") == 401
        assert {await guess(f"2001:db8::{n}") for n in range(10)} == {401}
        assert await guess("2001:db8::ffff") == 429
    async with serving(postgres_url) as api:
        codes = {
            (
                await api.client.post(
                    "/api/v1/auth/login",
                    json={"username": "admin", "password": "wrong"},
                    headers={"X-Forwarded-For": f"198.51.100.{n}"},
                )
            ).status_code
            for n in range(11)
        }
        assert codes == {401, 429}


async def test_an_unknown_user_takes_as_long_and_says_the_same(postgres_url: str) -> None:
    async with serving(postgres_url, login_tries=1000) as api:

        async def measure(username: str) -> tuple[float, str]:
            times = []
            for _ in range(5):
                started = time.perf_counter()
                answer = await api.login("wrong", username)
                times.append(time.perf_counter() - started)
                assert answer.status_code == 401
            return statistics.median(times), answer.text

        await measure("admin")
        known, unknown = await measure("admin"), await measure("nobody")
    assert known[1] == unknown[1]
    assert 0.5 < known[0] / unknown[0] < 2


async def test_no_token_no_answer(api: Api) -> None:
    def token(key: str = "x" * 40, algorithm: str = "HS256", **changes: object) -> dict[str, str]:
        claims = {"iss": "decnet", "sub": "1", "ver": 0, "iat": 0, "exp": 1 << 33, **changes}
        return bearer(jwt.encode(claims, key, algorithm))

    assert (await api.client.get("/api/v1/auth/me", headers=token())).status_code == 200
    tokens = (
        {}, {"Authorization": "Basic eDp5"}, bearer("x.y"), token("y" * 40), token("", "none"), token(exp=1),
        token(sub="x"), token(sub="999"), token(ver=1), token(iss="other"),
    )  # fmt: skip
    for path in ("logs", "stats", "deckies", "stream", "auth/me"):
        for headers in tokens:
            answer = await api.client.get(f"/api/v1/{path}", headers=headers)
            assert answer.status_code == 401, (path, headers)
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_odd_logins_are_422(api: Api) -> None:
    bodies = (
        b"",
        b"[]",
        b'{"username": "admin"}',
        b'{"username": "a\\u0000b", "password": "x"}',
        b'{"username": "a\\ud800b", "password": "x"}',
        b'{"username": "admin", "password": 5}',
        b'{"username": "admin", "password": "x", "extra": 1}',
        b'{"username": "' + b"a" * 300 + b'", "password": "x"}',
        b"\xff\xfe",
    )
    for body in bodies:
        answer = await api.client.post(
            "/api/v1/auth/login", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, body
        assert all(set(problem) == {"loc", "msg", "type"} for problem in answer.json()["detail"])


async def test_odd_passwords_are_just_wrong(api: Api) -> None:
    for password in (b"\\u0000", b"\\ud800", "ünï".encode()):
        body = b'{"username": "admin", "password": "%b"}' % password
        answer = await api.client.post(
            "/api/v1/auth/login", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (401, 422), answer.text


async def test_the_seeded_password_follows_its_secret_until_it_is_changed(postgres_url: str) -> None:
    async with serving(postgres_url) as api:
        assert (await api.login()).status_code == 200
    async with serving(postgres_url) as api:
        api.settings.admin_password = None
    execute(postgres_url, "update users set password_hash = 'not a hash'")
    async with serving(postgres_url) as api:
        for _ in range(50):
            if (await api.login()).status_code == 200:
                break
            execute(postgres_url, "delete from login_tries")
            await asyncio.sleep(0.1)
        await api.enter()
    async with serving(postgres_url) as api:
        await asyncio.sleep(0.3)
        assert (await api.login(CHOSEN)).status_code == 200
