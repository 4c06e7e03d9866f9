"""A cluster that was prepared for a migration while it is IPv4-only (docs/reference/gardener.md#prepared-clusters)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack.clock import Clock
from dualstack.model import names
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.world.nodes import WorldNode

AT_ONCE, WINDOW = 500, 60.0
"""VMs that are changed in one quota window, and its seconds."""


async def prepare(
    compute: Compute, clock: Clock, *, region: str, subnet: str, pods: str, nodes: Sequence[WorldNode]
) -> None:
    """Set the overlap flag of the nodes subnet, add the pod range, and give each VM its pod CIDR as an alias.

    Routes stay.
    """
    await _patch(compute, region, subnet, allowSubnetCidrRoutesOverlap=True)
    pod_range = {"rangeName": names.POD_RANGE_NAME, "ipCidrRange": pods}
    await _patch(compute, region, subnet, secondaryIpRanges=[pod_range])
    for number, node in enumerate(nodes):
        if number and number % AT_ONCE == 0:
            await clock.sleep(WINDOW)
        scope = f"zones/{node.zone}"
        interface = (await compute.answer("instances.get", scope, node.name))["networkInterfaces"][0]
        alias = {"ipCidrRange": node.pod_cidr, "subnetworkRangeName": names.POD_RANGE_NAME}
        await compute.answer(
            "instances.updateNetworkInterface",
            scope,
            node.name,
            query={"networkInterface": interface["name"]},
            body={"aliasIpRanges": [alias], "fingerprint": interface["fingerprint"]},
        )
    compute.finish()


async def _patch(compute: Compute, region: str, name: str, **change: Any) -> None:
    scope = f"regions/{region}"
    subnet = await compute.answer("subnetworks.get", scope, name)
    body = {"fingerprint": subnet["fingerprint"], **change}
    await compute.answer("subnetworks.patch", scope, name, body=body)
    compute.finish()
