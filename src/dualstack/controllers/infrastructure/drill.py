"""The rollback drill: does the cloud take a static route inside the range? A throwaway route tells (cutover.md 4.4).

The API's text says no (R2), a report from the field says yes (R3). If it is no, deleted routes cannot come back while
the range is there, and the cut-over cannot be taken back without loss once the first route is gone.
"""

from __future__ import annotations

from dualstack.controllers.infrastructure.desired import Desired
from dualstack.controllers.infrastructure.throwaways import Throwaways
from dualstack.errors import GateFailed
from dualstack.gce import ComputeClient
from dualstack.gce.errors import ComputeRefusal
from dualstack.gce.pacing import Pace
from dualstack.model import names
from dualstack.plan.blocks import unused_block
from dualstack.plan.facts import CutoverFacts

DESCRIPTION = "dualstack-rollback-drill"


class Drill:
    """For one Shoot. What it leaves behind when it is cut off is found by its name and removed before anything else."""

    def __init__(self, compute: ComputeClient, desired: Desired, pace: Pace) -> None:
        self._compute = compute
        self._desired = desired
        self._pace = pace

    async def run(self, facts: CutoverFacts, network: str) -> None:
        """Create the route and delete it again. GateFailed with the cloud's words when it is refused."""
        block = unused_block(facts)
        vm = next((node for node in facts.node_of.values() if node.running), None)
        if block is None or vm is None:
            raise GateFailed("the rollback drill needs a running VM and an unused block of the pod CIDR")
        instance = f"projects/{self._desired.project}/zones/{vm.zone}/instances/{vm.name}"
        try:
            routes = drill_routes(self._desired, network)
            await routes.make(self._compute, drill_name(self._desired.ns), block, instance, self._pace)
        except ComputeRefusal as error:
            if error.retry_after is not None:
                raise
            raise GateFailed(
                f"the cloud refuses a static route inside the range ({error}), so that deleted routes cannot be "
                "created again without loss while the range is there"
            ) from error
        await self.clean(network)

    async def clean(self, network: str) -> None:
        """Delete the throwaway route; if it is gone already, that is no error."""
        await drill_routes(self._desired, network).remove(self._compute, self._pace)


def drill_name(ns: str) -> str:
    """The name of the throwaway route, one for each cluster."""
    return names.route_prefix(ns) + "rollback-drill"


def drill_routes(desired: Desired, network: str) -> Throwaways:
    """The throwaway route, by what proves it to be this cluster's; `network` is a link."""
    return Throwaways((drill_name(desired.ns),), DESCRIPTION, network, desired.pods, f"{desired.ns}-")
