"""Nodes that no Machine of a worker pool has made: no roll-out replaces them (docs/preflight.md#the-shoot)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualstack.gardener.model.names import POOL_LABEL
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

REMEDY = "remove the Node, and its VM if it has one"


def without_machine(nodes: Iterable[Manifest], machines: Sequence[Manifest]) -> dict[str, str]:
    """Why no roll-out replaces these Nodes, by name; the others are not in it.

    A Node has the name of its Machine, which machine-controller-manager deletes after it: the Machines must have been
    listed before the Nodes.
    """
    made = {machine["metadata"]["name"] for machine in machines}
    found = {}
    for node in nodes:
        name = node["metadata"]["name"]
        if dig(node, "metadata", "labels", POOL_LABEL) is None:
            found[name] = "belongs to no worker pool, so that no roll-out replaces it"
        elif name not in made:
            found[name] = "has no Machine of its name, so that no roll-out replaces it"
    return found


def never_dual_stack(nodes: Iterable[Manifest], machines: Sequence[Manifest]) -> dict[str, str]:
    """As `without_machine`, of the Nodes that have fewer than two pod CIDRs."""
    return without_machine((node for node in nodes if len(dig(node, "spec", "podCIDRs") or ()) < 2), machines)
