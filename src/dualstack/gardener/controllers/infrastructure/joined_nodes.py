"""Gives nodes that join after the cut-over their alias, as long as VMs without one may become nodes.

Also while the Shoot is Failed: a cut-over that rests with flag and range, such as one whose flag cannot be cleared, has
stopped the route controller, so that nothing else serves a node that joins. No object of the Shoot is changed for it
(docs/reference/gardener.md#failed-shoot).

Until the machine classes are new, some minutes after the cut-over or longer where another program renders them, each
new VM has neither a route nor an alias, and no reconcile of the Infrastructure is due. The operator watches the Nodes
meanwhile (`dualstack.operator.shoot_nodes`). A node with two pod CIDRs got them from its VM, hence from a new class.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.cutover.cut_over import is_final
from dualstack.gardener.controllers.infrastructure.migration import Migration
from dualstack.gardener.model.names import FOLLOWED
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig

RETRY, LONG_RETRY = 10.0, 300.0
"""Seconds until a node whose alias was refused is tried again: at all, and after an error that only a person or another
program can remove."""


@dataclass(frozen=True, slots=True)
class JoinedNodes:
    """The nodes of one Shoot whose cut-over has ended; or has failed for good, where it rests with the range."""

    migration: Migration
    ended: bool

    async def run(self) -> float | None:
        """Add the missing aliases. Returns the seconds until the next try, or None: the watch shows nodes that join."""
        migration = self.migration
        if not migration.shoot.dual_stack or await self._all_new():
            await migration.record.annotate(FOLLOWED, None)
            return None
        try:
            if self.ended:
                await migration.cut_over(keeps_controller=True).follow()
            else:
                await migration.cut_over().serve_joined()
        except DualstackError as error:
            message = f"nodes that have joined stay without connectivity until they have their alias: {error}"
            await migration.events.announce_again("AliasMissing", message, series=message, kind="Warning")
            return LONG_RETRY if is_final(error) else RETRY
        return None

    async def _all_new(self) -> bool:
        """Whether every Node has two pod CIDRs, and no Machine is still to become one."""
        machines, nodes = await self.migration.clusters.machines_and_nodes(self.migration.desired.ns)
        joined = {node["metadata"]["name"] for node in nodes}
        return (
            bool(nodes)
            and all(len(dig(node, "spec", "podCIDRs") or ()) == 2 for node in nodes)
            and all(machine["metadata"]["name"] in joined for machine in machines)
        )
