"""What a controller of sets listens to: its own objects, and those that they own."""

from __future__ import annotations

from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.api import ObjectKey, key_of
from dualstack_sim.actors.informer import Handler
from dualstack_sim.actors.pods import controller_of
from dualstack_sim.actors.workqueue import Workqueue

_SOON = 0.5
"""Seconds in which the changes of several owned objects become one look at their owner."""


def on_change(queue: Workqueue[ObjectKey]) -> Handler:
    """A handler that queues every object that is there."""

    def changed(_old: Manifest | None, new: Manifest | None) -> None:
        if new is not None:
            queue.add(key_of(new))

    return changed


def on_owned_change(queue: Workqueue[ObjectKey], owner: Kind) -> Handler:
    """A handler that queues, a little later, the controlling owner of that kind of whatever changes or goes."""

    def changed(old: Manifest | None, new: Manifest | None) -> None:
        owned = new or old
        if owned is None:
            return
        kind, name = controller_of(owned)
        if kind == owner.kind:
            queue.add_soon((owned["metadata"]["namespace"], name), _SOON)

    return changed
