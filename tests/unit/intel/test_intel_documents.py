"""What is generated is what is committed."""

from __future__ import annotations

import json
from pathlib import Path

from decnet_events.docs import render
from decnet_intel.api.app import make_routes

ROOT = Path(__file__).resolve().parents[3]


def test_events_page_is_current() -> None:
    assert (ROOT / "docs/events.md").read_text() == render(), (
        "run: python -m decnet_events.docs > docs/events.md"
    )


def test_openapi_document_is_current() -> None:
    committed = json.loads((ROOT / "dashboard/openapi.json").read_text())
    assert committed == make_routes().openapi(), "run: decnet-intel openapi > dashboard/openapi.json"


def test_every_answer_of_the_api_is_described() -> None:
    for path, methods in make_routes().openapi()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            if path.startswith("/api/") and not path.endswith("/login"):
                assert "401" in operation["responses"], f"{method} {path}"
