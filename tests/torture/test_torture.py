"""The harness itself, at the size that runs with every change, and proof that it can fail."""

from __future__ import annotations

import pytest

from torture.__main__ import main
from torture.database import SPOILING
from torture.schedule import KINDS, schedule

_FEW = ["--lines", "3000", "--faults", "0", "--containers", "6", "--pipes", "decnet"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_line_once_whatever_dies(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    pipes = "decnet,rsyslog-tls,rsyslog-relp" if seed == 1 else "decnet"
    with capfd.disabled():
        arguments = ["--lines", "100000", "--faults", "40", "--seed", str(seed), "--pipes", pipes]
        assert main(arguments) == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("spoil", sorted(SPOILING))
def test_the_comparison_notices(spoil: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*_FEW, "--spoil", spoil]) == 1
    found = {
        "drop": "MISSING: 1", "duplicate": "DUPLICATE: 1", "alter": "ALTERED: 1", "swap": "OUT OF ORDER: 1",
        "count": "MISSING: ",
    }  # fmt: skip
    assert found[spoil] in capsys.readouterr().out


def test_the_plan_follows_from_the_seed_alone() -> None:
    assert schedule(5, 100_000, 40) == schedule(5, 100_000, 40)
    assert schedule(5, 100_000, 40) != schedule(6, 100_000, 40)
    assert {fault.kind for fault in schedule(5, 100_000, 40)} == set(KINDS)
    places = [fault.at for fault in schedule(5, 100_000, 40)]
    assert places == sorted(places)
