"""Getting and renewing this node's certificate through the Kubernetes CSR API.

Level-triggered: `step` looks at the files and the server, does the next thing, and says when to look
again. A restart at any point goes on with the same key and so with the same request.
"""

from __future__ import annotations

import datetime
import logging
import time

from decnet_node.agent import certificate
from decnet_node.agent.certificate import UnfitCertificateError
from decnet_node.agent.kube import ApiError, Kube
from decnet_node.agent.settings import AgentSettings
from decnet_node.agent.tls_files import TlsFiles

log = logging.getLogger(__name__)

_PENDING_SECONDS = 2.0
_STEADY_SECONDS = 30.0
_REFUSED_SECONDS = 60.0
_PIN_SECONDS = 90.0


class Enrolment:
    """The certificate of one node. `problem` is empty while there is a good one."""

    def __init__(self, settings: AgentSettings, kube: Kube) -> None:
        self._settings = settings
        self._kube = kube
        self._files = TlsFiles(settings.tls_dir)
        self._unpinned_since: float | None = None
        self.problem = "no certificate yet"
        self.expires_in = 0.0

    async def step(self) -> float:
        """Do what is due; gives the seconds until the next look. Failures become `problem`."""
        try:
            return await self._step()
        except (ApiError, UnfitCertificateError, OSError) as error:
            if str(error) != self.problem:
                log.warning("certificate: %s", error)
            self.problem = str(error)
            return _PENDING_SECONDS * 2

    async def _step(self) -> float:
        authority = await self._kube.config_map(self._settings.ca_config_map, "ca.crt")
        if not authority:
            self.problem = f"ConfigMap {self._settings.ca_config_map} has no ca.crt"
            return _PENDING_SECONDS
        self._files.write("ca.crt", authority)
        now = datetime.datetime.now(datetime.UTC)
        try:
            issued, key = self._files.read("tls.crt"), self._files.read("tls.key")
            renew_at = certificate.check(issued, key, authority, self._settings.node, now)
            self.problem = ""
        except UnfitCertificateError as error:
            renew_at = now
            self.problem = str(error)
        if renew_at > now and not await self._left_unpinned():
            return min(_STEADY_SECONDS, (renew_at - now).total_seconds())
        return await self._renew(authority, now)

    async def _left_unpinned(self) -> bool:
        """Whether the operator has not pinned this certificate for so long that it never will.

        So a node that was decommissioned and enrolled again asks anew, although its old certificate is fine.
        """
        pinned = await self._kube.pinned(self._settings.node)
        if pinned is None or pinned == certificate.fingerprint(self._files.read("tls.crt")):
            self._unpinned_since = None
            return False
        if self._unpinned_since is None:
            self._unpinned_since = time.monotonic()
        return time.monotonic() - self._unpinned_since > _PIN_SECONDS

    async def _renew(self, authority: bytes, now: datetime.datetime) -> float:
        """Make, watch and fetch the request for the next certificate."""
        key = self._files.read("next.key")
        if not key:
            key = certificate.new_key()
            self._files.write("next.key", key)
        node = self._settings.node
        try:
            name = f"swarmhost-{node}-{certificate.key_id(key)}"
        except UnfitCertificateError:
            self._files.remove("next.key")
            raise
        state = await self._kube.request_state(name)
        if state is None:
            request = certificate.signing_request(key, node)
            seconds = self._settings.certificate_seconds
            await self._kube.make_request(name, self._settings.signer, request, seconds)
            log.info("asked %s for a certificate: request %s", self._settings.signer, name)
            return _PENDING_SECONDS
        if state.refused:
            self._files.remove("next.key")  # the next request has another key and so another name
            self.problem = f"request {name} was refused: {state.refused}"
            log.warning("%s", self.problem)
            return _REFUSED_SECONDS
        if not state.certificate:
            self.problem = self.problem and f"request {name} is not approved yet"
            return _PENDING_SECONDS
        try:
            certificate.check(state.certificate, key, authority, node, now)
        except UnfitCertificateError as error:
            self._files.remove("next.key")
            self.problem = f"request {name} gave an unfit certificate: {error}"
            log.warning("%s", self.problem)
            return _REFUSED_SECONDS
        self._install(key, state.certificate)
        return _PENDING_SECONDS  # the next look finds out when to renew

    def _install(self, key: bytes, issued: bytes) -> None:
        self._files.write("tls.key", key)
        self._files.write("tls.crt", issued)
        self._files.remove("next.key")
        self._unpinned_since = None
        self.problem = ""
        log.info("new certificate, sha256 %s", certificate.fingerprint(issued))
