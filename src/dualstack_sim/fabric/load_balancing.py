"""Whether a packet to the address of a passthrough load balancer reaches a backend.

A passthrough load balancer does not change packets: a backend VM receives them with the addresses of the client and of
the forwarding rule, and its firewall rules decide (docs/reference/compute-engine.md#passthrough-data-path).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from dualstack_sim.compute.balancing.backend_groups import find_group, vms_of
from dualstack_sim.compute.balancing.ports import ranges_of
from dualstack_sim.compute.project.project import Project
from dualstack_sim.fabric.blocks import parse_address
from dualstack_sim.fabric.delivery import decide
from dualstack_sim.fabric.feed import Resource, firewall_facts, machine_fact
from dualstack_sim.fabric.forwarding import DELIVERED
from dualstack_sim.rules import enforced

CLIENTS = {4: "198.51.100.7", 6: "2001:db8::7"}
"""A client in the internet, for each address family."""
PROBERS = {
    ("EXTERNAL", 4): ("35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"),
    ("EXTERNAL", 6): ("2600:1901:8001::/48",),
    ("INTERNAL", 4): ("35.191.0.0/16", "130.211.0.0/22"),
    ("INTERNAL", 6): ("2600:2d00:1:b029::/64",),
}
"""Where health checks come from (docs/reference/compute-engine.md#health-check-ranges)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether new connections arrive: `backends` are the VMs that get them, `healthy` those that pass the health check.

    `rule`: the name of the forwarding rule, "" if none serves the address. `reason`: DELIVERED, or what is missing.
    """

    reached: bool
    reason: str
    rule: str = ""
    backends: tuple[str, ...] = ()
    healthy: tuple[str, ...] = ()


def reach(project: Project, address: str, port: int, protocol: str = "TCP", client: str = "") -> Reach:
    """Whether new connections of `client` to a port of `address` arrive at a VM, in the state that is in force.

    `client` "" is an address of the internet, for an internal load balancer that of a VM of its network. The Service
    behind the port is not part of the answer. Raises ValueError for a text that is not an IP address.
    """
    family = ip_address(address).version
    rules = project.inventory.effective("forwardingRules")
    rule = next((rule for rule in rules if _serves(rule, address, protocol, port)), None)
    if rule is None:
        return Reach(False, f"no forwarding rule serves {protocol} port {port} of {address}")
    services = project.inventory.effective("backendServices")
    service = next(row for row in services if row["selfLink"] == rule["backendService"])
    vms = list(_vms(project, service))
    able = [vm for vm in vms if _receives(vm, family)]
    if not able:
        what = f"no running VM with IPv{family}" if vms else "no VM"
        return Reach(False, f"backend service {service['name']} has {what}", rule["name"])
    scheme = rule["loadBalancingScheme"]
    healthy = [vm for vm in able if _is_healthy(project, vm, service, scheme, family)]
    prefers = bool(healthy) and enforced("forwarding.balancer-prefers-healthy")
    chosen = healthy if prefers else able  # without a healthy backend, all get new connections
    source = client or (CLIENTS[family] if scheme == "EXTERNAL" else _address(able[0], family))
    admitted = [vm for vm in chosen if _admits(project, vm, source, port, protocol)]
    lost = len(chosen) - len(admitted)
    why = f"the firewall of {lost} of {len(chosen)} backends denies ingress from {source}" if lost else DELIVERED
    return Reach(not lost, why, rule["name"], _names(admitted), _names(healthy))


def _serves(rule: Resource, address: str, protocol: str, port: int) -> bool:
    if ip_address(address) not in ip_network(rule["IPAddress"]):
        return False
    return rule["IPProtocol"] in (protocol, "L3_DEFAULT") and any(low <= port <= high for low, high in ranges_of(rule))


def _vms(project: Project, service: Resource) -> Iterator[Resource]:
    for backend in service.get("backends", ()):
        key, group = find_group(project, "group", backend["group"])
        yield from (vm for _, vm in vms_of(project, key, group))


def _receives(vm: Resource, family: int) -> bool:
    dual = vm["networkInterfaces"][0]["stackType"] == "IPV4_IPV6"
    return vm["status"] == "RUNNING" and (family == 4 or dual or not enforced("forwarding.balancer-family"))


def _is_healthy(project: Project, vm: Resource, service: Resource, scheme: str, family: int) -> bool:
    """Whether the firewall admits the health check; what answers on the VM is not simulated here."""
    own = service.get("healthChecks", ())
    checks = [row for row in project.inventory.effective("healthChecks") if row["selfLink"] in own]
    if not checks:
        return True
    protocol = next(value for field, value in checks[0].items() if field.endswith("HealthCheck"))
    sources = [text.partition("/")[0] for text in PROBERS[scheme, family]]
    return all(_admits(project, vm, source, int(protocol.get("port", 80)), "TCP") for source in sources)


def _admits(project: Project, vm: Resource, source: str, port: int, protocol: str) -> bool:
    network = vm["networkInterfaces"][0]["network"]
    rules = firewall_facts(project.inventory.effective("firewalls"), network)
    ingress = [rule for rule in rules if not rule.egress]
    decided = decide(ingress, machine_fact(vm), parse_address(source), protocol.lower(), port)
    return bool(decided) or not enforced("forwarding.balancer-firewall")


def _address(vm: Resource, family: int) -> str:
    """An address of the VM, from whose network another VM may call."""
    nic = vm["networkInterfaces"][0]
    if family == 4:
        return str(nic["networkIP"])
    configs = nic.get("ipv6AccessConfigs")
    return str(configs[0]["externalIpv6"] if configs else nic["ipv6Address"])


def _names(vms: list[Resource]) -> tuple[str, ...]:
    return tuple(sorted(vm["name"] for vm in vms))
