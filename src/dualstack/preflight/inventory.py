"""What the preflight has read: each source is a list of resources, or the error that it was refused with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from dualstack.cni.interface import SystemObjects
from dualstack.gce import Resource
from dualstack.gce.errors import NotFound
from dualstack.gce.resources import first_interface, last_segment, same_resource
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.errors import DualstackError
from dualstack.plan.automatic import NetworkFacts
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import DEFAULT, STRATEGIES
from dualstack.plan.strategies.base import Strategy

Source = Literal[
    "cluster state",
    "network",
    "project",
    "subnetworks",
    "routes",
    "firewalls",
    "addresses",
    "routers",
    "router status",
    "peering routes",
    "instances",
    "forwarding rules",
    "region",
    "machine types",
    "machine metadata",
    "permissions",
    "effective firewalls",
    "kubernetes permissions",
    "nodes",
    "services",
    "deployments",
    "daemon sets",
    "control plane pods",
    "config maps",
    "ip pools",
    "network policies",
    "policies of the CNI",
    "webhooks",
    "disruption budgets",
    "config connector",
    "shoot",
    "seed objects",
]
"""`cluster state` is what a cut-over observes (`CutoverFacts`); the others are reads of Compute.

`machine types`: those of the cluster's VMs. `machine metadata`: of one VM of each pool. `permissions`: for some
resources `{"object", "missing"}`, with the permissions that the caller lacks. `effective firewalls`: the rules and
policies that apply to one VM of each pool, with the name of the pool as `pool`; read for a live cluster only.
`kubernetes permissions`: as `permissions`, for some kinds of objects. The sources after it are objects of a live
cluster; `daemon sets`, `control plane pods` and `config maps` are those of kube-system, the latter only with the names
that `dualstack.live.reading` has. `shoot` and `seed objects`: `{"object", "evidence"}` of each obstacle; absent where
the user has not given access to them.
"""

Answer = list[Resource] | DualstackError


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that the checks look at. Properties raise the error of a source that could not be read.

    strategy: the one that the migration is going to use. planned_firewalls: names of the firewall rules that it
    creates. prober_image: image of the pods of the decoy check, empty when none is configured. guest_agent: what shows
    that the guest agent of the nodes leaves alias ranges alone, empty when the platform shows nothing. platform: what
    manages a live cluster, empty for others. now: seconds since the epoch, 0 where no check needs it.
    """

    cluster: Cluster
    observed: CutoverFacts | DualstackError
    answers: Mapping[Source, Answer]
    strategy: Strategy = STRATEGIES[DEFAULT]
    settings: Settings = field(default_factory=Settings)
    planned_firewalls: tuple[str, ...] = ()
    prober_image: str = ""
    guest_agent: str = ""
    deleted_elsewhere: bool = False
    """Whether another program is going to delete the routes, all at once."""
    platform: str = ""
    now: float = 0.0

    @property
    def facts(self) -> CutoverFacts:
        """The state of the cluster."""
        if isinstance(self.observed, DualstackError):
            raise self.observed
        return self.observed

    def of(self, source: Source) -> list[Resource]:
        """What was read of `source`, of all networks."""
        answer = self.answers[source]
        if isinstance(answer, DualstackError):
            raise answer
        return answer

    @property
    def system_objects(self) -> SystemObjects:
        """What shows the CNI and who masquerades pods; a read raises the error of its source."""
        return SystemObjects(*(partial(self.of, source) for source in ("daemon sets", "config maps", "ip pools")))

    @property
    def network(self) -> Resource:
        """The VPC network."""
        (network,) = self.of("network")
        return network

    @property
    def link(self) -> str:
        """The selfLink of the VPC network."""
        return str(self.network["selfLink"])

    def in_network(self, source: Source) -> list[Resource]:
        """What was read of `source`, of the cluster's network only."""
        link = self.link
        return [found for found in self.of(source) if same_resource(found.get("network") or "", link)]

    def subnet(self, name: str) -> Resource | None:
        """The subnet of this name in the cluster's network and region; None when there is none."""
        found = (subnet for subnet in self.in_network("subnetworks") if self.is_subnet(subnet, name))
        return next(found, None)

    def is_subnet(self, subnet: Resource, name: str) -> bool:
        """Whether it is the subnet of this name in the cluster's region."""
        return bool(subnet["name"] == name and last_segment(subnet["region"]) == self.cluster.region)

    @property
    def nodes_subnet(self) -> Resource:
        """The subnet of the nodes."""
        subnet = self.subnet(self.cluster.nodes_subnet)
        if subnet is None:
            raise NotFound("notFound", f"subnet {self.cluster.nodes_subnet} is not in network {self.cluster.network}")
        return subnet

    @property
    def subnets(self) -> list[Resource]:
        """Those subnets of the cluster that exist: nodes, services and internal. NotFound without nodes subnet."""
        found = (self.subnet(name) for name in self.cluster.subnets if name != self.cluster.nodes_subnet)
        return [self.nodes_subnet, *(subnet for subnet in found if subnet is not None)]

    def machines(self, pool: NodePool) -> list[Resource]:
        """The VMs of a pool, by their names."""
        return [
            instance
            for instance in self.of("instances")
            if instance["name"].startswith(pool.vm_name_prefixes or self.cluster.vm_name_prefixes)
            and same_resource(first_interface(instance).get("network") or "", self.link)
        ]

    @property
    def interfaces(self) -> list[Resource]:
        """The interfaces of all VMs in the network, of all clusters."""
        link = self.link
        return [
            interface
            for instance in self.of("instances")
            for interface in instance.get("networkInterfaces") or ()
            if same_resource(interface.get("network") or "", link)
        ]

    @property
    def static_routes(self) -> list[Resource]:
        """The static routes of the network, of all clusters."""
        return [
            route
            for route in self.in_network("routes")
            if not route.get("nextHopNetwork") and not route.get("nextHopPeering")
        ]

    @property
    def usage(self) -> NetworkFacts:
        """What counts against the limits of hybrid subnets (docs/reference/cut-over.md#pre-size).

        `forwarding_rules` is None when they could not be read.
        """
        link, rules = self.link, self.answers["forwarding rules"]
        return NetworkFacts(
            interfaces=len(self.interfaces),
            surge=self.cluster.surge,
            custom_routes=len(self.static_routes),
            hybrid_subnets=sum(
                bool(subnet.get("allowSubnetCidrRoutesOverlap"))
                and not self.is_subnet(subnet, self.cluster.nodes_subnet)
                for subnet in self.in_network("subnetworks")
            ),
            forwarding_rules=None
            if isinstance(rules, DualstackError)
            else sum(
                # Of internal passthrough load balancers; proxies have the scheme INTERNAL_MANAGED.
                rule.get("loadBalancingScheme") == "INTERNAL" and same_resource(rule.get("network") or "", link)
                for rule in rules
            ),
        )
