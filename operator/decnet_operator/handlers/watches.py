"""Indexes and events of everything that is watched. Nothing here writes, so kopf leaves no trace on any object."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from decnet_operator.api import GROUP, VERSION
from decnet_operator.domain.requests import SIGNER
from decnet_operator.reconcile.engine import Engine
from decnet_operator.specs.names import POD_SELECTOR

REQUESTS = ("certificates.k8s.io", "v1", "certificatesigningrequests")


def register(registry: kopf.OperatorRegistry, engine: Engine) -> None:
    """Add all handlers to `registry`."""
    _startup(registry, engine)
    _indexes(registry)
    _events(registry, engine)


def _startup(registry: kopf.OperatorRegistry, engine: Engine) -> None:
    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.watching.label_selectors["pods"] = POD_SELECTOR
        settings.watching.field_selectors[REQUESTS[2]] = f"spec.signerName={SIGNER}"
        # A stream that the server forgets to end would leave us blind.
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        settings.posting.level = 100  # logs are not Events; kopf.event is called on purpose
        settings.posting.reporting_component = "decnet-operator"
        await engine.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await engine.stop()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        given = engine.state.settings.kubeconfig
        return (None if given else kopf.login_with_service_account(**kwargs)) or kopf.login_with_kubeconfig(
            **kwargs
        )


def _indexes(registry: kopf.OperatorRegistry) -> None:
    """Complete before the first event is handled: addresses are given away knowing all Deckies."""
    for name, resource in (
        ("deckies", (GROUP, VERSION, "deckies")),
        ("hosts", (GROUP, VERSION, "swarmhosts")),
        ("pods", ("", "v1", "pods")),
        ("nodes", ("", "v1", "nodes")),
        ("requests", REQUESTS),
    ):
        kopf.index(*resource, id=name, registry=registry)(_by_name)


async def _by_name(body: kopf.Body, **_: Any) -> dict[tuple[str, str], dict[str, Any]]:
    metadata = body["metadata"]
    return {(metadata.get("namespace") or "", metadata["name"]): dict(body)}


def _events(registry: kopf.OperatorRegistry, engine: Engine) -> None:
    def bind(indices: dict[str, Any]) -> None:
        caches = engine.state.caches
        if not caches.bound:
            for name in ("deckies", "hosts", "pods", "nodes", "requests"):
                getattr(caches, name).bind(indices[name])
            engine.state.events.adopt()
            engine.state.check_prepared()

    @kopf.on.event(GROUP, VERSION, "deckies", registry=registry)
    async def decky(body: kopf.Body, type: str | None, **kwargs: Any) -> None:  # noqa: A002 - kopf's name
        bind(kwargs)
        engine.saw_decky(body, gone=type == "DELETED")

    @kopf.on.event(GROUP, VERSION, "swarmhosts", registry=registry)
    async def swarm_host(body: kopf.Body, type: str | None, **kwargs: Any) -> None:  # noqa: A002
        bind(kwargs)
        engine.saw_host(body, gone=type == "DELETED")

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pod(body: kopf.Body, type: str | None, **kwargs: Any) -> None:  # noqa: A002
        bind(kwargs)
        if any(it.get("kind") == "Decky" for it in body["metadata"].get("ownerReferences") or []):
            engine.saw_pod(body, gone=type == "DELETED")

    @kopf.on.event("", "v1", "nodes", registry=registry)
    async def node(body: kopf.Body, **kwargs: Any) -> None:
        bind(kwargs)
        engine.saw_node(body)

    @kopf.on.event(*REQUESTS, registry=registry)
    async def request(body: kopf.Body, **kwargs: Any) -> None:
        bind(kwargs)
        engine.saw_request(body)


async def run(engine: Engine, stop: asyncio.Event | None = None) -> None:
    """Watch until SIGTERM, SIGINT or `stop`."""
    registry = kopf.OperatorRegistry()
    register(registry, engine)
    settings = kopf.OperatorSettings()
    await kopf.operator(
        registry=registry, settings=settings, clusterwide=True, standalone=True, stop_flag=stop
    )
