"""Checks that hold in every cluster: addresses of Nodes, pods and Services, agents, exposure and quotas.

The Kubernetes project lists most of them (docs/reference/kubernetes.md#validate-dual-stack).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import yaml

from dualstack.model.enumeration import clauses
from dualstack.model.kinds import Manifest
from dualstack.verify.checks import MOST, has_families, listed
from dualstack.verify.facts import Facts, NotApplicable, is_current
from dualstack.verify.judging import Rule, Verdict

NEARLY = 0.95
"""The part of a quota above which little can be created."""

EVERYWHERE = ip_network("::/0")

Network = IPv4Network | IPv6Network


def node_addresses(*families: str) -> Rule:
    """Each Node has an internal IP address of each family."""

    def rule(facts: Facts) -> Verdict:
        wrong = []
        for node in facts.nodes.value:
            entries = node["status"].get("addresses") or []
            found = {f"IPv{ip_address(each['address']).version}" for each in entries if each["type"] == "InternalIP"}
            if missing := [family for family in families if family not in found]:
                wrong.append(f"{_name(node)} has no {' and no '.join(missing)} address")
        return _verdict(wrong, f"{len(facts.nodes.value)} nodes with an {' and an '.join(families)} address")

    return rule


def pods_in_node_ranges(facts: Facts) -> Verdict:
    """Each address of a running pod is in the pod CIDR of its Node for that family, and the first is its main one."""
    ranges = {
        _name(node): [ip_network(cidr) for cidr in node["spec"].get("podCIDRs") or ()] for node in facts.nodes.value
    }
    wrong, count = [], 0
    for pod in facts.pods.value:
        node = pod["spec"].get("nodeName")
        if node not in ranges or pod["spec"].get("hostNetwork") or pod["status"].get("phase") != "Running":
            continue
        count += 1
        name = f"{pod['metadata']['namespace']}/{_name(pod)}"
        addresses = [entry["ip"] for entry in pod["status"].get("podIPs") or ()]
        if not addresses or addresses[0] != pod["status"].get("podIP"):
            wrong.append(
                f"{name} has addresses {', '.join(addresses) or 'none'}, but podIP {pod['status'].get('podIP')}"
            )
        outside = [each for each in addresses if not any(ip_address(each) in cidr for cidr in ranges[node])]
        wrong += [f"{name} has {each}, which is in no pod CIDR of {node}" for each in outside]
    return _verdict(wrong, f"{count} running pods have addresses of the pod CIDRs of their nodes")


def service_addresses(*families: str) -> Rule:
    """Each Service has a cluster IP of each of its families, and only of these; dual-stack ones have two."""

    def rule(facts: Facts) -> Verdict:
        wrong, two = [], 0
        for service in facts.services.value:
            spec, name = service["spec"], f"{service['metadata']['namespace']}/{_name(service)}"
            if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
                continue
            addresses, shown = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
            found = [f"IPv{ip_address(each).version}" for each in addresses]
            two += len(found) == 2
            if found != shown or not set(found) <= set(families):
                wrong.append(f"Service {name} has families {', '.join(shown) or 'none'} and {', '.join(addresses)}")
            elif spec.get("ipFamilyPolicy", "SingleStack") != "SingleStack" and len(found) < len(families):
                wrong.append(
                    f"Service {name} has policy {spec['ipFamilyPolicy']}, but {found[0]} alone; any update of it that "
                    "names both ipFamilies adds the other"
                )
        return _verdict(wrong, f"{len(facts.services.value)} Services, {two} of them with two cluster IPs")

    return rule


def agents_rolled_out(facts: Facts) -> Verdict:
    """Every DaemonSet in kube-system is rolled out: kube-proxy, the agents of the CNI and those of the cloud."""
    found = facts.daemon_sets.value
    wrong = [f"DaemonSet {_name(each)} is not rolled out" for each in found if not is_current(each)]
    return _verdict(wrong, f"{len(found)} DaemonSets in kube-system are rolled out")


def proxy_ranges(*families: str) -> Rule:
    """kube-proxy knows the pod ranges of these families, wherever it knows any."""

    def rule(facts: Facts) -> Verdict:
        found = [yaml.safe_load(text) for text in facts.proxy_configurations.value]
        if not found:
            raise NotApplicable("kube-system has no kube-proxy with a configuration file")
        ranges = sorted({str(each.get("clusterCIDR") or "") for each in found})
        wrong = [f"kube-proxy has clusterCIDR {text}" for text in ranges if text and not has_families(text, *families)]
        return _verdict(wrong, f"clusterCIDR of kube-proxy: {'; '.join(ranges) or 'none'}")

    return rule


def admits_own_ipv6(facts: Facts) -> Verdict:
    """Ingress rules admit the IPv6 ranges of the cluster's subnets, so that pods of other nodes are not shut out."""
    subnets = [each for each in (facts.nodes_subnet.value, facts.services_subnet.value) if each]
    prefixes = [each.get("externalIpv6Prefix") or each.get("internalIpv6Prefix") for each in subnets]
    if not any(prefixes):
        return False, "the nodes subnet has no IPv6 range"
    wanted = [ip_network(text) for text in prefixes if text]
    admitted = [source for _, sources in _admitted(facts) for source in sources]
    wrong = [
        f"no ingress rule admits {each}" for each in wanted if not any(_inside(each, source) for source in admitted)
    ]
    return _verdict(wrong, f"ingress rules admit {listed(wanted)}")


def closed_to_the_internet(facts: Facts) -> Verdict:
    """No ingress rule of the network admits every IPv6 address: nodes have external IPv6 addresses, without NAT."""
    wide = [name for name, sources in _admitted(facts) if EVERYWHERE in sources]
    wrong = [f"firewall rule {name} admits ::/0" for name in wide]
    return _verdict(wrong, "no ingress rule admits ::/0")


def quotas(facts: Facts) -> Verdict:
    """No quota of the project or of the region is nearly used up."""
    found = [each for each in facts.quotas.value if each.get("limit", 0) > 0]
    full = [each for each in found if each.get("usage", 0) >= NEARLY * each["limit"]]
    wrong = [f"quota {each['metric']}: {each['usage']:.0f} of {each['limit']:.0f} used" for each in full]
    return _verdict(wrong, f"{len(found)} quotas, none of them used by {NEARLY:.0%} or more")


def _admitted(facts: Facts) -> Iterable[tuple[str, set[Network]]]:
    """Name and sources of each ingress rule that admits traffic."""
    for rule in facts.firewalls.value:
        if rule.get("direction") == "INGRESS" and rule.get("allowed") and not rule.get("disabled"):
            yield rule["name"], set(map(ip_network, rule.get("sourceRanges") or ()))


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


def _verdict(wrong: list[str], good: str) -> Verdict:
    return not wrong, clauses(wrong, MOST) or good


def _name(found: Manifest) -> str:
    return str(found["metadata"]["name"])
