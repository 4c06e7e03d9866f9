"""Checks of paths beyond the nodes: DNS, egress to the internet, NetworkPolicies and packet sizes.

They judge what both APIs show; `--traffic` measures packets (docs/live-clusters.md#verify).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from dualstack.cni import CNIS
from dualstack.gce import Resource
from dualstack.gce.nats import translates
from dualstack.gce.resources import last_segment
from dualstack.kube.masquerading import masquerader
from dualstack.model.conditions import find_condition
from dualstack.model.kinds import Manifest
from dualstack.verify.checks import MOST
from dualstack.verify.facts import Facts, NotApplicable
from dualstack.verify.judging import Rule, Verdict

DEFAULT_MTU = 1460
"""Of a network that does not state one, in bytes (docs/reference/compute-engine.md#network-defaults)."""

DEFAULT_DESTINATIONS: Mapping[str, str] = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}


def dns_endpoints(facts: Facts) -> Verdict:
    """A pod behind Service kube-dns is Ready, with an address of each family of the Service."""
    families = set(facts.dns_service.value["spec"].get("ipFamilies") or ("IPv4",))
    selected = [pod for pod in facts.pods.value if (pod["metadata"].get("labels") or {}).get("k8s-app") == "kube-dns"]
    ready = [pod for pod in selected if _is_ready(pod)]
    served = [pod for pod in ready if families <= _families(entry["ip"] for entry in pod["status"].get("podIPs") or ())]
    words = f"{len(served)} of {len(selected)} DNS pods are Ready with an {' and an '.join(sorted(families))} address"
    return bool(served), words


def egress(*families: str) -> Rule:
    """Each VM has a way to the internet in each family: a default route, with an external address or Cloud NAT.

    Nothing translates IPv6 (docs/reference/compute-engine.md#nat-ranges), so a VM needs an external address there.
    """

    def rule(facts: Facts) -> Verdict:
        wrong = [f"the network has no default route of {each}" for each in families if not _default(facts, each)]
        nat = _has_nat(facts)
        for name, interface in sorted(facts.interfaces.value.items()):
            if not _leaves_by_gateway(facts):
                break
            if "IPv4" in families and not nat and not interface.get("accessConfigs"):
                wrong.append(f"VM {name} has no external IPv4 address, and no Cloud NAT serves its subnet")
            if "IPv6" in families and not interface.get("ipv6AccessConfigs"):
                wrong.append(f"VM {name} has no external IPv6 address")
        good = f"a default route and an address of {' and '.join(families)} for {len(facts.interfaces.value)} VMs"
        return not wrong, "; ".join(wrong[:MOST]) or good

    return rule


def nat_ranges(facts: Facts) -> Verdict:
    """The Cloud NAT of the nodes also translates the secondary range that has the pods' addresses
    (docs/reference/compute-engine.md#nat-ranges)."""
    subnet, pods = facts.cluster.nodes_subnet, facts.cluster.pod_range_name
    nats = _nats(facts)
    if not any(translates(nat, subnet) for nat in nats):
        raise NotApplicable("no Cloud NAT serves the nodes")
    if any(translates(nat, subnet, pods) for nat in nats):
        return True, f"Cloud NAT translates secondary range {pods} of subnet {subnet}"
    if by := masquerader(facts.cluster.pods, facts.system_objects):
        raise NotApplicable(f"packets of pods leave with the address of their node: {by}")
    return False, (
        f"no Cloud NAT translates secondary range {pods} of subnet {subnet}: pods that no node masquerades do not "
        "reach the internet over IPv4; let the NAT translate all ranges of the subnet"
    )


def policy_families(facts: Facts) -> Verdict:
    """Each rule of a NetworkPolicy with an IPv4 block has an IPv6 block: a block admits its own family alone
    (docs/reference/kubernetes.md#policies-by-family)."""
    found = facts.network_policies.value
    wrong = [
        f"NetworkPolicy {policy['metadata']['namespace']}/{policy['metadata']['name']} has IPv4 blocks alone"
        for policy in found
        if any("IPv4" in blocks and "IPv6" not in blocks for blocks in _blocks(policy))
    ]
    return not wrong, "; ".join(wrong[:MOST]) or f"{len(found)} NetworkPolicies, none with blocks of IPv4 alone"


def pod_mtu(facts: Facts) -> Verdict:
    """The MTU of the pods, where the CNI is given one, fits the network: larger packets are lost, and no router
    fragments IPv6."""
    network = int((facts.network.value or {}).get("mtu") or DEFAULT_MTU)
    given = {
        cni.config_map: int(data.get(cni.mtu_key) or 0)
        for cni in CNIS
        if cni.mtu_key and (data := facts.system_objects.data(cni.config_map)) is not None
    }
    if not given:
        raise NotApplicable(f"kube-system has no ConfigMap of {' or '.join(cni.name for cni in CNIS if cni.mtu_key)}")
    wrong = [f"ConfigMap kube-system/{name} has MTU {mtu}, the network {network}" for name, mtu in given.items()
             if mtu > network]  # fmt: skip
    shown = ", ".join(str(mtu) for mtu in given.values() if mtu) or "of the nodes"
    return not wrong, "; ".join(wrong) or f"the CNI gives pods the MTU {shown}, the network has {network}"


def _is_ready(pod: Manifest) -> bool:
    ready = find_condition((pod.get("status") or {}).get("conditions") or [], "Ready")
    return bool(pod["status"].get("phase") == "Running" and (ready or {}).get("status", "True") == "True")


def _families(addresses: Iterable[str]) -> set[str]:
    return {f"IPv{ip_address(each).version}" for each in addresses}


def _default(facts: Facts, family: str) -> list[Mapping[str, Any]]:
    return [route for route in facts.default_routes.value if route.get("destRange") == DEFAULT_DESTINATIONS[family]]


def _leaves_by_gateway(facts: Facts) -> bool:
    """Whether a default route leads to the internet gateway; another next hop has addresses of its own."""
    return any(route.get("nextHopGateway") for route in facts.default_routes.value)


def _has_nat(facts: Facts) -> bool:
    """Whether a Cloud NAT of the region serves the nodes."""
    return any(translates(nat, facts.cluster.nodes_subnet) for nat in _nats(facts))


def _nats(facts: Facts) -> list[Resource]:
    """Each Cloud NAT of the network in the region."""
    place = (facts.cluster.network, facts.cluster.region)
    return [
        nat
        for router in facts.routers.value
        if (last_segment(router.get("network") or ""), last_segment(router.get("region") or "")) == place
        for nat in router.get("nats") or ()
    ]


def _blocks(policy: Manifest) -> Iterator[set[str]]:
    """The families of the blocks of each rule that has any."""
    spec = policy.get("spec") or {}
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or ():
            blocks = [peer["ipBlock"]["cidr"] for peer in rule.get(key) or () if peer.get("ipBlock")]
            if blocks:
                yield {"IPv6" if ":" in each else "IPv4" for each in blocks}
