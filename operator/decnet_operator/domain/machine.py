"""From what a Decky's spec says to the whole machine that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from decnet_operator.api.decky import ComputeResources, CustomService, DeckySpec
from decnet_operator.domain import data
from decnet_operator.domain.catalogue import Catalogue, ServiceDefinition
from decnet_operator.domain.data import Archetype, Distro, Family
from decnet_operator.domain.problem import ProblemError

DEFAULT_FAMILY = "linux"
DEFAULT_DISTRO = "debian"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which Decky it is. `created` orders those that ask for the same."""

    namespace: str
    name: str
    uid: str
    created: str
    seed: str

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class CatalogueService:
    """A service of the catalogue with its whole persona."""

    definition: ServiceDefinition
    persona: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything about a decky but where it is."""

    identity: Identity
    archetype: Archetype | None
    family: Family
    distro: Distro | None
    services: tuple[CatalogueService, ...]
    custom_services: tuple[CustomService, ...]
    runtime_class_name: str | None
    resources: ComputeResources | None

    @property
    def vendors(self) -> tuple[str, ...]:
        """Whose network card it has."""
        return (self.archetype.vendors if self.archetype else ()) or self.family.vendors

    @property
    def hostname_patterns(self) -> tuple[str, ...]:
        """What machines of this kind are called."""
        if self.archetype:
            return self.archetype.hostnames
        return self.distro.hostnames if self.distro else ("host{nn}", "dev-{hex}", "unit{nn}")

    @property
    def service_names(self) -> tuple[str, ...]:
        """The containers beside the persona, in the order in which they are shown."""
        return (
            *(item.definition.slug for item in self.services),
            *(item.name for item in self.custom_services),
        )


def resolve(identity: Identity, spec: DeckySpec, catalogue: Catalogue) -> Machine:
    """The machine that `spec` means. Raises ProblemError where the API server's own checks were passed by."""
    archetype = _archetype(spec.archetype)
    family = _row(data.families(), spec.os or (archetype.os if archetype else DEFAULT_FAMILY), "spec.os")
    return Machine(
        identity=identity,
        archetype=archetype,
        family=family,
        distro=_distro(spec, archetype, family),
        services=_services(spec, archetype, catalogue),
        custom_services=spec.custom_services,
        runtime_class_name=spec.runtime_class_name,
        resources=spec.resources,
    )


def _archetype(name: str | None) -> Archetype | None:
    return _row(data.archetypes(), name, "spec.archetype") if name else None


def _row(table: Mapping[str, Any], slug: str, field: str) -> Any:
    if slug not in table:
        raise ProblemError("InvalidSpec", f"{field}: unknown {slug}; choose one of {', '.join(table)}")
    return table[slug]


def _distro(spec: DeckySpec, archetype: Archetype | None, family: Family) -> Distro | None:
    if family.slug != DEFAULT_FAMILY:
        if spec.distro:
            raise ProblemError(
                "InvalidSpec", "spec.distro is a Linux distribution: remove it, or set spec.os to linux"
            )
        return None
    slug = spec.distro or (archetype.distro if archetype else None) or DEFAULT_DISTRO
    distro: Distro = _row(data.distros(), slug, "spec.distro")
    return distro


def _services(
    spec: DeckySpec, archetype: Archetype | None, catalogue: Catalogue
) -> tuple[CatalogueService, ...]:
    wanted = [(service.name, service.persona) for service in spec.services]
    if not wanted and archetype:
        wanted = [(slug, {}) for slug in archetype.services]
        if missing := catalogue.missing(archetype.services):
            raise ProblemError("ArchetypeNotServed", not_served(archetype, missing, catalogue))
    if missing := catalogue.missing(slug for slug, _ in wanted):
        raise ProblemError(
            "UnknownService",
            f"spec.services: this release has no {', '.join(missing)}; choose of {', '.join(catalogue)}",
        )
    problems = [text for slug, persona in wanted for text in catalogue[slug].problems(persona)]
    if problems:
        raise ProblemError("InvalidPersona", "; ".join(problems))
    return tuple(
        CatalogueService(catalogue[slug], catalogue[slug].filled(persona)) for slug, persona in wanted
    )


def not_served(archetype: Archetype, missing: tuple[str, ...], catalogue: Catalogue) -> str:
    """Why an archetype of which this release lacks services is refused, and what to do."""
    return (
        f"spec.archetype: {archetype.slug} needs {', '.join(missing)}, which this release does not have;"
        f" name spec.services yourself ({', '.join(catalogue)}) or choose another archetype"
    )
