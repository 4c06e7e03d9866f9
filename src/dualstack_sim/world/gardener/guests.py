"""The machines of a Shoot: VMs that the machine controller creates, and the seed's own node."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_network

from dualstack.gardener.model.kinds import MACHINE
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni import SEED_CNI
from dualstack_sim.actors.cni.model import CniConfiguration
from dualstack_sim.actors.context import SEED_NODE, ActorContext
from dualstack_sim.actors.hosts import Host, Registration, Vm

ROLE_TAG = "kubernetes-io-role-node"
"""The network tag of every node VM."""

END_POINT = "network-problem-detector-pod"
"""The DaemonSet whose pods are the end points of the observed traffic (docs/objects.md)."""


class ShootGuests:
    """Implements `dualstack_sim.actors.hosts.Guests` for the Shoot whose control plane is in `context.namespace`."""

    end_point = END_POINT

    def __init__(self, context: ActorContext) -> None:
        self._namespace = context.namespace
        self._machines = context.seed.informers.of(MACHINE)

    @property
    def hosts(self) -> Collection[Host]:
        """The seed's node: always running, single-stack, outside the networks of the Shoot."""
        seed = Host(
            name=SEED_NODE,
            addresses=("10.242.0.2",),
            ranges=(ip_network("10.243.0.0/24"),),
            booted=True,
            cni=CniConfiguration(SEED_CNI, (4,)),
        )
        return (seed,)

    def includes(self, tags: Collection[str]) -> bool:
        return {ROLE_TAG, self._namespace} <= set(tags)

    def settled(self, vms: Mapping[str, Vm]) -> bool:
        """Whether each Machine has a running VM, each VM has a Machine, and none is terminating."""
        machines = self._machines.all(self._namespace)
        if len(machines) != len(vms) or not vms:
            return False
        return all(_in_place(machine, vms) for machine in machines)

    def registration(self, name: str) -> Registration:
        return registration_of(name, self._namespace, self._machines.get(name, self._namespace))


def registration_of(name: str, namespace: str, machine: Manifest | None) -> Registration:
    """The labels and taints of the Machine's node template, and the label of the pool."""
    template, pool = dig(machine, "spec", "nodeTemplate"), pool_of(name, namespace)
    labels = {"worker.gardener.cloud/pool": pool} if pool else {}
    more = dig(template, "metadata", "labels") or {}
    return Registration({**labels, **more}, taints=dig(template, "spec", "taints") or ())


def _in_place(machine: Manifest, vms: Mapping[str, Vm]) -> bool:
    vm = vms.get(machine["metadata"]["name"])
    return vm is not None and vm.running and not machine["metadata"].get("deletionTimestamp")


def pool_of(vm: str, namespace: str) -> str | None:
    """The worker pool in a machine name `<technical ID>-<pool>-z<zone>-<hash>-<suffix>`; None for other names."""
    match = re.fullmatch(rf"{re.escape(namespace)}-(.+)-z\d+-[^-]+-[^-]+", vm)
    return match[1] if match else None
