"""setLabels of disks and addresses; a VM, which other changes may meet meanwhile, has its own (compute-api.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable

from dualstack_sim.compute.api.bodies import accept, accept_labels
from dualstack_sim.compute.api.errors import condition_not_met
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.project import Call, Project


def labels_setter(project: Project, collection: str) -> Callable[[Call], Work]:
    """The method that replaces the labels of a resource; it needs the fingerprint of the present ones."""
    inventory = project.inventory

    def set_labels(call: Call) -> Work:
        key = inventory.canonical(Key(collection, call.scope, call.name))
        project.require_idle(key)
        resource = inventory.get(key)
        body = accept(call.body, {"labels": dict, "labelFingerprint": str})
        if body.get("labelFingerprint") != resource["labelFingerprint"]:
            raise condition_not_met("Labels fingerprint either invalid or resource labels have changed")
        change = {
            "labels": accept_labels(body.get("labels", {}), "labels"),
            "labelFingerprint": inventory.fingerprint(key, "labels"),
        }
        return Work(key, resource["id"], "setLabels", lambda at: inventory.put(at, key, inventory.get(key) | change))

    return set_labels
