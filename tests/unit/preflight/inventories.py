"""Inventories for the tests of the checks: a cluster at rest to which every check applies, and none objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dualstack.gce import Resource
from dualstack.gce.errors import PermissionDenied
from dualstack.model.cluster import Cluster, NodePool
from dualstack.plan.settings import Settings
from dualstack.preflight.finding import Finding
from dualstack.preflight.inventory import Answer, Inventory, Source
from dualstack.preflight.registry import ALL_CHECKS, run_checks
from tests.support.cluster_facts import PODS, ZONE, at_rest

BASE = "https://www.googleapis.com/compute/v1/projects/p"
NETWORK = f"{BASE}/global/networks/vpc"
REGION = f"{BASE}/regions/europe-west1"
NODES_SUBNET = "shoot--foo--bar-nodes"
SERVICES_SUBNET = "shoot--foo--bar-services"
INTERNAL_SUBNET = "shoot--foo--bar-internal"
SERVICES = "100.64.0.0/13"

CLUSTER = Cluster(
    name="shoot--foo--bar",
    project="p",
    region="europe-west1",
    network="vpc",
    nodes_subnet=NODES_SUBNET,
    nodes="10.250.0.0/16",
    pods=PODS,
    services_subnet=SERVICES_SUBNET,
    services=SERVICES,
    pools=(NodePool("w", (ZONE,), surge=1, vm_name_prefixes=("node-",)),),
    internal_subnet=INTERNAL_SUBNET,
    internal="10.251.0.0/16",
)


def subnet(name: str, cidr: str, **fields: Any) -> Resource:
    return {"name": name, "region": REGION, "network": NETWORK, "ipCidrRange": cidr, **fields}


def route(name: str, cidr: str, **fields: Any) -> Resource:
    return {"name": name, "network": NETWORK, "destRange": cidr, **fields}


def machine(name: str = "node-0", kind: str = "n2-standard-4", *, external: bool = False) -> Resource:
    """A VM in the nodes subnet."""
    interface = {"name": "nic0", "network": NETWORK, "subnetwork": f"{REGION}/subnetworks/{NODES_SUBNET}"}
    zone = f"{BASE}/zones/{ZONE}"
    return {
        "name": name,
        "zone": zone,
        "machineType": f"{zone}/machineTypes/{kind}",
        "networkInterfaces": [interface | ({"accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]} if external else {})],
    }


def item(name: str, **content: Any) -> Resource:
    """An object of Kubernetes; `name` may begin with its namespace."""
    namespace, _, own = name.rpartition("/")
    return {"metadata": {"name": own, **({"namespace": namespace} if namespace else {})}, **content}


def pod(*flags: str, image: str = "example/program:1") -> Resource:
    """The spec of a pod whose program has these flags."""
    return {"containers": [{"name": "program", "image": image, "command": ["program", *flags]}]}


def metadata(**values: str) -> Resource:
    return {"items": [{"key": key.replace("_", "-"), "value": value} for key, value in values.items()]}


def quota(metric: str, limit: float, usage: float) -> Resource:
    return {"metric": metric, "limit": limit, "usage": usage}


def router(**fields: Any) -> Resource:
    """A Cloud Router that advertises what it is given by hand only."""
    return {"name": "r", "region": REGION, "network": NETWORK, "bgp": {"advertiseMode": "CUSTOM"}, **fields}


ADMITS_IPV6 = {
    "name": "b",
    "network": NETWORK,
    "direction": "INGRESS",
    "allowed": [{"IPProtocol": "all"}],
    "sourceRanges": ["2600:1900:1::/64"],
}
"""A firewall rule that admits all from an IPv6 subnet."""

ANSWERS: Mapping[Source, list[Resource]] = {
    "network": [
        {
            "selfLink": NETWORK,
            "autoCreateSubnetworks": False,
            "peerings": [{"state": "ACTIVE"}],
            "routingConfig": {"routingMode": "REGIONAL"},
        }
    ],
    "project": [{"quotas": [{"metric": "NETWORKS", "limit": 1.0}, {"metric": "FIREWALLS", "limit": 100.0}]}],
    "subnetworks": [subnet(NODES_SUBNET, "10.250.0.0/16", ipv6AccessType="EXTERNAL"), subnet("x", "10.1.0.0/16")],
    "routes": [route("default", "0.0.0.0/0"), *(route(f"route-{n}", f"10.96.{n}.0/24") for n in range(3))],
    "firewalls": [{"name": "a", "network": NETWORK}, ADMITS_IPV6],
    "effective firewalls": [{"pool": "w", "firewalls": [ADMITS_IPV6]}],
    "addresses": [
        {"name": "psa", "address": "10.2.0.0", "prefixLength": 20, "purpose": "VPC_PEERING", "network": NETWORK}
    ],
    "routers": [router()],
    "router status": [{"name": "r", "result": {"bestRoutes": [{"destRange": "10.3.0.0/16"}]}}],
    "peering routes": [{"destRange": "10.4.0.0/16", "type": "SUBNET_PEERING_ROUTE"}],
    "instances": [machine(f"node-{n}") for n in range(3)],
    "region": [{"quotas": [quota("INSTANCES", 24, 3), quota("CPUS", 24, 12), quota("N2_CPUS", 24, 12)]}],
    "machine types": [
        {"name": "n2-standard-4", "zone": ZONE, "guestCpus": 4},
        {"name": "e2-standard-8", "zone": ZONE, "guestCpus": 8},
    ],
    "permissions": [{"object": f"subnetworks {NODES_SUBNET}", "missing": []}],
    "kubernetes permissions": [{"object": "leases in kube-system", "missing": []}],
    "nodes": [{"metadata": {"name": "node-0"}, "status": {"nodeInfo": {"kubeletVersion": "v1.33.4"}}}],
    "services": [
        item("kube-system/kube-dns", spec={"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}),
        item("default/x", spec={"type": "ExternalName"}),
    ],
    "deployments": [item("kube-system/coredns", spec={"replicas": 2})],
    "daemon sets": [item("kube-system/calico-node")],
    "control plane pods": [item("kube-system/kube-controller-manager-a", spec=pod("--cluster-cidr=10.96.0.0/11"))],
    "config connector": [],
    "config maps": [item("kube-system/calico-config", data={"calico_backend": "none"})],
    "ip pools": [item("default-ipv4-ippool", spec={"cidr": PODS, "ipipMode": "Never"})],
    "network policies": [],
    "policies of the CNI": [],
    "webhooks": [item("w", webhooks=[{"name": "w.example", "clientConfig": {"url": "https://w.example/"}}])],
    "disruption budgets": [item("default/web", status={"expectedPods": 2, "disruptionsAllowed": 1})],
    "machine metadata": [{"name": "node-0", "metadata": metadata(disable_address_manager="true")}],
    "shoot": [],
    "seed objects": [],
    "forwarding rules": [{"loadBalancingScheme": "INTERNAL", "network": NETWORK}],
}

INVENTORY = Inventory(
    cluster=CLUSTER,
    observed=at_rest(3),
    answers=ANSWERS,
    settings=Settings(decoys=True),
    planned_firewalls=("ipv6-internal", "ipv6-health-checks"),
    prober_image="registry.example/dualstack:1",
    deleted_elsewhere=True,
)


def answering(source: Source, *more: Resource, inventory: Inventory = INVENTORY) -> Inventory:
    """The inventory with more resources of a source."""
    return replace(inventory, answers={**inventory.answers, source: [*ANSWERS[source], *more]})


def with_answer(source: Source, answer: Answer, inventory: Inventory = INVENTORY) -> Inventory:
    """The inventory with another answer for a source."""
    return replace(inventory, answers={**inventory.answers, source: answer})


def denied(source: Source, inventory: Inventory = INVENTORY) -> Inventory:
    """The inventory of an account that must not read a source."""
    refusal = PermissionDenied("forbidden", "Required permission", status=403, call=f"GET {source}")
    if source == "cluster state":
        return replace(inventory, observed=refusal)
    return with_answer(source, refusal, inventory)


def findings(inventory: Inventory, check: str) -> list[Finding]:
    """The findings of one check."""
    return run_checks(inventory, [each for each in ALL_CHECKS if each.id == check])


def problems(inventory: Inventory, check: str) -> list[str]:
    """`<object>: <evidence>` of the problems that one check finds."""
    return [
        f"{finding.object}: {finding.evidence}" for finding in findings(inventory, check) if finding.status == "problem"
    ]
