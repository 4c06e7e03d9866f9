"""What a migration changes, as it stands at one moment: taken before and after, the difference is what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dualstack.cli.rehearsal.cluster_checks import flags
from dualstack.cli.rehearsal.endpoints import Endpoints, RequestRefused
from dualstack.cli.rehearsal.result import Change
from dualstack.gardener.model.kinds import NETWORK
from dualstack.gardener.model.names import nodes_subnet, services_subnet
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import DEPLOYMENT, NODE, SERVICE, Manifest
from dualstack.model.names import ROUTE_DESCRIPTION

_ABSENT = "none"


async def take(endpoints: Endpoints, shoot: ShootView) -> dict[str, str]:
    """Name to state, in the order in which a migration touches them."""
    name = shoot.technical_id
    routes = await endpoints.compute_list("global/routes")
    rules = await endpoints.compute_list("global/firewalls")
    nodes = await endpoints.list_all(NODE)
    return {
        "node routes": str(sum(route.get("description") == ROUTE_DESCRIPTION for route in routes)),
        f"subnet {nodes_subnet(name)}": await _subnet(endpoints, shoot, nodes_subnet(name)),
        f"subnet {services_subnet(name)}": await _subnet(endpoints, shoot, services_subnet(name)),
        "firewall rules": ", ".join(sorted(rule["name"].removeprefix(f"{name}-") for rule in rules)),
        "cloud-controller-manager": await _flags(
            endpoints, name, "cloud-controller-manager", "cidr-allocator-type", "configure-cloud-routes", "cluster-cidr"
        ),
        "nodes": _families(nodes),
        "kube-apiserver": await _flags(endpoints, name, "kube-apiserver", "service-cluster-ip-range"),
        "kube-controller-manager": await _flags(endpoints, name, "kube-controller-manager", "cluster-cidr"),
        shoot.cni: ", ".join((await endpoints.get(NETWORK, shoot.name, name))["status"].get("ipFamilies", [])),
        "kube-dns": ", ".join((await endpoints.get(SERVICE, "kube-dns", "kube-system"))["spec"]["clusterIPs"]),
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two inventories."""
    return tuple(
        Change(what, before.get(what, _ABSENT), state)
        for what, state in after.items()
        if before.get(what, _ABSENT) != state
    )


async def _subnet(endpoints: Endpoints, shoot: ShootView, name: str) -> str:
    try:
        subnet = await endpoints.compute(f"regions/{shoot.region}/subnetworks/{name}")
    except RequestRefused:
        return _ABSENT
    ranges = [f"{entry['rangeName']} {entry['ipCidrRange']}" for entry in subnet.get("secondaryIpRanges", [])]
    return ", ".join([subnet["stackType"], *filter(None, [subnet.get("externalIpv6Prefix")]), *ranges])


async def _flags(endpoints: Endpoints, namespace: str, deployment: str, *names: str) -> str:
    found = flags(await endpoints.get(DEPLOYMENT, deployment, namespace))
    return " ".join(f"{name}={found.get(name)}" for name in names)


def _families(nodes: list[Manifest]) -> str:
    counts = Counter(len(node["spec"].get("podCIDRs", [])) for node in nodes)
    return ", ".join(f"{number} {'dual-stack' if cidrs == 2 else 'IPv4'}" for cidrs, number in sorted(counts.items()))
