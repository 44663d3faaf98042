"""`helm test`: `prepare` makes a decky away from this node; `find` looks for the attack through the API."""

import asyncio
import json
import os
import secrets
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

from kubernetes import client, config

GROUP, VERSION, DECKY = "decnet.io", "v1alpha1", "helm-test-target"
"""A decky's pod is named like the decky, so this must not be the test pod's own name."""
SHARED = Path("/shared")
NAMESPACE, NODE = os.environ["NAMESPACE"], os.environ["NODE"]
TIMEOUT = float(os.environ["TIMEOUT_SECONDS"])


def prepare() -> None:
    """Make the decky, wait until it is Ready, and leave its address and a user name for the attacker."""
    config.load_incluster_config()
    objects = client.CustomObjectsApi()
    hosts = objects.list_cluster_custom_object(GROUP, VERSION, "swarmhosts")["items"]
    # A macvlan child cannot be reached from its own node, and the attacker uses this node's address.
    elsewhere = [
        item["metadata"]["name"] for item in hosts if ready(item) and item["metadata"]["name"] != NODE
    ]
    if not elsewhere:
        sys.exit(
            f"no Ready SwarmHost but this node ({NODE}); the test needs a second one: kubectl get swarmhosts"
        )
    pod = {"apiVersion": "v1", "kind": "Pod", "name": os.environ["POD_NAME"], "uid": os.environ["POD_UID"]}
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Decky",
        "metadata": {"name": DECKY, "ownerReferences": [pod]},
        "spec": {"services": [{"name": "ssh"}], "network": {"swarmHost": sorted(elsewhere)[0]}},
    }
    remove(objects)
    objects.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "deckies", body)
    decky = wait("the decky to be Ready", lambda: ready(item := read(objects)) and item)
    (SHARED / "address").write_text(decky["status"]["ip"])
    (SHARED / "user").write_text(f"helm-{secrets.token_hex(4)}")
    print(f"{DECKY} is {decky['status']['ip']} on {decky['status'].get('node')}")


def find() -> None:
    """Log in as a viewer that exists for this moment only; search for the user name that was tried."""
    user, address = (SHARED / "user").read_text(), (SHARED / "address").read_text()
    password = secrets.token_urlsafe(32)
    asyncio.run(viewer(user, password))
    try:
        answer = ask("auth/login", {"username": user, "password": password})
        query = f"logs?search={urllib.parse.quote(user)}&limit=10"
        found = wait("the event", lambda: ask(query, token=answer["access_token"])["items"])
    finally:
        asyncio.run(viewer(user, None))
        config.load_incluster_config()
        remove(client.CustomObjectsApi())
    event = found[0]
    print(f"found: {json.dumps(event)}")
    if event["decky"] != DECKY:
        sys.exit(f"the event is of {event['decky']}, not of {DECKY}")
    print(f"an attack on {address} reached the API")


async def viewer(name: str, password: str | None) -> None:
    """Make the account, or remove it when there is no password."""
    from sqlalchemy import delete
    from sqlalchemy.ext.asyncio import async_sessionmaker

    from decnet_intel.database import make_engine
    from decnet_intel.models import Role, User
    from decnet_intel.service import passwords
    from decnet_intel.settings import CommonSettings

    engine = make_engine(CommonSettings(), "helm-test")
    async with async_sessionmaker(engine).begin() as session:
        if password is None:
            await session.execute(delete(User).where(User.username == name))
        else:
            hashed = await passwords.hash_password(password)
            session.add(
                User(username=name, password_hash=hashed, role=Role.VIEWER.value, must_change_password=False)
            )
    await engine.dispose()


def ask(path: str, body: dict | None = None, token: str = "") -> dict:
    """The API's JSON answer; raises urllib.error.HTTPError."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    url = f"{os.environ['API_URL']}/api/v1/{path}"  # http, and our chart's own Service
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=15) as answer:  # noqa: S310
        return json.load(answer)


def read(objects: client.CustomObjectsApi) -> dict:
    """Our decky as it is now."""
    return objects.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "deckies", DECKY)


def remove(objects: client.CustomObjectsApi) -> None:
    """Delete our decky, and wait until it is gone."""
    try:
        objects.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "deckies", DECKY)
        wait("the decky to go", lambda: not read(objects))
    except client.exceptions.ApiException as error:
        if error.status != 404:
            raise


def ready(item: dict) -> bool:
    """Whether the object's condition Ready is True."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def wait(what, probe):
    """What `probe` answers once it is true; ends the program when that takes too long."""
    deadline = time.monotonic() + TIMEOUT
    while not (answer := probe()):
        if time.monotonic() > deadline:
            sys.exit(f"waited {TIMEOUT:.0f} s for {what}")
        time.sleep(0.5)
    return answer


if __name__ == "__main__":
    {"prepare": prepare, "find": find}[sys.argv[1]]()
