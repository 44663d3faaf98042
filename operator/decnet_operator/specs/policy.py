"""The admission policy for what a schema cannot say: persona keys by service, archetypes that cannot be served.

`persona` is untyped in the Decky's schema because its keys depend on the service's name. CEL in an admission policy
sees untyped objects whole, so the API server itself refuses a wrong key with a sentence about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from decnet_operator.api import GROUP, VERSION
from decnet_operator.domain import data
from decnet_operator.domain.catalogue import Catalogue, PersonaKey, ServiceDefinition
from decnet_operator.domain.machine import not_served

NAME = "decnet-decky"


def policy_objects(catalogue: Catalogue) -> list[dict[str, Any]]:
    """The policy and its binding."""
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": [VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["deckies"],
                    }
                ]
            },
            # What is going away must be able to, also when it was made for another release.
            "matchConditions": [
                {"name": "stays", "expression": "!has(object.metadata.deletionTimestamp)"},
            ],
            "variables": _variables(catalogue),
            "validations": [*_personas(catalogue), *_archetypes(catalogue)],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return [policy, binding]


def _variables(catalogue: Catalogue) -> list[dict[str, str]]:
    services = "has(object.spec.services) ? object.spec.services : []"
    return [
        {"name": "services", "expression": services},
        *({"name": _variable(item), "expression": _problems(item)} for item in catalogue.values()),
    ]


def _variable(item: ServiceDefinition) -> str:
    return f"wrong_{item.slug}"


def _personas(catalogue: Catalogue) -> list[dict[str, str]]:
    return [
        {
            "expression": f"variables.{_variable(item)}.size() == 0",
            "messageExpression": f"variables.{_variable(item)}.join('; ')",
            "message": f"spec.services[{item.slug}].persona: unknown key or wrong value;"
            f" see decnet services {item.slug}",
        }
        for item in catalogue.values()
    ]


def _problems(item: ServiceDefinition) -> str:
    """A list of sentences, one for each wrong key."""
    where = f"spec.services[{item.slug}].persona."
    known = _text_list(key.name for key in item.persona)
    allowed = _text(f": unknown key; allowed keys: {', '.join(key.name for key in item.persona) or 'none'}")
    parts = [f"p.filter(k, !(k in {known})).map(k, {_text(where)} + k + {allowed})"]
    parts += [_key_problem(where, key) for key in item.persona]
    personas = (
        f"variables.services.filter(s, s.name == {_text(item.slug)} && has(s.persona)).map(s, s.persona)"
    )
    return f"{personas}.map(p, ({' + '.join(parts)}).join('; ')).filter(m, m != '')"


def _key_problem(where: str, key: PersonaKey) -> str:
    value = f"p[{_text(key.name)}]"
    sentence = _text(f"{where}{key.name}: {key.must()}")
    return f"({_text(key.name)} in p && !({_right(value, key)}) ? [{sentence}] : [])"


def _right(value: str, key: PersonaKey) -> str:
    if key.type == "list":
        return f"type({value}) == list && {value}.all(e, type(e) == string)"
    if key.type == "map":
        return f"type({value}) == map && {value}.all(e, type({value}[e]) == string)"
    checks = [f"type({value}) == {({'integer': 'int', 'boolean': 'bool'}).get(key.type, key.type)}"]
    if key.enum:
        checks.append(f"{value} in {_text_list(key.enum)}")
    if key.pattern:
        checks.append(f"{value}.matches({_text(key.pattern)})")
    if key.minimum is not None:
        checks.append(f"{value} >= {key.minimum}")
    if key.maximum is not None:
        checks.append(f"{value} <= {key.maximum}")
    return " && ".join(checks)


def _archetypes(catalogue: Catalogue) -> list[dict[str, str]]:
    sentences = {
        item.slug: not_served(item, missing, catalogue)
        for item in data.archetypes().values()
        if (missing := catalogue.missing(item.services))
    }
    if not sentences:
        return []
    table = "{" + ", ".join(f"{_text(slug)}: {_text(sentence)}" for slug, sentence in sentences.items()) + "}"
    return [
        {
            "expression": "!has(object.spec.archetype) || variables.services.size() > 0"
            f" || !(object.spec.archetype in {_text_list(sentences)})",
            "messageExpression": f"{table}[object.spec.archetype]",
            "message": "spec.archetype: this release does not have all of its services; name spec.services yourself",
        }
    ]


def _text_list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(_text(text) for text in texts) + "]"


def _text(text: str) -> str:
    """A CEL string literal. JSON's escapes are CEL's too."""
    inner = re.sub(r"'", r"\\'", json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"'))
    return f"'{inner}'"
