"""The product's HTTP API, logged in as its administrator."""

from __future__ import annotations

import base64

import httpx

from lab.cluster import DASHBOARD_URL, PRODUCT_NAMESPACE, get

CHANGED_PASSWORD = "Correct-Horse-42-Battery"


def installed_login() -> tuple[str, str]:
    """Name and password that the installation generated."""
    data = get("secret", "decnet-admin", "-n", PRODUCT_NAMESPACE)["data"]
    return tuple(base64.b64decode(data[key]).decode() for key in ("username", "password"))  # type: ignore[return-value]


def login() -> httpx.Client:
    """A client that carries a token; changes the installed password the first time."""
    username, password = installed_login()
    client = httpx.Client(base_url=f"{DASHBOARD_URL}/api/v1", timeout=30)
    answer = client.post("/auth/login", json={"username": username, "password": CHANGED_PASSWORD})
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        answer = client.post("/auth/login", json={"username": username, "password": password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        body = {"old_password": password, "new_password": CHANGED_PASSWORD}
        client.post("/auth/change-password", json=body).raise_for_status()
        answer = client.post("/auth/login", json={"username": username, "password": CHANGED_PASSWORD})
    answer.raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client
