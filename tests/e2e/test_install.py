"""The chart on a live cluster: lint, server-side validation, its own test, upgrade."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cluster import PRODUCT_NAMESPACE, ROOT, get, kubectl, run

CHART = ROOT / "charts" / "decnet"
VALUE_FILES = sorted((CHART / "ci").glob("*-values.yaml"))


def test_there_are_three_value_files() -> None:
    assert len(VALUE_FILES) >= 3


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_values_are_accepted_by_the_api_server(values: Path) -> None:
    run("helm", "lint", "--strict", str(CHART), "-f", str(values))
    rendered = run(
        "helm", "template", "decnet", str(CHART), "-n", PRODUCT_NAMESPACE, "-f", str(values), "--no-hooks"
    )
    kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=_installable(rendered))


def test_helm_test_attacks_and_finds_the_event() -> None:
    out = run("helm", "test", "decnet", "-n", PRODUCT_NAMESPACE, "--timeout", "4m", timeout=300)
    assert "Succeeded" in out


def test_upgrade_keeps_the_secrets() -> None:
    names = ("decnet-admin", "decnet-intel", "decnet-postgres", "decnet-ca", "decnet-listener-tls")
    before = {name: get("secret", name, "-n", PRODUCT_NAMESPACE)["data"] for name in names}
    run(
        "helm", "upgrade", "decnet", str(CHART), "-n", PRODUCT_NAMESPACE, "--reuse-values", "--wait",
        "--timeout", "3m", timeout=240,
    )  # fmt: skip
    assert {name: get("secret", name, "-n", PRODUCT_NAMESPACE)["data"] for name in names} == before


def _installable(rendered: str) -> str:
    """`rendered` without kinds whose CRDs this cluster does not have."""
    foreign = ("monitoring.coreos.com",)
    return "\n---\n".join(
        document for document in rendered.split("\n---\n") if not any(group in document for group in foreign)
    )
