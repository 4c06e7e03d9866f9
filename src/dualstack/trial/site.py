"""The temporary VPC network of a trial with its subnet, firewall rule and VMs (docs/evidence.md#site)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dualstack.gce.gather import gather_all
from dualstack.gce.resources import last_segment
from dualstack.trial.agent.protocol import ORDERS, startup_script
from dualstack.trial.compute import TrialCompute
from dualstack.trial.ownership import LABEL, Owner

MACHINE_TYPE = "e2-micro"
IMAGE = "projects/debian-cloud/global/images/family/debian-12"
DISK_GB = 10
VMS = ("a", "b", "c", "d")
WITH_GUEST_AGENT = "d"
"""The VM on which the guest agent keeps to its defaults."""
NODES = "10.95.0.0/24"
PODS = "10.96.0.0/20"
"""The range that stands for the pod CIDR of a cluster."""
SPARE = 86_400.0
"""Longest time for which a VM can run, in seconds."""


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM. block: its part of the pod CIDR; pod: the address in it that answers."""

    letter: str
    name: str
    zone: str
    number: int

    @property
    def path(self) -> str:
        return f"zones/{self.zone}/instances/{self.name}"

    @property
    def block(self) -> str:
        return f"10.96.{self.number}.0/24"

    @property
    def pod(self) -> str:
        return f"10.96.{self.number}.7"


@dataclass
class Site:
    """What a trial makes in `region`. `expires`: Unix seconds after which its VMs end by themselves."""

    compute: TrialCompute
    region: str
    zones: tuple[str, ...]
    expires: float
    vms: tuple[Vm, ...] = ()
    image: str = ""
    _counter: int = field(default=0)

    @property
    def owner(self) -> Owner:
        return self.compute.owner

    @property
    def network(self) -> str:
        """The VPC network as bodies refer to it."""
        return f"projects/{self.compute.project}/global/networks/{self.owner.network}"

    @property
    def nodes(self) -> str:
        """The path of the VMs' subnet."""
        return self.subnet("nodes")

    def subnet(self, suffix: str) -> str:
        """The path of a subnet."""
        return f"regions/{self.region}/subnetworks/{self.owner.name(suffix)}"

    def vm(self, letter: str) -> Vm:
        return next(vm for vm in self.vms if vm.letter == letter)

    # -- building

    async def build_network(self) -> None:
        """The VPC network, the VMs' subnet, and a rule that lets the VMs reach each other."""
        described = {"description": self.owner.description}
        await self.compute.create(
            "global/networks", {**described, "name": self.owner.network, "autoCreateSubnetworks": False}
        )
        await self.make_subnet("nodes", NODES)
        rule = {"sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "all"}], "direction": "INGRESS"}
        body = {**described, "name": self.owner.name("inside"), "network": self.network, **rule}
        await self.compute.create("global/firewalls", body)

    async def make_subnet(self, suffix: str, cidr: str) -> str:
        """A subnet of the VPC network; its path."""
        body = {"description": self.owner.description, "name": self.owner.name(suffix), "network": self.network}
        await self.compute.create(f"regions/{self.region}/subnetworks", {**body, "ipCidrRange": cidr})
        return self.subnet(suffix)

    async def build_vms(self, orders: dict[str, str], seconds: float, letters: tuple[str, ...] = VMS) -> None:
        """VMs that run the agent and delete themselves after `seconds`; orders: the first ones of each, as JSON."""
        made = tuple(self._placed(letter) for letter in letters)
        await gather_all(
            *(
                self.compute.create(f"zones/{vm.zone}/instances", self._body(vm, orders.get(vm.letter, "{}"), seconds))
                for vm in made
            )
        )
        self.vms = made
        disk = await self.compute.find(f"zones/{made[0].zone}/disks/{made[0].name}")
        self.image = last_segment(str((disk or {}).get("sourceImage") or ""))

    def _placed(self, letter: str) -> Vm:
        number = VMS.index(letter)
        zone = self.zones[number * len(self.zones) // len(VMS)]
        return Vm(letter, self.owner.name(letter), zone, number + 1)

    def _body(self, vm: Vm, orders: str, seconds: float) -> dict[str, Any]:
        labels = {LABEL: self.owner.id}
        metadata = {"startup-script": startup_script(), ORDERS: orders}
        if vm.letter != WITH_GUEST_AGENT:
            metadata["disable-address-manager"] = "true"
        disk = {"sourceImage": IMAGE, "diskSizeGb": str(DISK_GB), "diskType": f"zones/{vm.zone}/diskTypes/pd-standard"}
        return {
            "name": vm.name,
            "description": self.owner.description,
            "machineType": f"zones/{vm.zone}/machineTypes/{MACHINE_TYPE}",
            "labels": labels,
            "canIpForward": True,
            "networkInterfaces": [{"network": self.network, "subnetwork": self.nodes}],
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": {**disk, "labels": labels}}],
            "metadata": {"items": [{"key": key, "value": value} for key, value in metadata.items()]},
            "scheduling": {
                "automaticRestart": False,
                "maxRunDuration": {"seconds": str(int(min(seconds, SPARE)))},
                "instanceTerminationAction": "DELETE",
            },
        }

    # -- parts of experiments

    def fresh(self, word: str) -> str:
        """A suffix that no other resource of this trial has."""
        self._counter += 1
        return f"{word}-{self._counter}"

    def ranges(self) -> tuple[str, str]:
        """A /24 for a new subnet and a /20 for its secondary range; no other subnet of this trial overlaps them."""
        self._counter += 1
        number = self._counter
        return f"10.97.{number}.0/24", f"10.{98 + number // 16}.{number % 16 * 16}.0/20"

    async def make_route(self, suffix: str, destination: str, vm: Vm) -> None:
        """A static route to a VM."""
        await self.compute.create("global/routes", self.route_body(suffix, destination, vm))

    def route_body(self, suffix: str, destination: str, vm: Vm) -> dict[str, Any]:
        """The request for a static route to a VM."""
        return {
            "name": self.owner.name(suffix),
            "description": self.owner.description,
            "network": self.network,
            "destRange": destination,
            "priority": 1000,
            "nextHopInstance": f"projects/{self.compute.project}/{vm.path}",
        }

    def route(self, suffix: str) -> str:
        """The path of a route."""
        return f"global/routes/{self.owner.name(suffix)}"
