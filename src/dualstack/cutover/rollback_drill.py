"""The rollback drill: a temporary route shows whether the cloud accepts a static route inside the range.

The sources disagree (docs/reference/cut-over.md#k1). If the cloud refuses it, deleted routes cannot be created again
while the range exists, and the cut-over cannot be rolled back without loss once the first route is deleted.
"""

from __future__ import annotations

from dualstack.cutover.temporary_routes import TemporaryRoutes
from dualstack.gce import ComputeClient
from dualstack.gce.errors import ComputeRefusal
from dualstack.model import names
from dualstack.model.cluster import Cluster
from dualstack.model.errors import GateFailed
from dualstack.plan.blocks import unused_block
from dualstack.plan.facts import CutoverFacts

DESCRIPTION = "dualstack-rollback-drill"


class RollbackDrill:
    """For one cluster. A route that an interrupted drill leaves behind is found by name and removed first."""

    def __init__(self, compute: ComputeClient, cluster: Cluster) -> None:
        self._compute = compute
        self._cluster = cluster

    async def run(self, facts: CutoverFacts, network: str) -> None:
        """Create the route and delete it. Raises GateFailed with the cloud's message when it is refused."""
        block = unused_block(facts)
        vm = next((node for node in facts.node_of.values() if node.running), None)
        if block is None or vm is None:
            raise GateFailed("the rollback drill needs a running VM and an unused block of the pod CIDR")
        instance = self._cluster.instance(vm.zone, vm.name)
        try:
            routes = drill_routes(self._cluster, network)
            await routes.make(self._compute, drill_name(self._cluster.name), block, instance)
        except ComputeRefusal as error:
            if error.retry_after is not None:
                raise
            raise GateFailed(
                f"the cloud refuses a static route inside the range ({error}), so deleted routes cannot be "
                "created again without loss while the range exists"
            ) from error
        await self.clean(network)

    async def clean(self, network: str) -> None:
        """Delete the temporary route. A missing route is not an error."""
        await drill_routes(self._cluster, network).remove(self._compute)


def drill_name(ns: str) -> str:
    """The name of the temporary route, one for each cluster."""
    return names.route_prefix(ns) + "rollback-drill"


def drill_routes(cluster: Cluster, network: str) -> TemporaryRoutes:
    """The temporary route, with what proves that it is this cluster's; `network` is a link."""
    return TemporaryRoutes((drill_name(cluster.name),), DESCRIPTION, network, cluster.pods, cluster.vm_name_prefixes)
