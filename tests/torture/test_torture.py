"""The harness itself, at the size that runs with every change, and proof that it can fail."""

from __future__ import annotations

import pytest

from torture.__main__ import main
from torture.database import SPOILING
from torture.schedule import KINDS, schedule

_FEW = ["--lines", "3000", "--faults", "0", "--containers", "6", "--pipes", "decnet"]


_MANY = ["--lines", "100000", "--faults", "40"]


@pytest.mark.timeout(900)
def test_every_line_once_whatever_dies(capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        assert main([*_MANY, "--seed", "4"]) == 0


@pytest.mark.timeout(900)
def test_every_count_is_right_while_state_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    kinds = ",".join(kind for kind in KINDS if kind != "corrupt_state")
    with capfd.disabled():
        assert main([*_MANY, "--seed", "4", "--kinds", kinds, "--pipes", "decnet"]) == 0


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
