"""From a spec to the machine that is meant; archetypes, distributions, families."""

from __future__ import annotations

import re
from typing import Any

import pytest
from operator_lab import machine

from decnet_operator.domain import data
from decnet_operator.domain.problem import ProblemError
from decnet_operator.domain.seed import decky_seed
from decnet_operator.domain.selector import Selector, SelectorError


def test_the_tables_are_whole() -> None:
    assert len(data.archetypes()) == 15
    assert len(data.distros()) == 9
    assert list(data.families()) == ["linux", "windows", "bsd", "embedded", "cisco"]
    for item in data.archetypes().values():
        assert item.distro is None or (item.distro in data.distros() and item.os == "linux")
        assert set(item.vendors) <= set(data.vendors())
    for family in data.families().values():
        assert set(family.vendors) <= set(data.vendors())
    for vendor in data.vendors().values():
        for prefix in vendor.prefixes:
            assert re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){2}", prefix)
            assert int(prefix[:2], 16) & 3 == 0, "unicast and registered"


@pytest.mark.parametrize("slug", data.archetypes())
def test_host_names_are_legal(slug: str) -> None:
    for pattern in data.archetypes()[slug].hostnames:
        text = pattern.replace("{nn}", "07").replace("{n}", "7").replace("{hex}", "0a1b2c")
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text)


def test_defaults() -> None:
    made = machine()
    assert (made.family.slug, made.distro and made.distro.slug, made.archetype) == ("linux", "debian", None)
    assert made.service_names == ("alpha",)
    assert made.services[0].persona == {"banner": "", "users": {}, "names": [], "open": False}


def test_services_replace_those_of_the_archetype_and_os_goes_before_it() -> None:
    made = machine(archetype="windows-server", services=[{"name": "beta"}])
    assert (made.family.slug, made.distro, made.service_names) == ("windows", None, ("beta",))
    assert made.vendors == ("hyperv", "vmware")
    assert machine(archetype="deaddeck", os="bsd", services=[{"name": "beta"}]).family.slug == "bsd"


def test_custom_services_alone_are_enough() -> None:
    made = machine(customServices=[{"name": "own", "image": "x:1", "ports": [{"port": 9100}]}])
    assert made.service_names == ("own",)


@pytest.mark.parametrize(
    ("spec", "reason", "word"),
    [
        ({"archetype": "printer"}, "ArchetypeNotServed", "needs snmp, ftp"),
        ({"services": [{"name": "gopher"}]}, "UnknownService", "choose of alpha, beta"),
        (
            {"services": [{"name": "beta", "persona": {"cod": 1}}]},
            "InvalidPersona",
            "allowed keys: mode, code",
        ),
        ({"archetype": "toaster"}, "InvalidSpec", "spec.archetype"),
        ({"services": [{"name": "beta"}], "os": "beos"}, "InvalidSpec", "spec.os"),
        ({"services": [{"name": "beta"}], "distro": "suse"}, "InvalidSpec", "spec.distro"),
        (
            {"services": [{"name": "beta"}], "os": "cisco", "distro": "debian"},
            "InvalidSpec",
            "spec.os to linux",
        ),
    ],
)
def test_what_passed_by_the_api_server_is_still_refused(spec: dict[str, Any], reason: str, word: str) -> None:
    with pytest.raises(ProblemError, match=word) as caught:
        machine(**spec)
    assert caught.value.problem.reason == reason


def test_seeds() -> None:
    one = decky_seed(b"secret", "ns", "name", "uid")
    assert re.fullmatch("[0-9a-f]{64}", one)
    assert one == decky_seed(b"secret", "ns", "name", "uid")
    others = [("x", "name", "uid"), ("ns", "x", "uid"), ("ns", "name", "x")]
    assert (
        len({one, decky_seed(b"x", "ns", "name", "uid"), *(decky_seed(b"secret", *it) for it in others)}) == 5
    )


@pytest.mark.parametrize(
    ("text", "labels", "holds"),
    [
        ("!node-role.kubernetes.io/control-plane", {}, True),
        ("!node-role.kubernetes.io/control-plane", {"node-role.kubernetes.io/control-plane": ""}, False),
        ("a=b", {"a": "b"}, True),
        ("a==b, c", {"a": "b"}, False),
        ("a=b,c", {"a": "b", "c": ""}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a=", {"a": ""}, True),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b,c),d", {"a": "c"}, False),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "b"}, False),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], holds: bool) -> None:
    assert Selector(text).matches(labels) is holds


@pytest.mark.parametrize("text", ["a b", "=x", "a in b", ",", "a=b c"])
def test_what_is_no_label_selector(text: str) -> None:
    with pytest.raises(SelectorError):
        Selector(text)
