"""The installation's secrets: certificate authority, listener certificate, seed."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime

from decnet_operator.domain import pki
from decnet_operator.kube.client import CONFIG_MAP, SECRET
from decnet_operator.reconcile.state import State
from decnet_operator.specs import secrets as specs

log = logging.getLogger(__name__)


async def ensure_secrets(state: State) -> None:
    """Make what is missing, renew the listener's certificate when it is due, write nothing else.

    Raises KubeError, and PkiError when the authority in the cluster cannot be used; it is never replaced, since every
    node's certificate would end with it.
    """
    namespace, now = state.settings.namespace, datetime.now(UTC)
    state.install_secret = await _seed(state)
    authority = await _authority(state, now)
    await _config_map(state, authority)
    names = specs.listener_names(namespace)
    listener = await state.kube.get(SECRET, namespace, specs.LISTENER) or {}
    why = pki.listener_due(specs.pair_of(listener), authority, names, now)
    if not why and specs.value_of(listener, "ca.crt") != authority.certificate:
        why = "it comes with another authority"
    if why:
        pair = pki.make_listener(authority, names, now)
        await state.kube.apply(SECRET, specs.listener_secret(namespace, pair, authority))
        log.info("the listener has a new certificate: %s", why)
    state.authority = authority


async def _seed(state: State) -> bytes:
    namespace = state.settings.namespace
    found = await state.kube.get(SECRET, namespace, specs.SEED)
    if found is not None and (seed := specs.value_of(found, "seed")):
        return seed
    seed = secrets.token_bytes(32)
    await state.kube.apply(SECRET, specs.seed_secret(namespace, seed))
    return seed


async def _authority(state: State, now: datetime) -> pki.KeyPair:
    namespace = state.settings.namespace
    found = await state.kube.get(SECRET, namespace, specs.AUTHORITY)
    if found is not None and found.get("data"):
        pair = specs.pair_of(found)
        pki.require_authority(pair, now)
        return pair
    pair = pki.make_authority(now)
    await state.kube.apply(SECRET, specs.authority_secret(namespace, pair))
    log.info("made a certificate authority")
    return pair


async def _config_map(state: State, authority: pki.KeyPair) -> None:
    wanted = specs.authority_config_map(state.settings.namespace, authority)
    found = await state.kube.get(CONFIG_MAP, state.settings.namespace, specs.AUTHORITY)
    if found is None or (found.get("data") or {}).get("ca.crt") != wanted["data"]["ca.crt"]:
        await state.kube.apply(CONFIG_MAP, wanted)
