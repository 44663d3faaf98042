"""crds/ is what the models make, and structural enough for the API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_lab import ROOT, catalogue

from decnet_operator.domain.catalogue import load_catalogue
from decnet_operator.generate import definition_files, services_page
from decnet_operator.specs.definitions import definitions
from decnet_operator.specs.policy import policy_objects

FILES = definition_files(load_catalogue(ROOT / "images"))
SCHEMAS = {
    it["spec"]["names"]["kind"]: it["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for it in definitions(catalogue())
}


@pytest.mark.parametrize("name", FILES)
def test_no_drift(name: str) -> None:
    assert (ROOT / "crds" / name).read_text("utf-8") == FILES[name], "run make generate"


def test_nothing_else_is_in_the_folder() -> None:
    assert {path.name for path in Path(ROOT, "crds").iterdir()} == set(FILES)


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{path}[]")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_is_typed_and_described(kind: str) -> None:
    for path, node in walk(SCHEMAS[kind]):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert not {"$ref", "anyOf", "title", "$defs"} & set(node), path
        field = path.rsplit(".", 1)[-1]
        if path and not path.endswith("[]") and path != ".metadata":
            assert len(node.get("description", "")) > 3, f"{path} ({field}) has no description"


def test_enums_come_from_the_catalogue_and_the_tables() -> None:
    spec = SCHEMAS["Decky"]["properties"]["spec"]["properties"]
    assert spec["services"]["items"]["properties"]["name"]["enum"] == ["alpha", "beta"]
    assert len(spec["archetype"]["enum"]) == 15
    assert "cisco" in spec["os"]["description"]
    persona = spec["services"]["items"]["properties"]["persona"]
    assert persona["x-kubernetes-preserve-unknown-fields"] is True
    assert "one of plain, fancy" in persona["description"]


def test_columns() -> None:
    columns = {
        it["spec"]["names"]["kind"]: it["spec"]["versions"][0]["additionalPrinterColumns"]
        for it in definitions(catalogue())
    }
    plain = [it["name"] for it in columns["Decky"] if not it.get("priority")]
    assert plain == ["Ready", "IP", "OS", "Services", "Host", "Age"]


def test_the_policy_knows_every_key_and_every_archetype_that_lacks_services() -> None:
    policy, binding = policy_objects(catalogue())
    text = yaml.safe_dump(policy)
    for item in catalogue().values():
        for key in item.persona:
            assert f"spec.services[{item.slug}].persona.{key.name}" in text.replace("\n", " ").replace(
                "  ", ""
            )
    assert "windows-server needs smb, rdp, ldap" in " ".join(text.split())
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]


def test_quotes_in_messages_are_escaped() -> None:
    expressions = [
        it["expression"] for it in policy_objects(load_catalogue(ROOT / "images"))[0]["spec"]["variables"]
    ]
    for expression in expressions:
        assert expression.replace("\\'", "").count("'") % 2 == 0


def test_the_services_page_names_every_key() -> None:
    page = services_page(catalogue())
    for item in catalogue().values():
        assert f"## {item.slug}" in page
        assert all(f"| `{key.name}` |" in page for key in item.persona)
