"""A real API server with etcd, without nodes: enough to prove what the agent may do and does.

The binaries are those that `make up` builds.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client, utils

_BINARIES = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "decnet" / "go"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ApiServer:
    """A running API server; `admin` is a client that may do everything."""

    def __init__(self, directory: Path, port: int, token: str) -> None:
        self.directory = directory
        self.url = f"https://127.0.0.1:{port}"
        configuration = client.Configuration(host=self.url)
        self.certificate = directory / "pki" / "apiserver.crt"
        configuration.ssl_ca_cert = str(self.certificate)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        self.admin = client.ApiClient(configuration)

    def kubeconfig(self, token: str) -> Path:
        """A kubeconfig file for whoever has `token`."""
        path = self.directory / f"kubeconfig-{secrets.token_hex(4)}"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "it",
                    "clusters": [
                        {
                            "name": "it",
                            "cluster": {
                                "server": self.url,
                                "certificate-authority-data": base64.b64encode(
                                    self.certificate.read_bytes()
                                ).decode(),
                            },
                        }
                    ],
                    "users": [{"name": "it", "user": {"token": token}}],
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                }
            )
        )
        return path

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create plain objects."""
        for it in objects:
            utils.create_from_dict(self.admin, it)


@contextlib.contextmanager
def api_server(directory: Path) -> Iterator[ApiServer]:
    """Run one while inside. Fails with what to do when the binaries are not there."""
    etcd, server = _BINARIES / "etcd" / "server", _BINARIES / "kubernetes" / "kube-apiserver"
    assert etcd.exists() and server.exists(), f"{etcd} or {server} is missing: run `make up` once"
    token = secrets.token_hex(16)
    (directory / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
    key = rsa.generate_private_key(65537, 2048)
    (directory / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    etcd_url, port = f"http://127.0.0.1:{free_port()}", free_port()
    commands = (
        [
            *(str(etcd), "--data-dir", str(directory / "etcd"), "--listen-client-urls", etcd_url),
            *("--advertise-client-urls", etcd_url, "--listen-peer-urls", f"http://127.0.0.1:{free_port()}"),
            *("--unsafe-no-fsync", "--log-level", "error"),
        ],
        [
            *(
                str(server),
                "--etcd-servers",
                etcd_url,
                "--secure-port",
                str(port),
                "--bind-address",
                "127.0.0.1",
            ),
            *("--cert-dir", str(directory / "pki"), "--token-auth-file", str(directory / "tokens")),
            *("--service-account-issuer", "https://kubernetes.default.svc", "--authorization-mode", "RBAC"),
            *("--service-account-signing-key-file", str(directory / "sa.key")),
            *("--service-account-key-file", str(directory / "sa.key")),
            *("--service-cluster-ip-range", "10.96.0.0/16"),
        ],
    )
    with contextlib.ExitStack() as undo:
        for command in commands:
            output = undo.enter_context((directory / f"{Path(command[0]).name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
            undo.callback(process.wait)
            undo.callback(process.kill)
        _wait_ready(port, token, directory / "pki" / "apiserver.crt")
        api = ApiServer(directory, port, token)
        undo.callback(api.admin.close)
        yield api


def _wait_ready(port: int, token: str, certificate: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            context = ssl.create_default_context(cafile=certificate)
            with contextlib.closing(
                http.client.HTTPSConnection("127.0.0.1", port, context=context)
            ) as connection:
                connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {token}"})
                if connection.getresponse().status == 200:
                    return
        assert time.monotonic() < deadline, "the API server does not get ready"
        time.sleep(0.2)
