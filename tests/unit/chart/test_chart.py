"""What the chart renders: who may do what, which images, which secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import CHART, ROOT, VALUE_FILES, Object, containers, named, pod_specs, render, run

EXCEPTIONS = {"decnet-node-agent", "decnet-helm-test"}
"""Pods that the restricted Pod Security Standard would refuse; docs/security.md says why."""


@pytest.fixture(params=VALUE_FILES, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    values: Path = request.param
    return render(values=values)


@pytest.fixture(params=VALUE_FILES[:3], ids=lambda path: path.stem)
def production(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    """As `objects`, without the kind cluster's values, which keep the database on a node's disk."""
    values: Path = request.param
    return render(values=values)


def test_there_are_three_value_files() -> None:
    assert len(list((CHART / "ci").glob("*-values.yaml"))) == 3


@pytest.mark.parametrize("values", VALUE_FILES, ids=lambda path: path.stem)
def test_lint_finds_nothing(values: Path) -> None:
    done = run("lint", "--strict", str(CHART), "-f", str(values))
    assert done.returncode == 0, done.stdout


def test_no_object_is_there_twice(objects: tuple[Object, ...]) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))


def test_every_pod_but_the_named_ones_is_restricted(production: tuple[Object, ...]) -> None:
    for name, spec in pod_specs(production).items():
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        if name in EXCEPTIONS:
            continue
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert not [volume for volume in spec.get("volumes", []) if "hostPath" in volume], name


def test_no_container_has_more_than_it_needs(production: tuple[Object, ...]) -> None:
    added: dict[str, list[str]] = {}
    for spec in pod_specs(production).values():
        for container in containers(spec):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, container["name"]
            assert context["readOnlyRootFilesystem"] is True, container["name"]
            assert context["capabilities"]["drop"] == ["ALL"], container["name"]
            if "add" in context["capabilities"]:
                added[container["name"]] = context["capabilities"]["add"]
    assert added == {"agent": ["NET_ADMIN"], "collector": ["DAC_OVERRIDE"]}


def test_tokens_go_only_to_those_who_ask_the_api_server(objects: tuple[Object, ...]) -> None:
    specs = pod_specs(objects)
    with_token = {name for name, spec in specs.items() if spec["automountServiceAccountToken"]}
    assert with_token == {"decnet-operator", "decnet-worker", "decnet-cleanup", "decnet-helm-test"}
    containers = specs["decnet-node-agent"]["containers"]
    mounts = {it["name"]: [mount["name"] for mount in it["volumeMounts"]] for it in containers}
    assert [name for name in ("agent", "forwarder", "collector") if "token" in mounts[name]] == ["agent"]


def test_no_role_has_a_wildcard_or_reads_all_secrets(objects: tuple[Object, ...]) -> None:
    for item in objects:
        if item["kind"] not in {"ClusterRole", "Role"}:
            continue
        for rule in item["rules"]:
            assert "*" not in rule["resources"] + rule["verbs"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert item["kind"] == "Role"
                assert rule.get("resourceNames") or rule["verbs"] == ["create"]


def test_no_image_is_latest_or_of_a_host_unless_asked() -> None:
    for spec in pod_specs(render()).values():
        for container in containers(spec):
            name, _, tag = container["image"].rpartition(":")
            assert tag not in {"", "latest"}
            assert "." not in name.split("/")[0]


def test_the_registry_goes_in_front_of_every_image() -> None:
    objects = render("image.registry=registry.example.org/security/")
    for spec in pod_specs(objects).values():
        for container in containers(spec):
            assert container["image"].startswith("registry.example.org/security/decnet/")
    images = yaml.safe_load(named(objects, "ConfigMap", "decnet-images")["data"]["images.yaml"])
    assert images
    assert all(image.startswith("registry.example.org/security/decnet/") for image in images.values())


def test_the_default_image_tags_are_the_app_version() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    services = images.pop("services")
    assert {image.rpartition(":")[2] for image in [*images.values(), *services.values()]} == {version}


def test_every_service_of_the_catalogue_has_an_image() -> None:
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"]["services"]
    assert set(images) == {path.parent.name for path in (ROOT / "images").glob("*/service.yaml")}


def test_the_database_url_holds_the_bundled_password() -> None:
    objects = render()
    password = named(objects, "Secret", "decnet-postgres")["stringData"]["password"]
    url = named(objects, "Secret", "decnet-intel")["stringData"]["database-url"]
    assert url == f"postgresql://decnet:{password}@decnet-postgres.decnet.svc:5432/decnet"


def test_an_external_database_replaces_the_bundled_one() -> None:
    objects = render("postgres.externalUrl=postgresql://u:p@db.example.org:5433/x")
    assert not [item for item in objects if item["metadata"]["name"] == "decnet-postgres"]
    url = named(objects, "Secret", "decnet-intel")["stringData"]["database-url"]
    assert url == "postgresql://u:p@db.example.org:5433/x"
    [dns, database] = named(objects, "NetworkPolicy", "decnet-api")["spec"]["egress"]
    assert dns["ports"][0]["port"] == 53
    assert database["ports"] == [{"port": 5433}]


def test_generated_secrets_differ_between_installations() -> None:
    first, second = (
        named(render(f"api.admin.username={name}"), "Secret", "decnet-admin")["stringData"] for name in "ab"
    )
    assert first["username"] == "a"
    assert first["password"] != second["password"]
    assert len(first["password"]) >= 20


def test_each_containment_layer_can_be_switched_off_alone() -> None:
    agent = pod_specs(render("containment.node=off"))["decnet-node-agent"]["containers"][0]
    operator = pod_specs(render("containment.pod=off"))["decnet-operator"]["containers"][0]
    assert {"name": "DECNET_AGENT_FILTER", "value": "off"} in agent["env"]
    assert [entry for entry in operator["env"] if entry.get("value") == "off"]


WRONG = {
    "unknown key": ("replicas=3", "replicas"),
    "typo in a section": ("api.replica=3", "replica"),
    "wrong type": ("listener.replicas=many", "replicas"),
    "unquoted layer": ("containment.pod=true", "containment"),
    "moving tag": ("images.platform=decnet/platform:latest", "platform"),
    "no tag": ("images.persona=decnet/persona", "persona"),
    "other database": ("postgres.externalUrl=mysql://x", "externalUrl"),
    "ingress without host": ("ingress.enabled=true", "ingress.host"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_and_named(case: str) -> None:
    argument, word = WRONG[case]
    done = run("template", "decnet", str(CHART), "--set", argument)
    assert done.returncode != 0
    assert word in done.stderr


def test_every_value_is_documented_and_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    lines = (CHART / "values.yaml").read_text().splitlines()
    section = ("image:", "images:", "services:", "admin:", "service:", "serviceMonitor:")
    for number, line in enumerate(lines):
        word = line.strip()
        inner = line.startswith("  ") and ":" in word and not word.startswith("#")
        if inner and word not in section and word.split(":")[0] not in ("requests", "limits", "ssh", "http"):
            assert lines[number - 1].strip().startswith("#"), f"values.yaml line {number + 1} has no comment"
    _compare(yaml.safe_load("\n".join(lines)), schema, schema["definitions"])


def _compare(values: Any, schema: Object, definitions: Object) -> None:
    schema = definitions[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    if schema.get("type") != "object" or "properties" not in schema:
        return
    assert schema["additionalProperties"] is False
    assert set(values) == set(schema["properties"]) - {"global"}
    for key, value in values.items():
        _compare(value, schema["properties"][key], definitions)


def test_crds_are_kept_or_not_as_asked() -> None:
    for keep, wanted in (("true", "keep"), ("false", None)):
        definitions = [o for o in render(f"crds.keep={keep}") if o["kind"] == "CustomResourceDefinition"]
        assert {o["spec"]["names"]["kind"] for o in definitions} == {"Decky", "SwarmHost"}
        for item in definitions:
            assert (item["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == wanted
    without = render("crds.install=false")
    assert not [o for o in without if o["kind"] in {"CustomResourceDefinition", "ValidatingAdmissionPolicy"}]


def test_the_nodes_ports_are_not_on_the_lan() -> None:
    forwarder = pod_specs(render())["decnet-node-agent"]["containers"][1]
    assert forwarder["livenessProbe"]["httpGet"]["host"] == "127.0.0.1"
