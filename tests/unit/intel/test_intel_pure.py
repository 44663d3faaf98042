"""Decisions that need no database."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet_intel.main import main, make_parser, variable_names
from decnet_intel.repository.events import PageEnd, Position, escape_like
from decnet_intel.service import logs, passwords, tokens
from decnet_intel.service.days import day_for
from decnet_intel.service.mirror import decky_values, swarm_host_values
from decnet_intel.settings import ApiSettings, ListenerSettings, MigrateSettings, WorkerSettings

TODAY = dt.date(2026, 5, 4)


@pytest.mark.parametrize(
    ("written", "partitions", "day"),
    [
        ("2026-05-04", [], "2026-05-04"),
        ("2026-05-05", [], "2026-05-05"),
        ("2026-05-06", [], None),
        ("2026-05-06", ["2026-05-06"], "2026-05-06"),
        ("2026-04-27", [], "2026-04-27"),
        ("2026-04-26", [], None),
        ("2026-04-26", ["2026-04-26"], "2026-04-26"),
        ("1970-01-01", [], None),
    ],
)
def test_the_day_of_a_line(written: str, partitions: list[str], day: str | None) -> None:
    found = day_for(dt.date.fromisoformat(written), TODAY, set(map(dt.date.fromisoformat, partitions)), 7)
    assert found == (dt.date.fromisoformat(day) if day else None)


@given(st.dates(), st.integers(0, (1 << 63) - 1))
def test_cursors_come_back(day: dt.date, row: int) -> None:
    end = PageEnd(day, row)
    assert logs.decode_cursor(logs.encode_cursor(end)) == end


@given(st.text(max_size=40))
def test_odd_cursors_are_refused_and_nothing_else(text: str) -> None:
    for parse in (logs.decode_cursor, logs.parse_position):
        with contextlib.suppress(logs.BadCursorError):
            parse(text)


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1))
def test_positions_come_back(xid: int, row: int) -> None:
    assert logs.parse_position(logs.format_position(Position(xid, row))) == (xid, row)


def test_wildcards_are_text() -> None:
    assert escape_like(r"100%_\x") == r"100\%\_\\x"


@pytest.mark.parametrize("good", ["Correct-Horse-42-Battery", "зимняя-рыбалка-12", "x7 q9 !k2 pp z0"])
def test_good_passwords(good: str) -> None:
    assert passwords.weaknesses(good, "old", "admin") == []


def test_tokens() -> None:
    token = tokens.issue("s" * 32, 7, 3, dt.timedelta(minutes=1))
    claims = tokens.read("s" * 32, token)
    assert (claims.user_id, claims.version) == (7, 3)
    for secret, text in (("t" * 32, token), ("s" * 32, token[:-3]), ("s" * 32, "")):
        with pytest.raises(tokens.InvalidTokenError):
            tokens.read(secret, text)
    with pytest.raises(tokens.InvalidTokenError):
        tokens.read("s" * 32, tokens.issue("s" * 32, 7, 3, dt.timedelta(seconds=-1)))


def test_a_decky_is_mirrored_from_its_status() -> None:
    values = decky_values(
        {
            "metadata": {
                "namespace": "decnet", "name": "one", "uid": "u", "creationTimestamp": "2026-05-04T00:00:00Z",
            },
            "spec": {"archetype": "web-server", "os": "linux", "services": [{"name": "ssh"}]},
            "status": {
                "ip": "10.0.0.5", "mac": "00:15:5d:00:00:01", "node": "n1",
                "services": [
                    {"name": "http", "ready": True, "ports": [80, {"port": 53, "protocol": "UDP"}]}, "ssh",
                ],
                "conditions": [
                    {"type": "Stalled", "status": "False"},
                    {"type": "Ready", "status": "True", "reason": "Answering", "message": "ok"},
                ],
            },
        }
    )  # fmt: skip
    assert values["services"] == [
        {"name": "http", "ready": True, "ports": ["80/TCP", "53/UDP"]},
        {"name": "ssh", "ready": None, "ports": []},
    ]
    assert (values["ready"], values["reason"], values["ip"], values["archetype"]) == (
        True, "Answering", "10.0.0.5", "web-server",
    )  # fmt: skip
    assert values["created_at"] == dt.datetime(2026, 5, 4, tzinfo=dt.UTC)


def test_a_decky_without_status_is_mirrored_too() -> None:
    values = decky_values({"metadata": {"namespace": "decnet", "name": "one"}})
    assert (values["ready"], values["services"], values["ip"]) == (False, [], None)


@pytest.mark.parametrize(
    ("certificate", "pin"),
    [
        ({"sha256": "a" * 64, "notAfter": "2027-01-01T00:00:00Z"}, "a" * 64),
        ({"sha256": "A" * 64}, None),
        ({"sha256": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_only_a_fingerprint_is_a_pin(certificate: object, pin: str | None) -> None:
    values = swarm_host_values({"metadata": {"name": "n1"}, "status": {"certificate": certificate}})
    assert values["sha256"] == pin


@pytest.mark.parametrize("settings", [ApiSettings, ListenerSettings, MigrateSettings, WorkerSettings])
def test_every_setting_is_explained(settings: type[ApiSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert field.description, name
    assert all(name == "HOSTNAME" or name.startswith("DECNET_") for name in variable_names(settings).values())


def test_help_lists_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["listener", "--help"])
    text = capsys.readouterr().out
    assert "DECNET_LISTENER_TLS_CERT" in text
    assert "DECNET_DATABASE_URL" in text


def test_bad_settings_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DECNET_DATABASE_URL", raising=False)
    monkeypatch.setenv("DECNET_WORKER_TASKS", "juggling")
    assert main(["worker"]) == 2
    text = capsys.readouterr().err
    assert "DECNET_DATABASE_URL: Field required" in text
    assert "DECNET_WORKER_TASKS" in text
    assert "inventory, upkeep" in text


def test_no_file_is_long() -> None:
    folder = Path(passwords.__file__).resolve().parents[1]
    for file in folder.rglob("*.py"):
        assert len(file.read_text().splitlines()) < 300, file
