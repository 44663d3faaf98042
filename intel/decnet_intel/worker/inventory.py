"""The mirror of Deckies and SwarmHosts in Postgres."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from decnet_intel.repository import inventory
from decnet_intel.service.mirror import decky_values, swarm_host_values
from decnet_intel.worker.watch import Resource


class DeckyMirror:
    """Deckies of all namespaces."""

    plural = "deckies"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def replace(self, objects: list[Resource]) -> None:
        """These are all there are."""
        rows = [decky_values(item) for item in objects]
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.keep_deckies(session, [(row["namespace"], row["name"]) for row in rows])
            for row in rows:
                await inventory.put_decky(session, row)

    async def put(self, resource: Resource) -> None:
        """This one is new or changed."""
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.put_decky(session, decky_values(resource))

    async def drop(self, resource: Resource) -> None:
        """This one is gone."""
        metadata = resource["metadata"]
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.drop_decky(session, metadata["namespace"], metadata["name"])


class SwarmHostMirror:
    """SwarmHosts, and with them the certificates that the listener trusts."""

    plural = "swarmhosts"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def replace(self, objects: list[Resource]) -> None:
        """These are all there are; every other pin goes."""
        rows = [swarm_host_values(item) for item in objects]
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.keep_swarm_hosts(session, [row["name"] for row in rows])
            for row in rows:
                await inventory.put_swarm_host(session, row)

    async def put(self, resource: Resource) -> None:
        """This one is new or changed; a pin that its status no longer has goes."""
        row = swarm_host_values(resource)
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.put_swarm_host(session, row)

    async def drop(self, resource: Resource) -> None:
        """This one is gone, and its pin."""
        async with AsyncSession(self._engine) as session, session.begin():
            await inventory.drop_swarm_host(session, resource["metadata"]["name"])
