"""What SETTINGS may be, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persona.failure import AddressConflictError, DisguiseFailedError
from persona.settings import parse_settings

GIVEN: dict[str, Any] = {
    "hostname": "web01",
    "address": "172.18.0.110",
    "prefix": 16,
    "gateway": "172.18.0.1",
    "mac": "00:15:5D:01:02:03",
    "interface": "eth0",
    "sysctls": {"net.ipv4.ip_default_ttl": "128"},
    "seed": "00",
    "egress": "deny",
}


def test_all_keys() -> None:
    settings = parse_settings(json.dumps(GIVEN))
    assert settings.mac == "00:15:5d:01:02:03"
    assert (settings.address, settings.prefix, settings.interface) == ("172.18.0.110", 16, "eth0")
    assert settings.sysctls == {"net.ipv4.ip_default_ttl": "128"}
    assert settings.egress == "deny"


def test_containment_is_on_when_nothing_is_said() -> None:
    without = {key: value for key, value in GIVEN.items() if key not in ("egress", "sysctls")}
    assert parse_settings(json.dumps(without)).egress == "deny"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hostname", ""), ("hostname", "a b"), ("hostname", None),
        ("address", "172.18.0"), ("address", "fe80::1"), ("address", 7), ("address", None),
        ("prefix", 0), ("prefix", 33), ("prefix", "16"), ("prefix", True),
        ("mac", "00:15:5d"), ("mac", None),
        ("interface", "a/b"), ("interface", "a" * 16), ("interface", ""),
        ("sysctls", []), ("sysctls", {"net.ipv4.ip_default_ttl": 64}), ("sysctls", {"../../etc/passwd": "x"}),
        ("egress", "on"), ("egress", False),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    with pytest.raises(DisguiseFailedError, match=f"SETTINGS {key}"):
        parse_settings(json.dumps({**GIVEN, key: value}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_no_settings_at_all(text: str) -> None:
    with pytest.raises(DisguiseFailedError, match="SETTINGS is not"):
        parse_settings(text)


def test_what_the_operator_reads() -> None:
    conflict = AddressConflictError("172.18.0.110", "02:00:00:00:00:01")
    assert (conflict.reason, conflict.exit_code) == ("AddressConflict", 3)
    assert str(conflict) == "02:00:00:00:00:01 answers for 172.18.0.110"
    failed = DisguiseFailedError("x")
    assert (failed.reason, failed.exit_code) == ("DisguiseFailed", 4)
