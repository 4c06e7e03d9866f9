"""The kinds of clusters that a world can be built from. A new kind is one package in `world` and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dualstack.clock import Clock
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.context import Actor, ActorContext
from dualstack_sim.actors.hosts import Guests
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.rules.profiles import Profile
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.control_answers import ControlPart
from dualstack_sim.world.gardener.platform import GardenerPlatform
from dualstack_sim.world.kops.distribution import KOPS
from dualstack_sim.world.kubeadm.distribution import KUBEADM
from dualstack_sim.world.kubeadm.platform import VmPlatform
from dualstack_sim.world.snapshot.platform import SnapshotPlatform


class Platform(Protocol):
    """One cluster that is to be built."""

    @property
    def namespace(self) -> str:
        """Namespace of the control plane."""
        ...

    @property
    def api_servers(self) -> Sequence[str]:
        """The API servers of such a landscape: some of garden, seed and shoot, the last of which has the nodes."""
        ...

    @property
    def control_plane_host(self) -> str | None:
        """The host without a Node on which all pods of that namespace run; None if they are scheduled as others."""
        ...

    @property
    def api_server(self) -> str:
        """Label selector of the pods of kube-apiserver in that namespace."""
        ...

    @property
    def guest_agent(self) -> bool:
        """Whether the guest agent of new VMs handles alias ranges unless their metadata stops it."""
        ...

    @property
    def workloads(self) -> Sequence[Kind]:
        """Its own kinds of workloads with replicas, besides Deployments and DaemonSets."""
        ...

    @property
    def regions(self) -> Mapping[str, Sequence[str]]:
        """The zones that the Compute project needs, by region."""
        ...

    @property
    def node_count(self) -> int:
        """The number of nodes before the migration."""
        ...

    @property
    def quotas(self) -> Limits:
        """The quotas that a project with such a cluster has."""
        ...

    def build(self, servers: ApiServers, compute: Compute, *, token_uri: str, clock: Clock, chance: Chance) -> object:
        """Create the objects and the resources of the cluster at rest, IPv4-only. InvalidInput if it cannot be."""
        ...

    @property
    def left_out(self) -> Sequence[str]:
        """What of the given cluster is not simulated, one sentence each; known once it is built."""
        ...

    def access(self, server: str, token: str | None, authority: bytes | None) -> Sequence[Manifest]:
        """The Secrets through which controllers find the API server with the nodes (`world/kubeconfig.py`)."""
        ...

    @property
    def controls(self) -> Sequence[ControlPart]:
        """What the control endpoint has for this platform alone."""
        ...

    def guests(self, context: ActorContext) -> Guests:
        """The machines that run a kubelet of the cluster."""
        ...

    def actors(self, context: ActorContext) -> list[Actor]:
        """The controllers that run in addition to those of every cluster."""
        ...


PLATFORMS: dict[str, Callable[[Manifest, int | None, Profile], Platform]] = {
    "gardener": lambda shoot, nodes, profile: GardenerPlatform(shoot, nodes, profile.garden),
    "kubeadm": lambda shoot, nodes, profile: VmPlatform(KUBEADM, shoot, nodes, profile.garden),
    "kops": lambda shoot, nodes, profile: VmPlatform(KOPS, shoot, nodes, profile.garden),
    "snapshot": lambda description, _, profile: SnapshotPlatform(description, profile.garden),
}
"""By name. Each takes the description of the cluster, the number of nodes (None: as described) and the profile."""
