"""CustomResourceDefinitions from the API models: structural schemas that read like a manual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from decnet_operator.api import GROUP, VERSION
from decnet_operator.api.decky import ROOT_RULES, SPEC_RULES, Decky
from decnet_operator.api.swarmhost import SwarmHost
from decnet_operator.domain import data
from decnet_operator.domain.catalogue import Catalogue

Schema = dict[str, Any]

_DROPPED = {"title", "x-decnet-enum", "x-decnet-persona", "$defs"}


def definitions(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Decky and SwarmHost."""
    return [_decky(catalogue), _swarm_host(catalogue)]


def _decky(catalogue: Catalogue) -> dict[str, Any]:
    schema = _root(Decky, catalogue)
    schema["required"] = ["spec"]
    schema["x-kubernetes-validations"] = ROOT_RULES
    schema["properties"]["spec"]["x-kubernetes-validations"] = SPEC_RULES
    columns = [
        _column(
            "Ready", _condition("Ready", "status"), "Whether every service answers, disguised and contained."
        ),
        _column("IP", ".status.ip", "Address on the LAN."),
        _column("OS", ".status.os", "Operating system family that it claims."),
        _column("Services", ".status.serviceNames", "Its services."),
        _column("Host", ".status.node", "SwarmHost that carries it."),
        _column("Age", ".metadata.creationTimestamp", "Time since it was made.", kind="date"),
        _column("MAC", ".status.mac", "MAC address on the LAN.", priority=1),
        _column("Hostname", ".status.hostname", "Host name.", priority=1),
        _column("Distro", ".status.distro", "Linux distribution that it claims.", priority=1),
        _column("Archetype", ".status.archetype", "Kind of machine.", priority=1),
        _column("Reason", _condition("Ready", "reason"), "Why it is as READY says.", priority=1),
    ]
    return _definition("Decky", "deckies", "decky", ["dk"], "Namespaced", schema, columns)


def _swarm_host(catalogue: Catalogue) -> dict[str, Any]:
    columns = [
        _column("Ready", _condition("Ready", "status"), "Whether it is heard from and its LAN is known."),
        _column("Address", ".status.lan.address", "The node's own address on the LAN."),
        _column("Interface", ".status.lan.interface", "Interface that is on the LAN."),
        _column("Range", ".status.lan.range", "Addresses that deckies get."),
        _column("Deckies", ".status.deckies", "How many it carries.", kind="integer"),
        _column("Age", ".metadata.creationTimestamp", "Time since it was enrolled.", kind="date"),
        _column("Subnet", ".status.lan.subnet", "The LAN.", priority=1),
        _column("Gateway", ".status.lan.gateway", "Default route of the deckies.", priority=1),
        _column(
            "Filter", ".status.agent.filter", "State of the packet filter on the LAN interface.", priority=1
        ),
        _column("Agent", ".status.agent.version", "Version of the node agent.", priority=1),
        _column("Certificate-Ends", ".status.certificate.notAfter", "When its certificate ends.", priority=1),
        _column("Reason", _condition("Ready", "reason"), "Why it is as READY says.", priority=1),
    ]
    schema = _root(SwarmHost, catalogue)
    return _definition("SwarmHost", "swarmhosts", "swarmhost", ["sh"], "Cluster", schema, columns)


def _definition(
    kind: str,
    plural: str,
    singular: str,
    short: list[str],
    scope: str,
    schema: Schema,
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": singular,
        "shortNames": short,
        "categories": ["decnet"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(
    name: str, path: str, description: str, *, kind: str = "string", priority: int = 0
) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "description": description, "jsonPath": path}
    return {**column, "priority": priority} if priority else column


def _root(model: type[BaseModel], catalogue: Catalogue) -> Schema:
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(raw, raw.get("$defs", {}), catalogue)
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
        "kind": {"type": "string", "description": model.__name__},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    schema["properties"]["status"].pop("default", None)
    return schema


def _structural(raw: Mapping[str, Any], defs: Mapping[str, Schema], catalogue: Catalogue) -> Schema:
    """JSON schema as pydantic writes it to the subset that Kubernetes takes: no references, unions or titles."""
    node = dict(raw)
    if "$ref" in node:
        target = defs[node.pop("$ref").rsplit("/", 1)[-1]]
        node = {**target, **node}
    if "anyOf" in node:
        node = _without_union(node)
        if "$ref" in node:
            return _structural(node, defs, catalogue)
    node.update(_enumerated(node, catalogue))
    if node.get("x-decnet-persona"):
        node.pop("additionalProperties", None)
        node["description"] = f"{node['description']} {_persona_keys(catalogue)}"
    if "properties" in node:
        node["properties"] = {
            name: _structural(it, defs, catalogue) for name, it in node["properties"].items()
        }
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            node[inner] = _structural(node[inner], defs, catalogue)
    if "description" in node:
        node["description"] = " ".join(str(node["description"]).split())
    node = _with_plain_default(node)
    return {key: value for key, value in node.items() if key not in _DROPPED}


def _with_plain_default(node: Schema) -> Schema:
    """Defaults without what is not set: kubectl drops nulls before it sends; helm does not, and the server refuses."""
    default = node.pop("default", None)
    if isinstance(default, dict):
        default = {key: value for key, value in default.items() if value is not None} or (
            {} if default else None
        )
    return node if default in (None, []) else {**node, "default": default}


def _without_union(node: Schema) -> Schema:
    options = [it for it in node.pop("anyOf") if it.get("type") != "null"]
    kinds = {it.get("type") for it in options}
    if kinds == {"string", "integer"}:
        return {**node, "x-kubernetes-int-or-string": True}
    [option] = options
    return {**option, **node}


def _enumerated(node: Schema, catalogue: Catalogue) -> Schema:
    tables: dict[str, Mapping[str, Any]] = {
        "services": catalogue,
        "archetypes": data.archetypes(),
        "families": data.families(),
        "distros": data.distros(),
    }
    table = node.get("x-decnet-enum")
    if not table:
        return {}
    # kubectl explain shows four values of an enum only; the description has them all.
    values = list(tables[table])
    return {"enum": values, "description": f"{node['description']} One of {', '.join(values)}."}


def _persona_keys(catalogue: Catalogue) -> str:
    """What may be said of each service, for `kubectl explain`."""
    return " ".join(
        f"{item.slug}: "
        + "; ".join(f"{key.name} ({key.expectation()}): {key.help.rstrip('.')}" for key in item.persona)
        + "."
        for item in catalogue.values()
    )
