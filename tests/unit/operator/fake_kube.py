"""An API server in memory, as far as the reconcilers ask: apply merges, versions move when something changes."""

from __future__ import annotations

import copy
from typing import Any

from decnet_operator.kube.client import Kind
from decnet_operator.kube.errors import GoneError, KubeError

Manifest = dict[str, Any]


class FakeKube:
    """Objects by (plural, namespace, name). `log` has one line for each write."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.log: list[str] = []
        self.writes = 0
        self.refuse: KubeError | None = None
        self._version = 100

    async def apply(self, kind: Kind, manifest: Manifest, subresource: str = "") -> Manifest:
        """Merge `manifest` into the object; lists and status are replaced."""
        if self.refuse is not None and kind.plural == "pods":
            raise self.refuse
        metadata = manifest["metadata"]
        key = (kind.plural, metadata.get("namespace") or "", metadata["name"])
        before = self.objects.get(key)
        if before is None and subresource:
            raise GoneError("gone", 404)
        after = (
            copy.deepcopy(before) if before else {"metadata": {"uid": f"{kind.plural}-{metadata['name']}"}}
        )
        _merge(after, {"status": manifest["status"]} if subresource else manifest)
        if after != before:
            self._version += 1
            after["metadata"]["resourceVersion"] = str(self._version)
            after["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            self.log.append(
                f"apply {kind.plural}{'/' + subresource if subresource else ''} {metadata['name']}"
            )
            self.objects[key] = after
        self.writes += 1
        return copy.deepcopy(after)

    async def merge(self, kind: Kind, name: str, body: Manifest, subresource: str = "") -> Manifest:
        """As `apply`, for cluster-scoped objects that exist."""
        found = self.objects[kind.plural, "", name]
        _merge(found, body)
        self.log.append(f"merge {kind.plural}/{subresource} {name}")
        return copy.deepcopy(found)

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str | None = None) -> None:
        """Remove the object at once."""
        found = self.objects.get((kind.plural, namespace or "", name))
        if found is not None and (uid is None or found["metadata"]["uid"] == uid):
            del self.objects[kind.plural, namespace or "", name]
            self.log.append(f"delete {kind.plural} {name}")

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object, None when there is none."""
        return copy.deepcopy(self.objects.get((kind.plural, namespace or "", name)))

    async def items(self, kind: Kind, namespace: str) -> list[Manifest]:
        """All of a kind in a namespace."""
        return [copy.deepcopy(it) for key, it in self.objects.items() if key[:2] == (kind.plural, namespace)]

    async def uids(self, kind: Kind, _selector: str = "") -> set[str]:
        """Uids of all of a kind."""
        return {it["metadata"]["uid"] for key, it in self.objects.items() if key[0] == kind.plural}


def _merge(into: Manifest, new: Manifest) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict) and key != "status":
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
