"""What the tasks of one flow share, and the status that they produce (docs/reference/gardener.md#published-status)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from dualstack.gardener.model.infrastructure import (
    NODES_SUBNET_IPV6,
    RESOURCES_EXIST,
    SERVICE_ACCOUNT_EMAIL,
    SERVICES_SUBNET_IPV6,
    InfrastructureState,
    InfrastructureStatus,
    NatIP,
    NetworkStatus,
    SavedRoute,
    StatusRouter,
    StatusVPC,
    Subnet,
    state_of,
)
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.model import cidr
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.actors.refusals import KubeRefusal

_log = logging.getLogger(__name__)


@dataclass
class Whiteboard:
    """The resources that tasks found, and the part of the status that is persisted after each task.

    Saved routes of an earlier reconcile are not read: upstream decodes them into a type that no task looks for
    (docs/reference/weaknesses.md#w11).
    """

    kube: KubeApi
    infrastructure: Manifest
    data: dict[str, str] = field(init=False)
    routes: list[SavedRoute] = field(default_factory=list)
    network: Resource = field(default_factory=dict)
    nodes: Resource = field(default_factory=dict)
    services: Resource = field(default_factory=dict)
    router: Resource = field(default_factory=dict)
    addresses: list[Resource] = field(default_factory=list)
    _written: Any = field(init=False)

    def __post_init__(self) -> None:
        self._written = dig(self.infrastructure, "status", "state") or {}
        self.data = dict(state_of(self._written).data)

    @property
    def prefixes(self) -> list[str]:
        """The IPv6 prefixes of nodes and services that are known, as Compute spells them."""
        return [self.data[key] for key in (NODES_SUBNET_IPV6, SERVICES_SUBNET_IPV6) if self.data.get(key)]

    async def persist(self) -> None:
        """Write the state; a refusal is only logged (docs/reference/weaknesses.md#w12)."""
        state = self.state()
        if state == self._written:
            return
        gone = dict.fromkeys(self._written.keys() - state.keys())
        metadata = self.infrastructure["metadata"]
        body = {"status": {"state": {**gone, **state}}}
        try:
            await self.kube.patch(INFRASTRUCTURE, metadata["name"], body, metadata["namespace"], subresource="status")
        except KubeRefusal as refusal:
            _log.debug("persisting the state of %s: %s", metadata["name"], refusal)
        else:
            self._written = state

    def state(self) -> Manifest:
        """`status.state`."""
        return InfrastructureState(data=self.data, routes=tuple(self.routes)).to_raw()

    def status(self, bodies: Bodies) -> Manifest:
        """The fields of the status after a success."""
        return {
            "providerStatus": self._provider_status(bodies).to_raw(),
            "networking": self._networking(bodies),
            "egressCIDRs": self._egress(),
        }

    def _provider_status(self, bodies: Bodies) -> InfrastructureStatus:
        ns, dual = bodies.ns, bodies.shoot.dual_stack_infrastructure
        there = {"nodes": True, "internal": bool(bodies.config.networks.internal), "services": dual}
        purposes = [purpose for purpose, wanted in there.items() if wanted]
        return InfrastructureStatus(
            networks=NetworkStatus(
                vpc=StatusVPC(name=bodies.vpc, cloud_router=StatusRouter(name=bodies.router_name)),
                subnets=tuple(Subnet(name=f"{ns}-{purpose}", purpose=purpose) for purpose in purposes),
                nat_ips=tuple(NatIP(ip=address["address"]) for address in self.addresses),
                ipfamilies=("IPv4", "IPv6") if dual else bodies.shoot.families,
            ),
            service_account_email=self.data.get(SERVICE_ACCOUNT_EMAIL, ""),
        )

    def _networking(self, bodies: Bodies) -> Manifest:
        shoot = bodies.shoot
        nodes, pods, services = [shoot.nodes], [shoot.pods], [shoot.services]
        if prefix := self.data.get(NODES_SUBNET_IPV6):
            nodes.append(cidr.canonical(prefix))
            pods.append(cidr.canonical(prefix))
        if prefix := self.data.get(SERVICES_SUBNET_IPV6):
            services.append(cidr.services_range(prefix))
        return {"nodes": nodes, "pods": pods, "services": services}

    def _egress(self) -> list[str]:
        ranges = [f"{address['address']}/32" for address in self.addresses]
        prefix = self.data.get(NODES_SUBNET_IPV6)
        return [*ranges, cidr.canonical(prefix)] if ranges and prefix else ranges


def resources_exist(data: dict[str, str]) -> bool:
    """Whether a deletion has anything to delete."""
    return data.get(RESOURCES_EXIST, "").lower() == "true"
