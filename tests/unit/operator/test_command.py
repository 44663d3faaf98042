"""The console commands `decnet` and `decnet-operator`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from operator_lab import HERE

from decnet_cli.main import main
from decnet_operator.main import main as operator_main


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNET_CATALOGUE_DIR", str(HERE / "services"))
    monkeypatch.setenv("COLUMNS", "120")


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["services"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "PORTS", "PERSONA", "KEYS", "WHAT", "IT", "IS"]
    assert lines[2].startswith("beta    80/TCP,8080/TCP   mode,code")
    assert main(["services", "beta"]) == 0
    assert "one of plain, fancy" in capsys.readouterr().out
    assert main(["archetypes"]) == 0
    out = capsys.readouterr().out
    assert "no: lacks smb,rdp" in out
    assert max(map(len, out.splitlines())) <= 120
    assert main(["distros", "debian"]) == 0
    assert "PRETTY_NAME=Debian GNU/Linux 12" in capsys.readouterr().out


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["services", "-o", "json"]) == 0
    assert [it["slug"] for it in json.loads(capsys.readouterr().out)] == ["alpha", "beta"]
    assert main(["archetypes", "printer", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["missingServices"] == ["snmp", "ftp"]
    assert main(["distros", "-o", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 9


def test_what_is_unknown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["services", "gopher"]) == 1
    assert capsys.readouterr().err == "decnet: no service gopher; there are alpha, beta\n"
    assert main(["deckies", "--kubeconfig", str(tmp_path / "none")]) == 1
    assert "kubeconfig" in capsys.readouterr().err


def test_definitions_are_written(tmp_path: Path) -> None:
    assert operator_main(["crds", "--out", str(tmp_path / "crds")]) == 0
    names = sorted(path.name for path in (tmp_path / "crds").iterdir())
    assert names == ["deckies.yaml", "decky-policy.yaml", "swarmhosts.yaml"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("IMAGES", "/nonexistent"), ("WORKERS", "none"), ("NODE_SELECTOR", "a b")],
)
def test_wrong_settings_are_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    images = tmp_path / "images.yaml"
    images.write_text("persona: x\n")
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("DECNET_OPERATOR_IMAGES", str(images))
    monkeypatch.setenv("DECNET_OPERATOR_KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("DECNET_OPERATOR_HTTP_PORT", "0")
    monkeypatch.setenv(f"DECNET_OPERATOR_{name}", value)
    assert operator_main(["run"]) == 2
    assert "DECNET_OPERATOR_" in capsys.readouterr().err


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        operator_main(["--help"])
    out = capsys.readouterr().out
    assert "DECNET_OPERATOR_NODE_SELECTOR" in out
    assert "DECNET_CATALOGUE_DIR" in out
