"""Turns the changes of watched objects into keys of the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dualstack.gardener.model.kinds import CONTROL_PLANE, INFRASTRUCTURE, NETWORK, SHOOT, WORKER
from dualstack.kube.watching import Handle
from dualstack.model.kinds import NODE, Kind, Manifest
from dualstack.operator.interest import ExtensionInterest, NodeInterest, ShootInterest, key_of
from dualstack.operator.queue import Key

EXTENSIONS = {INFRASTRUCTURE: "infrastructure", CONTROL_PLANE: "controlplane", NETWORK: "network", WORKER: "worker"}
"""The extension kinds and the controllers that reconcile them."""


class Watches:
    """The watched kinds, and the keys that their changes add."""

    def __init__(self, add: Callable[[Key], None]) -> None:
        self._add = add
        self._shoots = ShootInterest()
        self._extensions = ExtensionInterest()
        self._nodes = NodeInterest()

    def handlers(self) -> Mapping[Kind, Handle]:
        """The watched kinds with their handlers."""
        return {SHOOT: self._shoot, NODE: self._node, **dict.fromkeys(EXTENSIONS, self._extension)}

    def _shoot(self, change: str | None, found: Manifest) -> None:
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
