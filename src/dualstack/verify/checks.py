"""The checks: pure functions over observed facts, grouped by the state that the cluster should be in.

Each returns whether the state is right and the evidence in words; `dualstack.verify.judging` makes results of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from dualstack.gce import Resource
from dualstack.gce.resources import alias_ranges, instance_reference, secondary_ranges
from dualstack.model.cidr import canonical
from dualstack.model.conditions import find_condition
from dualstack.model.enumeration import clauses
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.names import L4_RBS
from dualstack.verify.facts import Facts, Taint, vm_of
from dualstack.verify.judging import Rule, Verdict

IPV4, DUAL = ("IPv4",), ("IPv4", "IPv6")

MOST = 5
"""How many objects an evidence names."""

HEALTH_CHECKS = frozenset(map(ip_network, ("2600:2d00:1:b029::/64", "2600:2d00:1:1::/64")))
"""Sources of Google's health checks over IPv6 (docs/reference/gardener.md#resource-names)."""

MANAGER_FLAGS = ("cidr-allocator-type", "configure-cloud-routes", "cluster-cidr")
"""The flags of cloud-controller-manager that a migration changes."""

# Routes, subnet and NICs --------------------------------------------------------------------------------------------


def no_node_route(facts: Facts) -> Verdict:
    """cloud-controller-manager has no route to a node left."""
    left = [route["name"] for route in facts.routes.value]
    return not left, f"left: {', '.join(left)}" if left else "no k8s-node-route is left"


def every_node_route(facts: Facts) -> Verdict:
    """A static route leads from each Node's pod CIDR to the Node's VM."""
    led = {
        (route["destRange"], vm.name)
        for route in facts.routes.value
        if (vm := instance_reference(route.get("nextHopInstance") or ""))
    }
    wrong = [
        f"{_name(node)} has no route for {_words(_pod_cidrs(node)[:1])}"
        for node in facts.nodes.value
        if not _pod_cidrs(node) or (_pod_cidrs(node)[0], vm_of(node)[1]) not in led
    ]
    return _all_nodes(facts, wrong, "with the route to the pod CIDR")


def dual_stack_subnet(facts: Facts) -> Verdict:
    """The nodes subnet is dual-stack and has the pod range; the overlap flag is off."""
    good, evidence = subnet_with_pod_range(facts)
    return good and _nodes_subnet(facts)["stackType"] == "IPV4_IPV6", evidence


def subnet_with_pod_range(facts: Facts) -> Verdict:
    """The nodes subnet has the pod range, which the aliases of pods need, and the overlap flag is off."""
    subnet = _nodes_subnet(facts)
    return _has_pod_range(facts) and not _flag(subnet), _subnet_words(subnet)


def with_pod_range(facts: Facts) -> Verdict:
    """The nodes subnet has the pod range, whatever its flag."""
    return _has_pod_range(facts), _subnet_words(_nodes_subnet(facts))


def _has_pod_range(facts: Facts) -> bool:
    return (facts.cluster.pod_range_name, facts.cluster.pods) in secondary_ranges(_nodes_subnet(facts))


def overlap_flag_off(facts: Facts) -> Verdict:
    """The nodes subnet does not allow routes inside its ranges."""
    subnet = _nodes_subnet(facts)
    return not _flag(subnet), _subnet_words(subnet)


def no_pod_range(facts: Facts) -> Verdict:
    """The nodes subnet does not have the secondary range for pods."""
    subnet = _nodes_subnet(facts)
    held = dict(secondary_ranges(subnet)).get(facts.cluster.pod_range_name)
    return held is None or canonical(held) != canonical(facts.cluster.pods), _subnet_words(subnet)


def no_pod_alias(facts: Facts) -> Verdict:
    """No node's NIC has an alias from the pod range."""

    def fault(_: Manifest, interface: Mapping[str, Any]) -> str | None:
        held = [cidr for cidr, name in alias_ranges(interface) if name == facts.cluster.pod_range_name]
        return f"has {', '.join(held)}" if held else None

    return _each_interface(facts, fault, "without an alias from the pod range")


def no_other_pod_alias(facts: Facts) -> Verdict:
    """The first alias of each node's NIC is the Node's IPv4 pod CIDR, or the NIC has none from the pod range."""

    def fault(node: Manifest, interface: Mapping[str, Any]) -> str | None:
        held = facts.cluster.pod_range_name in dict(alias_ranges(interface)).values()
        return _alias_fault(node, interface) if held else None

    return _each_interface(facts, fault, "without an alias from the pod range, or with the pod CIDR as first alias")


def pod_alias_first(facts: Facts) -> Verdict:
    """The first alias of each node's NIC is the Node's IPv4 pod CIDR."""
    return _each_interface(facts, _alias_fault, "with the pod CIDR as first alias")


def interfaces(*families: str) -> Rule:
    """Each node's NIC has these families. Its first alias is the Node's IPv4 pod CIDR, and an IPv6 pod CIDR is from
    the NIC's range."""
    stack_type = "IPV4_IPV6" if len(families) == 2 else "IPV4_ONLY"

    def fault(node: Manifest, interface: Mapping[str, Any]) -> str | None:
        internal = [interface["ipv6Address"]] if interface.get("ipv6Address") else []
        addresses = [entry["externalIpv6"] for entry in interface.get("ipv6AccessConfigs") or ()] or internal
        if interface.get("stackType") != stack_type or bool(addresses) != (len(families) == 2):
            return f"is {interface.get('stackType')}"
        ranges = [ip_network(f"{address}/112", strict=False) for address in addresses[-1:]]
        if ranges != list(map(ip_network, _pod_cidrs(node)[1:])):
            return f"has IPv6 addresses {_words(addresses)}, its Node {_words(_pod_cidrs(node))}"
        return _alias_fault(node, interface)

    return lambda facts: _each_interface(facts, fault, f"{stack_type}, alias first and equal to the pod CIDR")


def ipv6_firewall(facts: Facts) -> Verdict:
    """One ingress rule admits exactly the IPv6 prefixes of both subnets, and others admit Google's health checks."""
    subnets = _nodes_subnet(facts), facts.services_subnet.value
    wanted = {ip_network(subnet["externalIpv6Prefix"]) for subnet in subnets if subnet}
    admitted = {
        rule["name"]: set(map(ip_network, rule.get("sourceRanges") or ()))
        for rule in facts.firewalls.value
        if rule.get("direction") == "INGRESS" and rule.get("allowed") and not rule.get("disabled")
    }
    internal = [name for name, sources in admitted.items() if sources == wanted]
    if len(wanted) < len(subnets) or not internal:
        return False, f"no ingress rule admits exactly the subnets' IPv6 prefixes {listed(wanted)}"
    if not set().union(*admitted.values()) >= HEALTH_CHECKS:
        return False, f"no ingress rule admits the health checks from {listed(HEALTH_CHECKS)}"
    return True, f"{internal[0]} admits {listed(wanted)}"


# Nodes, pods and Services -------------------------------------------------------------------------------------------


def pod_cidr_families(*families: str) -> Rule:
    """Each Node has one pod CIDR for each family, in this order."""
    versions = [int(family[-1]) for family in families]

    def rule(facts: Facts) -> Verdict:
        wrong = [
            f"{_name(node)}: {_words(_pod_cidrs(node))}"
            for node in facts.nodes.value
            if [ip_network(cidr).version for cidr in _pod_cidrs(node)] != versions
        ]
        return _all_nodes(facts, wrong, f"with [{', '.join(families)}]")

    return rule


def nodes_ready(facts: Facts) -> Verdict:
    """Each Node is Ready with its network available, reports no problem, and has only the owner's taints."""
    wrong = [f"{_name(node)} {fault}" for node in facts.nodes.value if (fault := node_fault(node, facts.taints))]
    return _all_nodes(facts, wrong, "Ready, network available, no problem reported, no taint")


def node_fault(node: Manifest, taints: frozenset[Taint]) -> str | None:
    """Why the Node is not fit for pods, for example "is not Ready"; None when it is."""
    conditions = node["status"].get("conditions") or []
    ready, network = (find_condition(conditions, kind) for kind in ("Ready", "NetworkUnavailable"))
    if not ready or ready["status"] != "True":
        return "is not Ready"
    if not network or network["status"] != "False":
        return "has no network"
    # Every other condition of a Node, such as ClusterNetworkProblem, is True in case of a problem.
    problems = [
        f"{entry['type']}: {entry.get('message', '')}"
        for entry in conditions
        if entry["status"] == "True" and entry["type"] != "Ready"
    ]
    if problems:
        return f"reports {'; '.join(problems)}"
    if node["spec"].get("unschedulable") or set(map(taint_of, node["spec"].get("taints") or ())) - taints:
        return "is tainted or cordoned"
    return None


def taint_of(taint: Mapping[str, Any]) -> Taint:
    """The taint as a comparable value."""
    return taint["key"], taint.get("value") or "", taint["effect"]


def dns(policy: str, *families: str) -> Rule:
    """Service kube-dns has this ipFamilyPolicy and a cluster IP of each family, in this order."""

    def rule(facts: Facts) -> Verdict:
        spec = facts.dns_service.value["spec"]
        addresses = spec.get("clusterIPs") or []
        good = spec.get("ipFamilyPolicy") == policy and spec.get("ipFamilies") == list(families)
        return good and len(addresses) == len(families), f"{spec.get('ipFamilyPolicy')}, {', '.join(addresses)}"

    return rule


def pods_with_new_addresses(facts: Facts) -> Verdict:
    """The DNS pods, which started after the switch, have both families; older pods may have IPv4 alone."""
    pods = _pods(facts)
    counts = [count for _, count in pods]
    dns_pods = {count for app, count in pods if app == "kube-dns"}
    evidence = f"{counts.count(2)} pods with two addresses"
    if older := counts.count(1):
        evidence += f"; {older} older pods have IPv4 only until their workload is restarted"
    return dns_pods == {2} and set(counts) <= {1, 2}, evidence


def pods_with_one_address(facts: Facts) -> Verdict:
    """No pod has an IPv6 address."""
    counts = [count for _, count in _pods(facts)]
    return bool(counts) and set(counts) == {1}, f"{counts.count(1)} of {len(counts)} pods with one address"


_NOT_BY_INGRESS_GCE = (
    f"it has no annotation {L4_RBS}: enabled, so cloud-controller-manager serves it with IPv4 only; set "
    "spec.ipFamilyPolicy: SingleStack, and create another Service for both families"
)


def load_balancers(facts: Facts) -> Verdict:
    """Each Service of type LoadBalancer has an address, and a forwarding rule for it, of each of its families."""
    served = {ip_interface(rule["IPAddress"]).ip for rule in facts.forwarding_rules.value if rule.get("IPAddress")}
    dual, wrong = 0, []
    for service in facts.services.value:
        families = service["spec"].get("ipFamilies") or []
        if service["spec"].get("type") != "LoadBalancer" or len(families) < 2:
            continue
        dual += 1
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        addresses = [ip_address(entry["ip"]) for entry in ingress if entry.get("ip")]
        name = f"Service {service['metadata']['namespace']}/{_name(service)}"
        for family in families:
            own = [address for address in addresses if f"IPv{address.version}" == family]
            if not own:
                by_ingress_gce = dig(service, "metadata", "annotations", L4_RBS) == "enabled"
                why = "see its Events" if by_ingress_gce or family == "IPv4" else _NOT_BY_INGRESS_GCE
                wrong.append(f"{name} has no {family} address; {why}")
            wrong += [f"{name}: no forwarding rule serves {each}" for each in own if each not in served]
    good = f"{dual} dual-stack load balancers, each with an address and a forwarding rule of both families"
    return not wrong, "; ".join(wrong) or (good if dual else "no Service of type LoadBalancer has both families")


# cloud-controller-manager -------------------------------------------------------------------------------------------


def controller_manager(good: Callable[[Mapping[str, str]], bool]) -> Rule:
    """cloud-controller-manager runs, and its flags are `good`."""

    def rule(facts: Facts) -> Verdict:
        manager = facts.cloud_controller_manager.value
        shown = {", ".join(f"{name}={found.get(name)}" for name in MANAGER_FLAGS) for found in manager.flags}
        right = 0 < manager.wanted == manager.ready and all(map(good, manager.flags))
        return right, f"{manager.ready} ready, {'; '.join(sorted(shown))}"

    return rule


def allocates_from_cloud(*families: str) -> Rule:
    """cloud-controller-manager runs, takes pod CIDRs from aliases, makes no routes, and has a range for each family."""
    return controller_manager(
        lambda found: (
            found.get("cidr-allocator-type") == "CloudAllocator"
            and found.get("configure-cloud-routes") == "false"
            and has_families(found.get("cluster-cidr"), *families)
            and has_families(found.get("service-cluster-ip-range"), *families)
        )
    )


def creates_routes() -> Rule:
    """cloud-controller-manager runs and creates a route for each node."""
    return controller_manager(lambda found: found.get("configure-cloud-routes") != "false")


def listed(ranges: Iterable[object]) -> str:
    """The ranges as text, sorted."""
    return ", ".join(sorted(map(str, ranges)))


def _words(found: Sequence[str]) -> str:
    """The entries as text, in their order."""
    return ", ".join(found) or "none"


def has_families(value: str | None, *families: str) -> bool:
    """Whether the comma-separated CIDRs are one of each family, in this order."""
    found = [f"IPv{ip_network(part).version}" for part in (value or "").split(",") if part]
    return found == list(families)


# The groups ---------------------------------------------------------------------------------------------------------

DUAL_STACK: Mapping[str, Rule] = {
    "compute.routes": no_node_route,
    "compute.subnet": dual_stack_subnet,
    "compute.interfaces": interfaces(*DUAL),
    "compute.firewall": ipv6_firewall,
    "nodes.pod-cidrs": pod_cidr_families(*DUAL),
    "nodes.ready": nodes_ready,
    "control-plane.cloud-controller-manager": allocates_from_cloud(*DUAL),
    "dns.service": dns("PreferDualStack", *DUAL),
    "pods.addresses": pods_with_new_addresses,
    "services.load-balancers": load_balancers,
}
"""After a migration."""

BACK_ON_IPV4: Mapping[str, Rule] = {
    "compute.routes": no_node_route,
    "compute.subnet": subnet_with_pod_range,
    "compute.interfaces": interfaces(*IPV4),
    "nodes.pod-cidrs": pod_cidr_families(*IPV4),
    "nodes.ready": nodes_ready,
    "control-plane.cloud-controller-manager": allocates_from_cloud(*IPV4),
    "dns.service": dns("SingleStack", *IPV4),
    "pods.addresses": pods_with_one_address,
}
"""After the way back to IPv4. Pods stay on aliases."""

ON_ROUTES: Mapping[str, Rule] = {
    "rollback.routes": every_node_route,
    "rollback.aliases": no_pod_alias,
    "rollback.overlap-flag": overlap_flag_off,
    "rollback.pod-range": no_pod_range,
    "rollback.cloud-controller-manager": creates_routes(),
}
"""After a migration that failed or was rolled back during the cut-over: the cluster is as it was before."""

ON_ALIASES: Mapping[str, Rule] = {
    "cut-over.routes": no_node_route,
    "cut-over.aliases": pod_alias_first,
    "cut-over.subnet": subnet_with_pod_range,
    "cut-over.cloud-controller-manager": controller_manager(lambda _: True),
}
"""After a migration that failed later: the finished cut-over stays."""


# Parts --------------------------------------------------------------------------------------------------------------


def _each_interface(facts: Facts, fault: Callable[[Manifest, Mapping[str, Any]], str | None], evidence: str) -> Verdict:
    found = facts.interfaces.value
    wrong = []
    for node in facts.nodes.value:
        interface = found.get(_name(node))
        what = _without_vm(node) if interface is None else fault(node, interface)
        if what:
            wrong.append(f"{_name(node)} {what}")
    return _all_nodes(facts, wrong, evidence)


def _without_vm(node: Manifest) -> str:
    text = node["spec"].get("providerID") or ""
    return "has no VM" if vm_of(node)[1] else f"has provider ID {text!r}, which names no VM"


def _alias_fault(node: Manifest, interface: Mapping[str, Any]) -> str | None:
    aliases = [cidr for cidr, _ in alias_ranges(interface)]
    if aliases[:1] == _pod_cidrs(node)[:1]:
        return None
    return f"has aliases {_words(aliases)}, its Node {_words(_pod_cidrs(node))}"


def _all_nodes(facts: Facts, wrong: list[str], evidence: str) -> Verdict:
    count = len(facts.nodes.value)
    if not count:
        return False, "the cluster has no Node"
    return not wrong, clauses(wrong, MOST) or f"{count} of {count} nodes {evidence}"


def _name(node: Manifest) -> str:
    return str(node["metadata"]["name"])


def _pod_cidrs(node: Manifest) -> list[str]:
    return node["spec"].get("podCIDRs") or []


def _nodes_subnet(facts: Facts) -> Resource:
    subnet = facts.nodes_subnet.value
    if subnet is None:
        raise LookupError(f"subnet {facts.cluster.nodes_subnet} does not exist")
    return subnet


def _flag(subnet: Resource) -> bool:
    return bool(subnet.get("allowSubnetCidrRoutesOverlap"))


def _subnet_words(subnet: Resource) -> str:
    ranges = ", ".join(f"{name} {cidr}" for name, cidr in secondary_ranges(subnet))
    return (
        f"overlap flag {'on' if _flag(subnet) else 'off'}, {subnet['stackType']}, secondary ranges: {ranges or 'none'}"
    )


def _pods(facts: Facts) -> list[tuple[str, int]]:
    """The `k8s-app` label and the number of addresses of each pod on the pod network."""
    nodes = {_name(node) for node in facts.nodes.value}
    return [
        ((pod["metadata"].get("labels") or {}).get("k8s-app", ""), len(pod["status"].get("podIPs") or ()))
        for pod in facts.pods.value
        if pod["spec"].get("nodeName") in nodes and not pod["spec"].get("hostNetwork")
    ]
