"""Which fault comes when: a pure function of the seed and the sizes of the run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

NODES = 2
LISTENERS = 2


class Fault(NamedTuple):
    """One fault: after `at` lines were written, of a kind of KINDS, with what that kind needs."""

    number: int
    at: int
    kind: str
    target: int
    detail: dict[str, Any]

    def __str__(self) -> str:
        rest = " ".join(f"{name}={value}" for name, value in self.detail.items())
        return f"#{self.number} at line {self.at}: {self.kind} {self.target} {rest}".rstrip()


Dice = random.Random


def _cut(dice: Dice) -> dict[str, Any]:
    """A connection breaks after so many bytes in one direction; few bytes break a handshake."""
    direction = dice.choice(("up", "down"))
    return {
        "direction": direction,
        "after": int(10 ** dice.uniform(0, 5.3 if direction == "up" else 3.5)),  # answers are short
        "broken_off": dice.random() < 0.5,  # the connection there is ends first, so that a new one is hit
    }


def _hole(dice: Dice) -> dict[str, Any]:
    return {**_cut(dice), "seconds": round(dice.uniform(0.2, 8), 1)}


def _pause(dice: Dice) -> dict[str, Any]:
    return {"seconds": round(dice.choice((dice.uniform(0.05, 1), dice.uniform(1, 6))), 2)}


def _full(dice: Dice) -> dict[str, Any]:
    return {"seconds": round(dice.uniform(1, 5), 1), "room": dice.choice((0, 0, 4096, 65536))}


def _step(dice: Dice) -> dict[str, Any]:
    """Seconds between the true clock and the machine's, from now on."""
    far = dice.choice((0, 1.5, 7, 90, 3700, 26 * 3600, 50 * 3600))
    return {"seconds": round(far * dice.choice((1, -1)), 1)}


def _corrupt(dice: Dice) -> dict[str, Any]:
    how = dice.choice(("truncated", "zeroes", "noise", "removed", "empty"))
    return {"how": how, "where": round(dice.random(), 3), "bytes": dice.choice((1, 100, 512, 4096))}


def _container(dice: Dice) -> dict[str, Any]:
    return {"container": dice.randrange(1 << 20), "times": dice.choice((1, 1, 2, 3))}


def _nothing(_: Dice) -> dict[str, Any]:
    return {}


KINDS: dict[str, tuple[int, Callable[[Dice], dict[str, Any]]]] = {
    "kill_forwarder": (NODES, _nothing),
    "kill_listener": (LISTENERS, _nothing),
    "kill_backend": (LISTENERS, _nothing),
    "kill_postgres": (1, _nothing),
    "pause_forwarder": (NODES, _pause),
    "pause_listener": (LISTENERS, _pause),
    "pause_backend": (LISTENERS, _pause),
    "reset_node": (NODES, _cut),
    "hole_node": (NODES, _hole),
    "vanish_node": (NODES, _cut),
    "reset_database": (LISTENERS, _cut),
    "hole_database": (LISTENERS, _hole),
    "vanish_database": (LISTENERS, _cut),
    "rotate": (NODES, _container),
    "truncate": (NODES, _container),
    "restart_container": (NODES, _container),
    "delete_open": (NODES, _container),
    "full_forwarder": (NODES, _full),
    "full_postgres": (1, _full),
    "step_node": (NODES, _step),
    "step_listener": (LISTENERS, _step),
    "read_only": (1, _pause),
    "swap": (1, _nothing),
    "corrupt_state": (NODES, _corrupt),
}
"""Kind: how many targets there are, and what else is to be decided."""

OF_POSTGRES = frozenset(
    {
        "kill_backend", "kill_postgres", "pause_backend", "reset_database", "hole_database",
        "vanish_database", "full_postgres", "read_only",
    }
)  # fmt: skip
"""Kinds that make no sense where there is no database."""

OF_ROOT = frozenset({"full_forwarder", "full_postgres", "vanish_node", "vanish_database"})
"""Kinds that need root: they mount a small disk, or end a connection without telling the peer."""


def schedule(seed: int, lines: int, faults: int, only: Sequence[str] = ()) -> list[Fault]:
    """`faults` faults while `lines` lines are written; every kind comes once before any comes again.

    With `only`, of these kinds.
    """
    dice = random.Random(f"faults {seed}")
    kinds: list[str] = []
    while len(kinds) < faults:
        some = list(only or KINDS)
        dice.shuffle(some)
        kinds += some
    places = sorted(dice.randint(lines // 50, lines - lines // 20) for _ in range(faults))
    plan = []
    for number, (at, kind) in enumerate(zip(places, kinds, strict=False), 1):
        targets, detail = KINDS[kind]
        plan.append(Fault(number, at, kind, dice.randrange(targets), detail(dice)))
    return plan
