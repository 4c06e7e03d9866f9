"""kopf as the eyes of the operator: it watches and calls; it writes nothing and decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import kopf

from dualstack.gardener.model.kinds import CONTROL_PLANE, INFRASTRUCTURE, NETWORK, SHOOT, WORKER
from dualstack.kube.connection import Connection
from dualstack.model.kinds import NODE, Kind, Manifest
from dualstack.operator.interest import ExtensionInterest, NodeInterest, ShootInterest, key_of
from dualstack.operator.queue import Key

EXTENSIONS = {INFRASTRUCTURE: "infrastructure", CONTROL_PLANE: "controlplane", NETWORK: "network", WORKER: "worker"}
"""The extension kinds and the controllers that reconcile them."""


class Watches:
    """Registers what is watched, and turns events into keys."""

    def __init__(self, add: Callable[[Key], None], connection: Connection, on_shoot: Callable[[], None]) -> None:
        self._add = add
        self._connection = connection
        self._on_shoot = on_shoot
        self._shoots = ShootInterest()
        self._extensions = ExtensionInterest()
        self._nodes = NodeInterest()

    def registry(self) -> kopf.OperatorRegistry:
        """kopf's registry with event handlers only: those need no finalizers and keep no state in annotations."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        self._watch(registry, SHOOT, self._shoot)
        self._watch(registry, NODE, self._node)
        for kind in EXTENSIONS:
            self._watch(registry, kind, self._extension)
        return registry

    def settings(self) -> kopf.OperatorSettings:
        """No posting of events, no peering objects, patient watches."""
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.scanning.disabled = True
        settings.watching.server_timeout = 600
        settings.watching.reconnect_backoff = 0.5
        settings.process.ultimate_exiting_timeout = None
        settings.queueing.idle_timeout = 1.0
        return settings

    def _watch(
        self, registry: kopf.OperatorRegistry, kind: Kind, handle: Callable[[str | None, Manifest], None]
    ) -> None:
        async def handler(event: Any, **_: Any) -> None:
            handle(event["type"], _manifest(event["object"], kind))

        kopf.on.event(kind.group, kind.version, kind.plural, id=f"watch-{kind.plural}", registry=registry)(handler)

    def _shoot(self, change: str | None, found: Manifest) -> None:
        self._on_shoot()
        if change == "DELETED":
            self._shoots.forget(found)
        elif self._shoots.wakes(found):
            self._add(key_of("shoot", found))

    def _extension(self, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            self._extensions.forget(found)
        elif self._extensions.wakes(found):
            controller = next(name for kind, name in EXTENSIONS.items() if kind.kind == found["kind"])
            self._add(key_of(controller, found))

    def _node(self, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            self._nodes.forget(found)
        elif not self._nodes.wakes(found):
            return
        if change is not None:
            for key in self._shoots.known():
                self._add(key)

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        connection = self._connection
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_path=connection.certificate_authority,
            ca_data=connection.certificate_authority_data,
            insecure=connection.insecure or None,
            username=connection.username,
            password=connection.password,
            token=connection.token,
            certificate_path=connection.client_certificate,
            certificate_data=connection.client_certificate_data,
            private_key_path=connection.client_key,
            private_key_data=connection.client_key_data,
            trust_env=not connection.is_loopback,
        )


def quiet_kopf() -> None:
    """Only what goes wrong: kopf reports every handler call otherwise."""
    for name in ("kopf", "kopf.objects", "kopf._core"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _manifest(found: Any, kind: Kind) -> Manifest:
    """A plain dict that knows its kind; items of lists do not say it."""
    return {**dict(found), "kind": kind.kind, "apiVersion": kind.api_version}
