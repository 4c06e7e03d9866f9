"""The machines on which pods run: the shoot's VMs as Compute shows them, and the seed's own node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

from dualstack.gardener.model.kinds import MACHINE
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni.host_local import HostLocal, Network
from dualstack_sim.actors.cni.model import CniConfiguration
from dualstack_sim.actors.cni.registry import SEED_CNI
from dualstack_sim.actors.compute_api import Resource
from dualstack_sim.actors.context import SEED_NODE, ActorContext
from dualstack_sim.actors.refusals import ComputeRefusal

ROLE_TAG = "kubernetes-io-role-node"
"""The network tag of every node VM."""

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


def seed_host() -> Host:
    """The seed's node: always running, single-stack, outside the networks of the shoot."""
    return Host(
        name=SEED_NODE,
        addresses=("10.242.0.2",),
        ranges=(ip_network("10.243.0.0/24"),),
        booted=True,
        cni=CniConfiguration(SEED_CNI, (4,)),
    )


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


class VmWatch:
    """Lists the cluster's VMs every 5 s while machines are created or deleted, else every 30 s.

    A real kubelet runs in its VM and needs no such request.
    """

    def __init__(self, context: ActorContext, changed: Callable[[str], None]) -> None:
        """`changed` is called with the name of each VM that was created, deleted or changed."""
        self.vms: dict[str, Vm] = {}
        self._context = context
        _, self._compute = context.named("simulated-guests")
        self._machines = context.informers.of(MACHINE)
        self._changed = changed

    async def run(self) -> None:
        """Until cancelled."""
        intervals = 0
        while True:
            if intervals % _REST_INTERVALS == 0 or not self._settled():
                try:
                    self._take(await self.look())
                except ComputeRefusal:
                    intervals = -1
            intervals += 1
            await self._context.clock.sleep(_INTERVAL)

    async def look(self) -> dict[str, Vm]:
        """The cluster's VMs by name, from one request."""
        instances = await self._compute.aggregated("instances", fields=_FIELDS)
        wanted = {ROLE_TAG, self._context.namespace}
        return {
            instance["name"]: vm_of(instance)
            for instance in instances
            if wanted <= set(instance.get("tags", {}).get("items", ()))
        }

    def _take(self, seen: dict[str, Vm]) -> None:
        before, self.vms = self.vms, seen
        for name in before.keys() | seen.keys():
            if before.get(name) != seen.get(name):
                self._changed(name)

    def _settled(self) -> bool:
        """Whether each Machine has a running VM, each VM has a Machine, and none is terminating."""
        machines = self._machines.all(self._context.namespace)
        if len(machines) != len(self.vms) or not self.vms:
            return False
        return all(self._in_place(machine) for machine in machines)

    def _in_place(self, machine: Manifest) -> bool:
        vm = self.vms.get(machine["metadata"]["name"])
        return vm is not None and vm.running and not machine["metadata"].get("deletionTimestamp")
