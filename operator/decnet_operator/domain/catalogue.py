"""The service catalogue: every service.yaml of this release. Adding a service is adding a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

KeyType = Literal["string", "integer", "boolean", "list", "map"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Value = str | int | bool | list[str] | dict[str, str]


class CatalogueError(Exception):
    """A service.yaml is missing, unreadable or wrong; the message names the file and the field."""


class Part(BaseModel):
    """Frozen; unknown fields are an error, so that a misspelt one is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServicePort(Part):
    """A port that the service listens on."""

    port: int = Field(ge=1, le=65535)
    protocol: Literal["TCP", "UDP"] = "TCP"


class PersonaKey(Part):
    """One thing that a user may say of the service.

    `pattern` must match the whole value, in the syntax that RE2 and Python share. `minimum` and `maximum` are
    for integers, `enum` for strings.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    type: KeyType
    default: Value
    help: str = Field(min_length=1)
    enum: tuple[str, ...] | None = None
    pattern: str | None = Field(None, pattern=r"^\^[\s\S]*\$$")
    minimum: int | None = None
    maximum: int | None = None

    @model_validator(mode="after")
    def _consistent(self) -> PersonaKey:
        if (self.enum or self.pattern) and self.type != "string":
            raise ValueError(f"{self.name}: enum and pattern are for strings")
        if (self.minimum is not None or self.maximum is not None) and self.type != "integer":
            raise ValueError(f"{self.name}: minimum and maximum are for integers")
        if (wrong := self.wrong(self.default)) is not None:
            raise ValueError(f"{self.name}: the default is wrong: {wrong}")
        return self

    def expectation(self) -> str:
        """What a value must be, such as `an integer from 200 to 599`."""
        if self.enum:
            return "one of " + ", ".join(self.enum)
        text = {
            "string": "a string",
            "integer": "an integer",
            "boolean": "true or false",
            "list": "a list of strings",
            "map": "a map of strings (name: value)",
        }[self.type]
        if self.pattern:
            return f"{text} matching {self.pattern}"
        if self.minimum is not None and self.maximum is not None:
            return f"{text} from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{text}, {self.minimum} or more"
        if self.maximum is not None:
            return f"{text}, {self.maximum} or less"
        return text

    def wrong(self, value: object) -> str | None:
        """What `value` must be instead; None when it is right."""
        right = _is_of_type(value, self.type)
        if right and self.enum is not None:
            right = value in self.enum
        if right and self.pattern is not None:
            right = re.fullmatch(self.pattern.removesuffix("$"), str(value)) is not None
        if right and isinstance(value, int) and self.type == "integer":
            right = (self.minimum is None or value >= self.minimum) and (
                self.maximum is None or value <= self.maximum
            )
        return None if right else self.must()

    def must(self) -> str:
        """What to say when a value is wrong. A pattern alone tells few people what is meant."""
        return f"must be {self.expectation()}" + (f" ({self.help.rstrip('.')})" if self.pattern else "")


def _is_of_type(value: object, kind: KeyType) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "list":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)


class Readiness(Part):
    """How kubelet asks whether the service answers: it cannot reach the decky's address itself."""

    exec: tuple[str, ...] = Field(min_length=1)


class Resources(Part):
    """Requests and limits of the container."""

    requests: Mapping[str, str | int] = Field(default_factory=dict)
    limits: Mapping[str, str | int] = Field(default_factory=dict)


class Security(Part):
    """The container's privileges. Anything beyond the restricted standard needs a `reason`."""

    runAsUser: int | None = Field(None, ge=0)  # noqa: N815 - as Kubernetes writes it
    readOnlyRootFilesystem: bool = True  # noqa: N815
    allowPrivilegeEscalation: bool = False  # noqa: N815
    reason: str = ""

    @model_validator(mode="after")
    def _explained(self) -> Security:
        exceptional = self.runAsUser == 0 or self.allowPrivilegeEscalation or not self.readOnlyRootFilesystem
        if exceptional and not self.reason:
            raise ValueError("security: root, privilege escalation or a writable file system need a reason")
        return self


class ServiceDefinition(Part):
    """One service.yaml.

    `scratch` are paths that get writable memory. `spool` is where the service leaves recordings and captured
    files; the node's collector takes them away from there.
    """

    slug: Slug
    title: str = Field(min_length=1)
    summary: str = Field(min_length=1)
    ports: tuple[ServicePort, ...] = ()
    persona: tuple[PersonaKey, ...] = ()
    captures: tuple[str, ...] = ()
    readiness: Readiness
    resources: Resources = Resources()
    capabilities: tuple[str, ...] = ()
    security: Security = Security()
    scratch: tuple[str, ...] = ()
    spool: str | None = Field(None, pattern=r"^(/[A-Za-z0-9._-]+)+$")

    @model_validator(mode="after")
    def _no_key_twice(self) -> ServiceDefinition:
        names = [key.name for key in self.persona]
        if len(names) != len(set(names)):
            raise ValueError("persona: a key is there twice")
        if self.slug == "persona":
            raise ValueError("slug: persona is the name of the container that disguises the machine")
        return self

    @property
    def container(self) -> str:
        """Name of its container: names of containers have no underscores."""
        return self.slug.replace("_", "-")

    def problems(self, persona: Mapping[str, Any]) -> Iterator[str]:
        """A sentence for each wrong or unknown key."""
        keys = {key.name: key for key in self.persona}
        for name, value in persona.items():
            where = f"spec.services[{self.slug}].persona.{name}"
            if name not in keys:
                yield f"{where}: unknown key; allowed keys: {', '.join(keys) or 'none'}"
            elif (wrong := keys[name].wrong(value)) is not None:
                yield f"{where}: {wrong}"

    def filled(self, persona: Mapping[str, Any]) -> dict[str, Any]:
        """Every key, with the default where `persona` says nothing."""
        return {key.name: persona.get(key.name, key.default) for key in self.persona}


class Catalogue(Mapping[str, ServiceDefinition]):
    """The services of this release by slug, in alphabetical order."""

    def __init__(self, definitions: Iterable[ServiceDefinition]) -> None:
        self._by_slug = {item.slug: item for item in sorted(definitions, key=lambda item: item.slug)}

    def __getitem__(self, slug: str) -> ServiceDefinition:
        return self._by_slug[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_slug)

    def __len__(self) -> int:
        return len(self._by_slug)

    def missing(self, slugs: Iterable[str]) -> tuple[str, ...]:
        """Those of `slugs` that this release lacks."""
        return tuple(slug for slug in slugs if slug not in self)


def default_directory() -> Path:
    """DECNET_CATALOGUE_DIR, else images/ of the repository that this file is in."""
    given = os.environ.get("DECNET_CATALOGUE_DIR")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "images"


def load_definition(path: Path) -> ServiceDefinition:
    """Raises CatalogueError."""
    try:
        definition = ServiceDefinition.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    if definition.slug != path.parent.name:
        raise CatalogueError(f"{path}: slug {definition.slug} is not the name of its folder")
    return definition


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """All of `directory`/*/service.yaml. Raises CatalogueError, also when there is none."""
    where = directory or default_directory()
    paths = sorted(where.glob("*/service.yaml"))
    if not paths:
        raise CatalogueError(
            f"no */service.yaml in {where}: set DECNET_CATALOGUE_DIR to the folder of the services"
        )
    return Catalogue(load_definition(path) for path in paths)
