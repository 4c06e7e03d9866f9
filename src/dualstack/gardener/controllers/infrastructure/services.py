"""The services subnet: it holds no VM, and keeps the cloud from giving its /64 to anybody else (GB 4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.gardener.controllers.infrastructure import difference
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.reporting import Reporter
from dualstack.gce import ComputeClient
from dualstack.gce.pacing import Pace


@dataclass(frozen=True, slots=True)
class ServicesSubnet:
    """The services subnet of one Shoot."""

    compute: ComputeClient
    desired: Desired
    reporter: Reporter
    pace: Pace

    async def ensure(self, network: str) -> None:
        """There and dual-stack; `network` is the VPC's selfLink. No request that changes anything if it is."""
        path = self.desired.subnet_path(self.desired.services_subnet)
        found = await self.compute.find(path)
        if found is None:
            with self.reporter.step("create-services-subnet", self.desired.services_subnet):
                body = self.desired.services_body(network)
                await self.compute.post(self.desired.regional("subnetworks"), body, pace=self.pace)
            return
        for change in difference.stack_type_changes(found):
            await self.compute.patch(path, change.body | {"fingerprint": found["fingerprint"]}, pace=self.pace)
