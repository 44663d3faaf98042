"""Persona keys: what the catalogue takes and refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from operator_lab import HERE, ROOT, catalogue
from pydantic import ValidationError

from decnet_events.registry import EVENTS
from decnet_operator.domain.catalogue import (
    CatalogueError,
    PersonaKey,
    ServiceDefinition,
    load_catalogue,
    load_definition,
)

WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "alpha",
        {"bannr": "x"},
        ["spec.services[alpha].persona.bannr", "unknown key", "banner, users, names, open"],
    ),
    ("alpha", {"banner": 3}, ["persona.banner", "must be a string", "What it says first"]),
    ("alpha", {"banner": "x" * 21}, ["matching ^[ -~]{0,20}$"]),
    ("alpha", {"banner": "two\nlines"}, ["persona.banner"]),
    ("alpha", {"banner": "ends\n"}, ["persona.banner"]),
    ("alpha", {"users": ["a"]}, ["a map of strings"]),
    ("alpha", {"users": {"a": 1}}, ["a map of strings"]),
    ("alpha", {"names": ["a", 1]}, ["a list of strings"]),
    ("alpha", {"open": "yes"}, ["true or false"]),
    ("alpha", {"banner": None}, ["a string"]),
    ("beta", {"mode": "plane"}, ["one of plain, fancy"]),
    ("beta", {"code": 99}, ["an integer from 100 to 599"]),
    ("beta", {"code": True}, ["an integer"]),
    ("beta", {"code": 200.0}, ["an integer"]),
]


@pytest.mark.parametrize(("slug", "persona", "words"), WRONG)
def test_wrong_values_are_told_with_key_and_remedy(
    slug: str, persona: dict[str, Any], words: list[str]
) -> None:
    [problem] = catalogue()[slug].problems(persona)
    assert not [word for word in words if word not in problem], problem


def test_right_values_pass_and_the_rest_is_filled() -> None:
    definition = catalogue()["beta"]
    assert not list(definition.problems({"mode": "fancy", "code": 404}))
    assert definition.filled({"code": 404}) == {"mode": "plain", "code": 404}


@pytest.mark.parametrize(
    "change",
    [
        {"default": 3},
        {"enum": ["a"], "default": "b"},
        {"type": "integer", "default": 1, "pattern": "^1$"},
        {"minimum": 1},
        {"pattern": "no anchors"},
        {"typo": 1},
    ],
)
def test_a_key_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PersonaKey.model_validate({"name": "a", "type": "string", "default": "", "help": "h", **change})


@pytest.mark.parametrize(
    "change",
    [
        {"security": {"runAsUser": 0}},
        {"security": {"allowPrivilegeEscalation": True}},
        {"slug": "persona"},
        {"persona": [{"name": "a", "type": "string", "default": "", "help": "h"}] * 2},
    ],
)
def test_a_service_needs_reasons_and_distinct_names(change: dict[str, Any]) -> None:
    base = {"slug": "x", "title": "x", "summary": "x", "readiness": {"exec": ["/bin/true"]}}
    ServiceDefinition.model_validate(base)
    with pytest.raises(ValidationError):
        ServiceDefinition.model_validate({**base, **change})


def test_the_folder_is_the_slug(tmp_path: Any) -> None:
    text = (HERE / "services" / "beta" / "service.yaml").read_text()
    path = tmp_path / "gamma" / "service.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(CatalogueError, match="not the name of its folder"):
        load_definition(path)
    with pytest.raises(CatalogueError, match="DECNET_CATALOGUE_DIR"):
        load_catalogue(tmp_path / "empty")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "images").glob("*/service.yaml")), ids=lambda path: path.parent.name
)
def test_the_services_of_this_release(path: Any) -> None:
    definition = load_definition(path)
    registered = set(EVENTS)
    assert set(definition.captures) <= registered, "an event that the registry does not know"
    assert (path.parent / "Dockerfile").exists()
    assert yaml.safe_load(path.read_text())["slug"] == definition.slug
