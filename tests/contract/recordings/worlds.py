"""The clouds in which recordings began, with the names that upstream gives to its resources."""

from __future__ import annotations

from dualstack_sim.compute.api.backend import Compute

NAME = "shoot--foo--bar"
REGION = "regions/europe-west1"
ZONE = "zones/europe-west1-b"
NETWORK = f"global/networks/{NAME}"
NODES = f"{REGION}/subnetworks/{NAME}-nodes"
POD_RANGE = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": "100.96.0.0/11"}
WORKERS = tuple(f"{NAME}-w1-z1-3201c-{suffix}" for suffix in ("jj6c9", "6vv4z", "wn4tg"))
"""The VMs of the recordings with 3 nodes, in the order of their addresses and pod CIDRs."""
ROUTES = tuple(
    f"{NAME}-{uid}"
    for uid in (
        "ebe56321-5de7-434b-af50-3b4c7e0202bc",
        "77ed52b7-caf4-41bd-bd24-0585e505e5e8",
        "24fe07a9-e52c-4996-814a-aed12c6b04ea",
    )
)
"""Their routes, in the same order."""


def place_network(compute: Compute, *, dual: bool) -> None:
    """The network and the subnetwork of the nodes; `dual`: with external IPv6 and the range of the pods."""
    compute.place("networks", "global", {"name": NAME, "autoCreateSubnetworks": False})
    subnetwork: dict[str, object] = {"name": f"{NAME}-nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"}
    if dual:
        subnetwork |= {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL", "secondaryIpRanges": [POD_RANGE]}
    compute.place("subnetworks", REGION, subnetwork)


def place_worker(compute: Compute, name: str, *, dual: bool = False) -> None:
    """A VM as the machine controller makes it; `dual`: with IPv6 and an alias range."""
    interface: dict[str, object] = {"subnetwork": NODES}
    if dual:
        alias = {"ipCidrRange": "/24", "subnetworkRangeName": POD_RANGE["rangeName"]}
        interface |= {"stackType": "IPV4_IPV6", "aliasIpRanges": [alias]}
    machine = f"{ZONE}/machineTypes/n1-standard-4"
    body = {"name": name, "machineType": machine, "canIpForward": True, "networkInterfaces": [interface]}
    compute.place("instances", ZONE, body)


def place_route(compute: Compute, name: str, destination: str, worker: str) -> None:
    """A route of cloud-controller-manager."""
    hop = f"{ZONE}/instances/{worker}"
    route = {"name": name, "network": NETWORK, "destRange": destination, "priority": 1000, "nextHopInstance": hop}
    compute.place("routes", "global", route | {"description": "k8s-node-route"})
