"""Creates, observes and removes the decoys: VM, blocks, routes, range and probe pods
(`dualstack.plan.strategies.decoys`).

The VM is created first, so that the VM or the decoys' range shows that probe pods may exist. Its description holds the
CIDR of its blocks. It has none of the nodes' network tags, because the machine controller would delete it as an orphan,
and neither a service account nor an external address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from dualstack.clock import Clock
from dualstack.cutover.temporary_routes import TemporaryRoutes
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import AlreadyExists, NotReady
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import alias_ranges, first_interface, last_segment, same_resource, secondary_ranges
from dualstack.kube.apply import apply, owned
from dualstack.kube.interface import Conflict, Kube
from dualstack.model import cidr, enumeration
from dualstack.model.cluster import Cluster
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.model.events import Listener, PropagationMeasured
from dualstack.model.kinds import DAEMON_SET, LEASE, NAMESPACE, POD
from dualstack.model.node_pods import node_of, reason_of
from dualstack.plan import gates
from dualstack.plan.facts import CutoverFacts, DecoyFacts
from dualstack.plan.steps import Gate
from dualstack.plan.steps.decoys import AliasDecoys, CreateDecoys, DropDecoyRoute, RemoveDecoys, decoy_blocks
from dualstack.prober.manifest import prober
from dualstack.prober.report import NAME as PROBER
from dualstack.prober.report import NAMESPACE as PROBER_HOME
from dualstack.prober.report import STALE, Report, read_report

DESCRIPTION = "dualstack-decoy"
RANGE = "dualstack-decoys"
"""Name of the decoys' range in the nodes subnet."""
MACHINE_TYPE = "e2-micro"
ALIVE = ("PROVISIONING", "STAGING", "RUNNING")
DecoyStep = CreateDecoys | AliasDecoys | DropDecoyRoute | RemoveDecoys

PROVEN_BY = {
    gates.DECOY_READY.id: (0, 2),
    gates.DECOY_STATIC.id: (0,),
    gates.DECOY_ALIAS.id: (1,),
    gates.DECOY_HANDOVER.id: (1, 2),
}
"""Which of the blocks D1, D2, D3 every node must reach for each gate."""

SCRIPT = """#!/bin/sh
# Puts the decoys' addresses on an interface of their own, and keeps the guest agent from adding aliases to the host.
if ! grep -qs '^ip_aliases = false' /etc/default/instance_configs.cfg; then
  printf '[IpForwarding]\\nip_aliases = false\\n' >> /etc/default/instance_configs.cfg
  systemctl try-restart google-guest-agent || true
fi
ip route flush table local proto 66 2>/dev/null
ip link add decoys type dummy 2>/dev/null
ip link set decoys up
for address in {addresses}; do ip address replace "$address/32" dev decoys; done
"""


def decoy_name(ns: str) -> str:
    """The name of the VM, one for each cluster."""
    return f"{ns}-{DESCRIPTION}"


def route_names(ns: str) -> tuple[str, str]:
    """The routes to D1 and to D3."""
    return f"{decoy_name(ns)}-1", f"{decoy_name(ns)}-3"


def address_in(block: str) -> str:
    """The address of a block that the probe pods probe."""
    return cidr.at_offset(block, min(2, cidr.blocks(block, 32) - 1))


def home_of(description: str) -> str:
    """The CIDR of the VM's blocks, from its description; empty when the description is different."""
    try:
        home = cidr.canonical(description.removeprefix(DESCRIPTION).strip())
        decoy_blocks(home)
    except ValueError:
        return ""
    return home


def is_decoy(instance: Mapping[str, Any] | None, network: str) -> TypeGuard[Mapping[str, Any]]:
    """Whether a VM with the decoy's name is ours: by description and network."""
    return (
        instance is not None
        and str(instance.get("description")).startswith(DESCRIPTION)
        and same_resource(first_interface(instance).get("network") or "", network)
    )


def decoy_routes(cluster: Cluster, network: str) -> TemporaryRoutes:
    """The routes to the decoys, with what proves them ours. cloud-controller-manager ignores them."""
    return TemporaryRoutes(route_names(cluster.name), DESCRIPTION, network, cluster.pods, (decoy_name(cluster.name),))


async def remove_vm(compute: ComputeClient, ns: str, zone: str) -> None:
    """Delete the VM, which must be ours. A missing VM is not an error."""
    await compute.delete(f"zones/{zone}/instances/{decoy_name(ns)}")


@dataclass(slots=True)
class Decoys:
    """The decoys of one cluster. wanted: the check is requested. image: of the probe pods."""

    compute: ComputeClient
    kube: Kube
    clock: Clock
    emit: Listener
    cluster: Cluster
    wanted: bool = False
    image: str = ""
    _aliased_at: float | None = None

    async def observe(
        self, instance: Mapping[str, Any] | None, routes: Iterable[Resource], subnet: Mapping[str, Any]
    ) -> DecoyFacts:
        """The current state. instance: the VM. routes: those that lead to it. subnet: the nodes subnet."""
        leading = frozenset(cidr.canonical(route["destRange"]) for route in routes)
        trial = next((cidr.canonical(text) for name, text in secondary_ranges(subnet) if name == RANGE), "")
        if not (instance or leading or trial or self.wanted):
            return DecoyFacts()
        there = DecoyFacts(range=trial, routes=leading, prober=await self._prober_there())
        if instance is None:
            return there
        aliases = frozenset(
            cidr.canonical(text)
            for text, name in alias_ranges(first_interface(instance))
            if name == RANGE and "/" in text
        )
        home = home_of(str(instance["description"])) if instance.get("status") in ALIVE else ""
        return replace(there, vm=True, home=home, aliases=aliases)

    async def perform(self, step: DecoyStep, facts: CutoverFacts, *, network: str, zone: str | None) -> None:
        """Perform one of the steps, which may be done already. zone: of the VM; None while there is none."""
        match step:
            case CreateDecoys():
                await self._create(step.home, facts, network, zone)
            case AliasDecoys():
                await self._alias(facts, zone)
            case DropDecoyRoute():
                last = route_names(self.cluster.name)[-1]
                await decoy_routes(self.cluster, network).remove(self.compute, last)
            case RemoveDecoys():
                await self.kube.delete(NAMESPACE, PROBER_HOME)
                removals = [decoy_routes(self.cluster, network).remove(self.compute)]
                if zone is not None:
                    removals.append(remove_vm(self.compute, self.cluster.name, zone))
                await gather_all(*removals)

    async def check(self, gate: Gate, facts: CutoverFacts) -> list[str]:
        """The nodes from which a block of the gate is not reached, one sentence for each block."""
        expected = {node.name for node in facts.nodes if node.running and node.pod_cidr}
        oldest = self.clock.now() - min(STALE, facts.quiet_for("decoys", "flag", "range"))
        leases = await self.kube.list(LEASE, PROBER_HOME)
        reports = {report.node: report for lease in leases if (report := read_report(lease)) and report.at >= oldest}
        silent = sorted(expected - reports.keys())
        problems = [await self._silence(silent)] if silent else []
        heard = [reports[name] for name in sorted(expected & reports.keys())]
        for number in PROVEN_BY[gate.id]:
            block = decoy_blocks(facts.decoys.home)[number]
            lost = [
                report.node for report in heard if not _reached(report, block, steadily=gate == gates.DECOY_HANDOVER)
            ]
            if lost:
                problems.append(f"{enumeration.nodes(lost)} cannot reach {block} of the decoy VM")
                if gate.failure_implies and len(lost) == len(expected):
                    problems.append(gate.failure_implies)
        if gate == gates.DECOY_ALIAS and not problems:
            self._report_propagation(heard, decoy_blocks(facts.decoys.home)[1])
        return problems

    async def _silence(self, nodes: list[str]) -> str:
        """Which nodes have not reported, and why the pod of the first has not, if that can be read."""
        said = f"the probe pods of {enumeration.nodes(nodes)} have not reported yet"
        try:
            pods = {node_of(pod): pod for pod in await self.kube.list(POD, PROBER_HOME)}
        except DualstackError:
            return said
        return f"{said} ({nodes[0]}: {reason_of(pods.get(nodes[0]))})"

    def _report_propagation(self, reports: list[Report], block: str) -> None:
        """Report how long hosts took to apply the alias, by the first successful probe of each."""
        if self._aliased_at is None:
            return
        firsts = [first for report in reports if (first := report.of(address_in(block)).first) is not None]
        seconds = max([0.0, *(first - self._aliased_at for first in firsts)])
        detail = f"the last of {len(firsts)} hosts applied the decoys' alias {seconds:.0f} s after it was added"
        self.emit(
            PropagationMeasured(at=self.clock.now(), shoot=self.cluster.name, seconds=round(seconds, 1), detail=detail)
        )

    # -- making

    async def _create(self, home: str, facts: CutoverFacts, network: str, zone: str | None) -> None:
        blocks = decoy_blocks(home)
        if zone is None:
            zone = await self._create_vm(home, facts, network)
        path = self.cluster.instance(zone, decoy_name(self.cluster.name))
        if not facts.decoys.range:
            routes = decoy_routes(self.cluster, network)
            to = zip(routes.names, (blocks[0], blocks[-1]), strict=True)
            await gather_all(*(routes.make(self.compute, name, block, path) for name, block in to))
        namespace = await self.kube.get(NAMESPACE, PROBER_HOME)
        if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
            raise Conflict(f"namespace {PROBER_HOME} of an earlier decoy check is still being deleted")
        for kind, manifest in prober(self.image, [address_in(block) for block in blocks]):
            await apply(self.kube, kind, owned(manifest))

    async def _create_vm(self, home: str, facts: CutoverFacts, network: str) -> str:
        """Create the VM in the zone of a node and from its image; returns the zone. Raises NotReady when it exists, but
        no list has shown it yet."""
        node = next((node for node in facts.node_of.values() if node.running), None)
        if node is None:
            raise GateFailed("the decoy check needs a running node in the cluster")
        vm = self._vm(node.zone, await self._image(node.zone, node.name), home)
        try:
            await self.compute.post(f"zones/{node.zone}/instances", vm)
        except AlreadyExists as error:
            found = await self.compute.find(
                f"zones/{node.zone}/instances/{vm['name']}", fields="description,networkInterfaces"
            )
            if not is_decoy(found, network):
                raise
            raise NotReady("resourceNotReady", f"VM {vm['name']} exists, but lists do not show it yet") from error
        return node.zone

    async def _image(self, zone: str, node: str) -> str:
        instance = await self.compute.get(f"zones/{zone}/instances/{node}", fields="disks(boot,source)")
        source = next((disk["source"] for disk in instance.get("disks") or () if disk.get("boot")), None)
        if source is None:
            raise GateFailed(f"VM {node} shows no boot disk, so the decoy check does not know which image to use")
        disk = await self.compute.get(f"zones/{zone}/disks/{last_segment(source)}", fields="sourceImage")
        return str(disk["sourceImage"])

    def _vm(self, zone: str, image: str, home: str) -> dict[str, Any]:
        subnet = self.cluster.nodes_subnet_path
        script = SCRIPT.replace("{addresses}", " ".join(address_in(block) for block in decoy_blocks(home)))
        return {
            "name": decoy_name(self.cluster.name),
            "description": f"{DESCRIPTION} {home}",
            "machineType": f"zones/{zone}/machineTypes/{MACHINE_TYPE}",
            "canIpForward": True,
            "labels": {"k8s-cluster-name": self.cluster.name, "dualstack": "decoy"},
            "disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": image}}],
            "networkInterfaces": [{"subnetwork": f"projects/{self.cluster.project}/{subnet}"}],
            # The guest agent's key and cloud-init's; an image knows one of them.
            "metadata": {"items": [{"key": key, "value": script} for key in ("startup-script", "user-data")]},
        }

    async def _alias(self, facts: CutoverFacts, zone: str | None) -> None:
        path = f"zones/{zone}/instances/{decoy_name(self.cluster.name)}"
        interface = first_interface(await self.compute.get(path, fields="name,networkInterfaces"))
        wanted = decoy_blocks(facts.decoys.home)[1:]
        aliases = [{"ipCidrRange": block, "subnetworkRangeName": RANGE} for block in wanted]
        body = {"aliasIpRanges": aliases, "fingerprint": interface["fingerprint"]}
        await self.compute.patch(f"{path}/updateNetworkInterface", body, networkInterface=interface["name"])
        self._aliased_at = self.clock.now()

    async def _prober_there(self) -> bool:
        home = await self.kube.get(NAMESPACE, PROBER_HOME)
        if home is None or home["metadata"].get("deletionTimestamp"):
            return False
        return await self.kube.get(DAEMON_SET, PROBER, PROBER_HOME) is not None


def _reached(report: Report, block: str, *, steadily: bool) -> bool:
    result = report.of(address_in(block))
    return result.reached and not (steadily and result.interruptions)
