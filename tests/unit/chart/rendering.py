"""The chart as the real helm renders it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "decnet"
VALUE_FILES = (*sorted((CHART / "ci").glob("*-values.yaml")), CHART / "values-kind.yaml")
Object = dict[str, Any]


def helm() -> str:
    """The helm that cluster/tools.sh builds, or the host's."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    built = Path(os.environ.get("WORK", cache_home / "decnet")) / "bin" / "helm"
    found = str(built) if built.exists() else shutil.which("helm")
    assert found, "no helm: run cluster/tools.sh"
    return found


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm arguments`, whatever it answers."""
    return subprocess.run((helm(), *arguments), capture_output=True, text=True, check=False)


@cache
def render(*arguments: str, values: Path | None = None) -> tuple[Object, ...]:
    """Every object of the chart with these `--set` arguments or value file."""
    files = ("-f", str(values)) if values else ()
    sets = [word for argument in arguments for word in ("--set", argument)]
    done = run("template", "decnet", str(CHART), "-n", "decnet", *files, *sets)
    assert done.returncode == 0, done.stderr
    return tuple(item for item in yaml.safe_load_all(done.stdout) if item)


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The one object of this kind and name."""
    [found] = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def pod_specs(objects: tuple[Object, ...]) -> dict[str, Object]:
    """The pod spec of everything that makes pods, by the owner's name."""
    specs = {}
    for item in objects:
        if item["kind"] == "Pod":
            specs[item["metadata"]["name"]] = item["spec"]
        elif item["kind"] in {"Deployment", "DaemonSet", "StatefulSet", "Job"}:
            specs[item["metadata"]["name"]] = item["spec"]["template"]["spec"]
    return specs


def containers(spec: Object) -> list[Object]:
    """All containers of a pod, init containers too."""
    return [*spec.get("initContainers", []), *spec["containers"]]
