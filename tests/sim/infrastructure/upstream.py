"""Upstream's migration call by call, up to any point (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from typing import Any

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.model import cidr, kinds, names
from tests.sim.infrastructure.scene import NS, SUBNET, ZONE, Scene

PODS, SERVICES = "100.96.0.0/11", "100.64.0.0/13"
POD_RANGE = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": PODS}
DUAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
ALL = ["1-65535"]


async def stop_controller(made: Scene) -> None:
    annotations = {"metadata": {"annotations": {gardener_names.REMOVE_IGNORE: "true", gardener_names.IGNORE: "true"}}}
    made.store.patch(
        gardener_kinds.MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, annotations, made.namespace
    )
    body = {"spec": {"replicas": 0}}
    made.store.patch(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, body, made.namespace)


async def delete_routes(made: Scene, *, left: int = 0) -> None:
    """All but so many."""
    for route in (await made.node_routes())[left:]:
        await made.change("routes.delete", "global", route["name"])


async def patch_nodes_subnet(made: Scene, **body: Any) -> None:
    subnet = await made.subnet()
    await made.change("subnetworks.patch", SUBNET, subnet["name"], fingerprint=subnet["fingerprint"], **body)


async def put_alias(made: Scene, name: str, text: str) -> None:
    interface = (await made.resource("instances.get", ZONE, name))["networkInterfaces"][0]
    await made.change(
        "instances.updateNetworkInterface",
        ZONE,
        name,
        query={"networkInterface": "nic0"},
        aliasIpRanges=[{"ipCidrRange": text, "subnetworkRangeName": "ipv4-pod-cidr"}],
        fingerprint=interface["fingerprint"],
    )


def write_state(made: Scene, *, routes: bool, succeeded: bool = False, **data: str) -> None:
    """`status.state` as upstream writes it, with the saved routes of all nodes or without."""
    saved = [{"instanceName": n.name, "destinationCIDR": n.pod_cidr, "zone": n.zone} for n in made.world.nodes]
    state: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "InfrastructureState",
        "data": {"resources_exist": "true", **data},
        **({"routes": saved} if routes else {}),
    }
    last = {"state": "Succeeded" if succeeded else "Error"}
    made.store.patch(
        gardener_kinds.INFRASTRUCTURE,
        made.shoot,
        {"status": {"state": state, "lastOperation": last}},
        made.namespace,
        subresource="status",
    )


async def finish(made: Scene) -> None:
    """The whole migration of the infrastructure, to the end."""
    await stop_controller(made)
    await delete_routes(made)
    await patch_nodes_subnet(made, **DUAL)
    await patch_nodes_subnet(made, secondaryIpRanges=[POD_RANGE])
    for node in made.world.nodes:
        await put_alias(made, node.name, node.pod_cidr)
    network = (await made.subnet())["network"]
    services = {"name": f"{NS}-services", "description": "gardener-managed services subnet", "network": network}
    await insert(made, "subnetworks", SUBNET, {**services, "ipCidrRange": SERVICES, **DUAL})
    await made.clock.sleep(90.0)
    nodes_ipv6 = (await made.subnet())["externalIpv6Prefix"]
    services_ipv6 = (await made.subnet(f"{NS}-services"))["externalIpv6Prefix"]
    rule = {"network": network, "direction": "INGRESS", "priority": 1000, "disabled": False}
    allowed: list[dict[str, Any]] = [{"IPProtocol": protocol} for protocol in ("58", "ipip")]
    allowed += [{"IPProtocol": protocol, "ports": ALL} for protocol in ("tcp", "udp")]
    sources = [cidr.canonical(nodes_ipv6), cidr.canonical(services_ipv6)]
    internal = {"name": f"{NS}-allow-internal-access-ipv6", "allowed": allowed, "sourceRanges": sources}
    await insert(made, "firewalls", "global", rule | internal)
    ports = [{"IPProtocol": protocol, "ports": ["30000-32767"]} for protocol in ("udp", "tcp")]
    probes = ["2600:2d00:1:b029::/64", "2600:2d00:1:1::/64", "2600:1901:8001::/48"]
    health = {"name": f"{NS}-allow-health-checks-ipv6", "allowed": ports, "sourceRanges": probes}
    await insert(made, "firewalls", "global", rule | health)
    keys = {"nodes-subnet-ipv6-cidr": nodes_ipv6, "services-subnet-ipv6-cidr": services_ipv6}
    write_state(made, routes=False, succeeded=True, **keys)


async def insert(made: Scene, collection: str, scope: str, body: dict[str, Any]) -> None:
    operation = await made.compute.answer(f"{collection}.insert", scope, body=body)
    kind = {"r": "regionOperations", "g": "globalOperations"}[scope[0]]
    while operation["status"] != "DONE":
        operation = await made.compute.answer(f"{kind}.wait", scope, operation["name"])
    assert "error" not in operation, operation
