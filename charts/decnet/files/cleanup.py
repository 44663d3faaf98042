"""Pre-delete hook: removes every Decky and SwarmHost while the operator can still clean up after them."""

import os
import sys
import time

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

GROUP, VERSION = "decnet.io", "v1alpha1"


def main() -> int:
    """Exit status 0 also when finalizers had to be taken by force: an uninstall must not hang."""
    config.load_incluster_config()
    namespace = os.environ["NAMESPACE"]
    deadline = time.monotonic() + float(os.environ["TIMEOUT_SECONDS"])
    objects = client.CustomObjectsApi()
    remove(objects, "deckies", deadline)
    # A running operator would enrol the nodes again, and needs nothing of a SwarmHost when all of them go.
    stop_operator(namespace, deadline)
    remove(objects, "swarmhosts", time.monotonic())
    for plural in ("deckies", "swarmhosts"):
        left = listed(objects, plural)
        if left:
            print(f"{plural} still there: {names(left)}")
            return 1
    return 0


def remove(objects: client.CustomObjectsApi, plural: str, deadline: float) -> None:
    """Delete all objects of a kind; after `deadline` (monotonic seconds) whatever finalizers they have."""
    for item in listed(objects, plural):
        call(objects, plural, item, "delete")
    while left := listed(objects, plural):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    for item in left:
        if item["metadata"].get("finalizers"):
            print(f"{plural}: taking the finalizers of {names([item])}")
            call(objects, plural, item, "patch", {"metadata": {"finalizers": None}})
    until = time.monotonic() + 15
    while listed(objects, plural) and time.monotonic() < until:
        time.sleep(0.5)


def stop_operator(namespace: str, deadline: float) -> None:
    """Scale the operator to nothing and wait until its pod is gone."""
    apps = client.AppsV1Api()
    try:
        apps.patch_namespaced_deployment_scale("decnet-operator", namespace, {"spec": {"replicas": 0}})
        while apps.read_namespaced_deployment("decnet-operator", namespace).status.replicas:
            if time.monotonic() > deadline + 30:
                print("the operator does not stop")
                return
            time.sleep(0.5)
    except ApiException as error:
        if error.status != 404:
            raise


def listed(objects: client.CustomObjectsApi, plural: str) -> list:
    """Objects of a kind in all namespaces; none when the kind is not defined (any more)."""
    try:
        return objects.list_cluster_custom_object(GROUP, VERSION, plural)["items"]
    except ApiException as error:
        if error.status == 404:
            return []
        raise


def call(
    objects: client.CustomObjectsApi, plural: str, item: dict, verb: str, body: dict | None = None
) -> None:
    """`delete` or `patch` one object, namespaced or not; one that is gone already is fine."""
    metadata = item["metadata"]
    scope = "namespaced" if "namespace" in metadata else "cluster"
    place = (metadata["namespace"],) if "namespace" in metadata else ()
    rest = {"body": body} if body is not None else {}
    try:
        getattr(objects, f"{verb}_{scope}_custom_object")(
            GROUP, VERSION, *place, plural, metadata["name"], **rest
        )
    except ApiException as error:
        if error.status != 404:
            raise


def names(items: list) -> str:
    """The objects' names for a message."""
    return ", ".join(
        "/".join(filter(None, (i["metadata"].get("namespace"), i["metadata"]["name"]))) for i in items
    )


if __name__ == "__main__":
    sys.exit(main())
