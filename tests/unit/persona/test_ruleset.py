"""The containment table as text: nft accepts it, and nothing but answers is accepted in it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from persona import ruleset

RULES = ruleset.compile_containment("10.77.0.10")


@pytest.mark.parametrize(
    "rules",
    [RULES, ruleset.QUIET, ruleset.AUDIBLE, ruleset.UNCONTAINED],
    ids=["deny", "quiet", "audible", "off"],
)
def test_nft_accepts_it(rules: str) -> None:
    if not shutil.which("nft"):
        pytest.fail("needs nft: cluster/tools.sh installs it")
    done = subprocess.run(
        ["unshare", "-rn", "nft", "-c", "-f", "-"], input=rules, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def chain(name: str) -> list[str]:
    found = re.search(rf"chain {name} \{{\n(.*?)\n\t\}}", RULES, re.DOTALL)
    assert found
    return [line.strip() for line in found[1].splitlines()]


def test_nothing_leaves_by_default() -> None:
    assert chain("output")[0].endswith("policy drop;")
    assert chain("forward") == ["type filter hook forward priority filter; policy drop;"]


def test_a_connection_is_refused_before_anything_is_accepted() -> None:
    rules = chain("output")
    refuse = rules.index("tcp flags & (syn | ack) == syn goto refuse")
    accepting = [at for at, rule in enumerate(rules) if rule.endswith("accept")]
    assert [rules[at] for at in accepting if at < refuse] == ['oifname "lo" accept']


def test_what_is_lost_cannot_leave_by_a_device() -> None:
    mark = chain("lose")[0].split()[3]
    assert f'meta mark {mark} oifname != "lo" drop' in chain("postrouting")
    assert f"meta mark {mark} drop" in chain("prerouting")


def test_every_set_is_bounded() -> None:
    sets = re.findall(r"set \w+ \{.*?\}", RULES, re.DOTALL)
    assert len(sets) == 4
    for text in sets:
        assert re.search(r"\bsize \d+", text)
        assert re.search(r"\btimeout \d+[ms]", text)
