"""The node agent as a process, against a real API server, with only the permissions of the chart."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from kube_lab import ApiServer, api_server, free_port
from kubernetes import client
from node_lab import Authority

_NODE = "worker-1"

# What the agent may do, exactly; the chart has the same.
_RBAC: list[dict[str, Any]] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "decnet-node", "namespace": "decnet"},
        "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "patch"]},
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": ["decnet-ca"],
                "verbs": ["get"],
            },
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "decnet-node"},
        "rules": [
            {
                "apiGroups": ["certificates.k8s.io"],
                "resources": ["certificatesigningrequests"],
                "verbs": ["create", "get"],
            },
            {"apiGroups": ["decnet.io"], "resources": ["swarmhosts"], "verbs": ["get"]},
        ],
    },
]
_SUBJECT = [{"kind": "ServiceAccount", "name": "decnet-node", "namespace": "decnet"}]
_BINDINGS: list[dict[str, Any]] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": "decnet-node", **({"namespace": "decnet"} if kind == "Role" else {})},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "decnet-node"},
        "subjects": _SUBJECT,
    }
    for kind in ("Role", "ClusterRole")
]
_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "node-agent", "namespace": "decnet"},
    "spec": {
        "nodeName": _NODE,
        "serviceAccountName": "decnet-node",
        "containers": [{"name": "agent", "image": "platform"}],
    },
}
_SWARMHOSTS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "swarmhosts.decnet.io"},
    "spec": {
        "group": "decnet.io",
        "scope": "Cluster",
        "names": {"plural": "swarmhosts", "singular": "swarmhost", "kind": "SwarmHost"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


class Cluster:
    """The API server, and the operator's part played by hand."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.authority = Authority()
        self._certificates = client.CertificatesV1Api(api.admin)
        for kind in ("Namespace", "ServiceAccount"):
            metadata = (
                {"name": "decnet"} if kind == "Namespace" else {"name": "decnet-node", "namespace": "decnet"}
            )
            api.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata})
        api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}})
        api.apply(*_RBAC, *_BINDINGS, _POD, _SWARMHOSTS)
        ca = self.authority.certificate.public_bytes(serialization.Encoding.PEM).decode()
        core = client.CoreV1Api(api.admin)
        core.create_namespaced_config_map(
            "decnet", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="decnet-ca"), data={"ca.crt": ca})
        )
        uid = core.read_namespaced_pod("node-agent", "decnet").metadata.uid
        bound = client.V1BoundObjectReference(api_version="v1", kind="Pod", name="node-agent", uid=uid)
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[], bound_object_ref=bound)
        )
        token = core.create_namespaced_service_account_token("decnet-node", "decnet", request)
        self.kubeconfig = api.kubeconfig(token.status.token)

    def lease(self) -> Any:
        """The agent's Lease, None before it is there."""
        with contextlib.suppress(client.ApiException):
            return client.CoordinationV1Api(self.api.admin).read_namespaced_lease(
                f"swarmhost-{_NODE}", "decnet"
            )
        return None

    def requests(self) -> list[Any]:
        """All requests, oldest first."""
        found: list[Any] = self._certificates.list_certificate_signing_request().items
        return sorted(found, key=lambda it: it.metadata.creation_timestamp)

    def pending(self) -> Any:
        """The request that nobody has answered, or None."""
        return next((it for it in self.requests() if not it.status.conditions), None)

    def decide(self, request: Any, kind: str) -> None:
        """Approve or deny."""
        request.status.conditions = [
            client.V1CertificateSigningRequestCondition(
                type=kind, status="True", reason="Test", message="so it is"
            )
        ]
        self._certificates.replace_certificate_signing_request_approval(request.metadata.name, request)

    def sign(self, request: Any, seconds: float) -> str:
        """Approve and sign; gives the certificate's SHA-256."""
        self.decide(request, "Approved")
        asked = x509.load_pem_x509_csr(_pem(request.spec.request))
        now = datetime.datetime.now(datetime.UTC)
        issued = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(self.authority.certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(seconds=1))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
            .sign(self.authority._key, hashes.SHA256())
        )
        pem = issued.public_bytes(serialization.Encoding.PEM)
        body = [{"op": "add", "path": "/status/certificate", "value": base64.b64encode(pem).decode()}]
        self._certificates.patch_certificate_signing_request_status(request.metadata.name, body)
        return hashlib.sha256(issued.public_bytes(serialization.Encoding.DER)).hexdigest()


def _pem(value: Any) -> bytes:
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with api_server(tmp_path_factory.mktemp("kube")) as api:
        yield Cluster(api)


@contextlib.contextmanager
def _agent(cluster: Cluster, directory: Path, **settings: str) -> Iterator[int]:
    """Run the agent, on the machine's own LAN but with the filter off; gives its status port."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "DECNET_AGENT_NODE": _NODE,
        "DECNET_AGENT_KUBECONFIG": str(cluster.kubeconfig),
        "DECNET_AGENT_TLS_DIR": str(directory / "tls"),
        "DECNET_AGENT_HTTP_PORT": str(port),
        "DECNET_AGENT_HEARTBEAT_SECONDS": "0.5",
        "DECNET_AGENT_SWEEP_SECONDS": "0.5",
        "DECNET_AGENT_FILTER": "off",
        **{f"DECNET_AGENT_{name.upper()}": value for name, value in settings.items()},
    }
    process = subprocess.Popen([sys.executable, "-m", "decnet_node.agent.main"], env=environment)
    try:
        yield port
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def _eventually(what: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return result


def _page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_the_whole_enrolment(cluster: Cluster, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    with _agent(cluster, tmp_path) as port:
        lease = _eventually(cluster.lease)
        assert lease.spec.holder_identity == _NODE
        assert lease.spec.lease_duration_seconds == 40
        lan = json.loads(lease.metadata.annotations["decnet.io/lan"])
        assert lan.keys() == {"interface", "subnet", "gateway", "address", "mac", "drivers"}
        assert "macvlan" in lan["drivers"]
        state = json.loads(lease.metadata.annotations["decnet.io/agent"])
        assert (state["filter"], state["refused"]) == ("off", 0)
        _eventually(lambda: cluster.lease().spec.renew_time > lease.spec.renew_time)

        request = _eventually(cluster.pending)
        assert request.spec.signer_name == "decnet.io/swarmhost"
        assert request.spec.username == "system:serviceaccount:decnet:decnet-node"
        assert request.spec.extra["authentication.kubernetes.io/node-name"] == [_NODE]
        assert (request.spec.usages, request.spec.expiration_seconds) == (
            ["digital signature", "client auth"],
            30 * 86400,
        )
        status, text = _page(port, "/readyz")
        assert status == 503
        assert "certificate" in text
        first = cluster.sign(request, 3600)
        _eventually(lambda: _page(port, "/readyz")[0] == 200)
        assert {it.name: it.stat().st_mode & 0o777 for it in tls.iterdir()} == {
            "tls.key": 0o600,
            "tls.crt": 0o600,
            "ca.crt": 0o600,
        }
        held = x509.load_pem_x509_certificate((tls / "tls.crt").read_bytes())
        assert held.fingerprint(hashes.SHA256()).hex() == first
        assert b"PRIVATE" not in json.dumps(client.ApiClient().sanitize_for_serialization(request)).encode()
        assert "decnet_agent_certificate_good 1.0" in _page(port, "/metrics")[1]
    requests = len(cluster.requests())
    with _agent(cluster, tmp_path) as port:
        _eventually(lambda: _page(port, "/readyz")[0] == 200)
    assert len(cluster.requests()) == requests, "a restart asks for nothing"


def test_refused_then_asked_again_then_renewed(cluster: Cluster, tmp_path: Path) -> None:
    with _agent(cluster, tmp_path) as port:
        refused = _eventually(cluster.pending)
        key = (tmp_path / "tls" / "next.key").read_bytes()
        cluster.decide(refused, "Denied")
        _eventually(lambda: "so it is" in _page(port, "/readyz")[1])
    with _agent(cluster, tmp_path) as port:
        request = _eventually(cluster.pending)
        assert request.metadata.name != refused.metadata.name
        assert (tmp_path / "tls" / "next.key").read_bytes() != key
        first = cluster.sign(request, 10)
        renewal = _eventually(cluster.pending)
        assert renewal.metadata.name != request.metadata.name
        second = cluster.sign(renewal, 3600)
        assert first != second

        def renewed() -> bool:
            held = x509.load_pem_x509_certificate((tmp_path / "tls" / "tls.crt").read_bytes())
            return held.fingerprint(hashes.SHA256()).hex() == second

        _eventually(renewed)
        _eventually(lambda: _page(port, "/readyz")[0] == 200)


def test_a_restart_while_pending_keeps_the_request(cluster: Cluster, tmp_path: Path) -> None:
    with _agent(cluster, tmp_path):
        request = _eventually(cluster.pending)
    with _agent(cluster, tmp_path) as port:
        cluster.sign(request, 3600)
        _eventually(lambda: _page(port, "/readyz")[0] == 200)
    assert cluster.pending() is None


def test_without_an_api_server_it_lives_and_says_so(cluster: Cluster, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = tmp_path / "kubeconfig"
        url = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        away.write_text(cluster.kubeconfig.read_text().replace(cluster.api.url, url))
        with _agent(cluster, tmp_path, kubeconfig=str(away)) as port:
            _eventually(lambda: "no heartbeat" in _page(port, "/readyz")[1])
            assert _page(port, "/healthz") == (200, "ok\n")


def test_help_names_every_setting_and_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "decnet_node.agent.main", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for word in ("DECNET_AGENT_FILTER", "DECNET_AGENT_NODE", "install-cni", "filter", "lan"):
        assert word in shown
