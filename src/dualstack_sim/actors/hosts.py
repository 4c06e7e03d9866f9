"""The machines on which pods run: the cluster's VMs as Compute shows them, and hosts outside of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dualstack_sim.actors.cni.host_local import HostLocal, Network
from dualstack_sim.actors.cni.model import CniConfiguration
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.refusals import ComputeRefusal

_FIELDS = "items/*/instances(name,zone,status,tags/items,networkInterfaces),nextPageToken"
_INTERVAL = 5.0
_REST_INTERVALS = 6
"""While all machines run, the VMs are listed only once in this many intervals."""


@dataclass(slots=True)
class Host:
    """A machine with a kubelet. `lost_at` is the time when its VM was found not running."""

    name: str
    addresses: tuple[str, ...] = ()
    ranges: tuple[Network, ...] | None = None
    """Pod ranges of a host without a Node object."""
    booted: bool = False
    boots: int = 0
    boot_at: float | None = None
    lost_at: float | None = None
    joined: bool = False
    cni: CniConfiguration | None = None
    local: HostLocal = field(default_factory=HostLocal)
    waiting: set[tuple[str, str]] = field(default_factory=set)
    """Keys of the pods that wait for a change of the host."""


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM as its guest sees it. `addresses` of nic0: IPv4, then IPv6 if it has one."""

    name: str
    zone: str
    status: str
    addresses: tuple[str, ...]

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"


def vm_of(instance: Resource) -> Vm:
    """The instance resource as its guest agent sees it."""
    nic = (instance.get("networkInterfaces") or [{}])[0]
    external = [config.get("externalIpv6") for config in nic.get("ipv6AccessConfigs", ())]
    addresses = [nic.get("networkIP"), nic.get("ipv6Address"), *external]
    zone = str(instance.get("zone", "")).rsplit("/", 1)[-1]
    return Vm(instance["name"], zone, instance.get("status", ""), tuple(filter(None, addresses))[:2])


@dataclass(frozen=True, slots=True)
class Registration:
    """What the configuration of a kubelet adds to the Node that it registers."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: Collection[Mapping[str, Any]] = ()


class Guests(Protocol):
    """Which machines run a kubelet of the cluster, and how it is configured. Platforms differ in it."""

    @property
    def end_point(self) -> str:
        """The DaemonSet whose pod makes a node an end point of the observed traffic."""
        ...

    @property
    def hosts(self) -> Collection[Host]:
        """Hosts without a VM and without a Node."""
        ...

    def includes(self, tags: Collection[str]) -> bool:
        """Whether a VM with these network tags belongs to the cluster."""
        ...

    def settled(self, vms: Mapping[str, Vm]) -> bool:
        """Whether no VM of the cluster is being created or deleted, as far as the Kubernetes API shows."""
        ...

    def registration(self, name: str) -> Registration:
        """What the kubelet on the VM of that name registers."""
        ...


class VmWatch:
    """Lists the cluster's VMs every 5 s while machines are created or deleted, else every 30 s.

    A real kubelet runs in its VM and needs no such request.
    """

    def __init__(self, context: ActorContext, guests: Guests, changed: Callable[[str], None]) -> None:
        """`changed` is called with the name of each VM that was created, deleted or changed."""
        self.vms: dict[str, Vm] = {}
        self._clock = context.clock
        self._guests = guests
        _, self._compute = context.named("simulated-guests")
        self._changed = changed

    async def run(self) -> None:
        """Until cancelled."""
        intervals = 0
        while True:
            if intervals % _REST_INTERVALS == 0 or not self._guests.settled(self.vms):
                try:
                    self._take(await self.look())
                except ComputeRefusal:
                    intervals = -1
            intervals += 1
            await self._clock.sleep(_INTERVAL)

    async def look(self) -> dict[str, Vm]:
        """The cluster's VMs by name, from one request."""
        instances = await self._compute.aggregated("instances", fields=_FIELDS)
        return {
            instance["name"]: vm_of(instance)
            for instance in instances
            if self._guests.includes(instance.get("tags", {}).get("items", ()))
        }

    def _take(self, seen: dict[str, Vm]) -> None:
        before, self.vms = self.vms, seen
        for name in before.keys() | seen.keys():
            if before.get(name) != seen.get(name):
                self._changed(name)
