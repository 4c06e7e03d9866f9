"""The cluster as the cut-over, the preflight and the checks know it: names and ranges, whatever manages it."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.model.names import POD_RANGE_NAME


@dataclass(frozen=True, slots=True)
class NodePool:
    """A group of nodes that are replaced together. `surge`: nodes that may exist in addition during a roll-out.

    vm_name_prefixes: how the names of VMs begin that were created for this pool. nodes: how many Nodes it has; 0 when
    that is not known.
    """

    name: str
    zones: tuple[str, ...]
    surge: int = 1
    vm_name_prefixes: tuple[str, ...] = ()
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster in one region of one project. CIDRs are IPv4.

    name: as cloud-controller-manager gets it by `--cluster-name`; names of routes begin with it. network: name of the
    VPC network. nodes: primary range of the nodes subnet, empty when it is not known. vm_name_prefix: how the names of
    all its VMs begin; empty when nothing is known about them. internal_subnet, internal: the subnet of internal load
    balancers and its range; empty when the cluster has none.
    """

    name: str
    project: str
    region: str
    network: str
    nodes_subnet: str
    nodes: str
    pods: str
    services_subnet: str
    services: str
    pools: tuple[NodePool, ...] = ()
    vm_name_prefix: str = ""
    pod_range_name: str = POD_RANGE_NAME
    internal_subnet: str = ""
    internal: str = ""

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones of all pools, sorted."""
        return tuple(sorted({zone for pool in self.pools for zone in pool.zones}))

    @property
    def vm_name_prefixes(self) -> tuple[str, ...]:
        """How the names of its VMs begin: the common prefix, else those of the pools, else any name."""
        of_pools = tuple(prefix for pool in self.pools for prefix in pool.vm_name_prefixes)
        return (self.vm_name_prefix,) if self.vm_name_prefix else of_pools or ("",)

    @property
    def subnets(self) -> dict[str, str]:
        """The range that each of its subnets has or is going to have, by name; empty when it is not known."""
        found = {self.nodes_subnet: self.nodes, self.services_subnet: self.services}
        return found | ({self.internal_subnet: self.internal} if self.internal_subnet else {})

    @property
    def surge(self) -> int:
        """Nodes that may exist in addition while all pools are replaced."""
        return sum(pool.surge for pool in self.pools)

    @property
    def nodes_subnet_path(self) -> str:
        """The path of the nodes subnet below the project."""
        return f"regions/{self.region}/subnetworks/{self.nodes_subnet}"

    @property
    def pod_range(self) -> dict[str, str]:
        """The secondary range for pods, as Compute takes it."""
        return {"rangeName": self.pod_range_name, "ipCidrRange": self.pods}

    def instance(self, zone: str, name: str) -> str:
        """The partial URL of one of its VMs."""
        return f"projects/{self.project}/zones/{zone}/instances/{name}"
