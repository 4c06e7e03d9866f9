"""Objects of which the cloud or Kubernetes leaves out a field that it need not fill in: every check still answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dualstack.gce import Resource
from dualstack.preflight.inventory import Source
from dualstack.preflight.registry import ALL_CHECKS, run_checks
from tests.support.cluster_facts import ZONE
from tests.unit.preflight.inventories import ANSWERS, INVENTORY, NETWORK, item, machine, pod, router, subnet

ALWAYS_THERE = {
    *("name", "metadata", "key", "cidr"),
    *("network", "selfLink", "region", "zone", "rangeName", "ipCidrRange", "IPAddress", "type"),
    *("machineType", "guestCpus", "acceleratorType", "acceleratorCount", "limit", "metric"),
    *("spec", "containers", "missing", "pool"),
}
"""Fields that every object of these kinds has: its identity, and what the API requires of the one that creates it."""

MORE: Mapping[Source, list[Resource]] = {
    "subnetworks": [subnet("y", "10.5.0.0/16", secondaryIpRanges=[{"rangeName": "r", "ipCidrRange": "10.6.0.0/16"}])],
    "firewalls": [
        {"name": "tagged", "network": NETWORK, "sourceTags": ["a"], "denied": [{"IPProtocol": "tcp", "ports": ["22"]}]}
    ],
    "effective firewalls": [
        {
            "pool": "w",
            "firewalls": [{"name": "open", "sourceRanges": ["::/0"], "allowed": [{"IPProtocol": "tcp"}]}],
            "firewallPolicys": [
                {
                    "name": "1",
                    "shortName": "base",
                    "type": "HIERARCHY",
                    "rules": [
                        {
                            "action": "allow",
                            "priority": 1,
                            "direction": "INGRESS",
                            "match": {
                                "srcIpRanges": ["::/0"],
                                "layer4Configs": [{"ipProtocol": "tcp", "ports": ["22"]}],
                            },
                        }
                    ],
                }
            ],
        }
    ],
    "routers": [
        router(
            name="nat",
            bgp={"asn": 1, "advertiseMode": "CUSTOM", "advertisedGroups": ["ALL_SUBNETS"]},
            bgpPeers=[{"name": "p", "advertiseMode": "DEFAULT"}],
            nats=[
                {
                    "name": "n",
                    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
                    "subnetworks": [{"name": f"{NETWORK}/x", "sourceIpRangesToNat": ["PRIMARY_IP_RANGE"]}],
                }
            ],
        )
    ],
    "instances": [
        machine("node-9", external=True)
        | {"guestAccelerators": [{"acceleratorType": f"{ZONE}/nvidia-l4", "acceleratorCount": 1}]}
    ],
    "services": [
        item(
            "default/web",
            spec={"type": "LoadBalancer", "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]},
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
        )
    ],
    "network policies": [
        item("default/p", spec={"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]})
    ],
    "policies of the CNI": [item("p", kind="GlobalNetworkPolicy", spec={"egress": [{"toCIDR": ["10.0.0.0/8"]}]})],
    "forwarding rules": [{"IPAddress": "203.0.113.7", "target": "https://x/targetPools/p", "network": NETWORK}],
    "config maps": [item("kube-system/shoot-info", data={"maintenanceBegin": "220000+0100"})],
    "control plane pods": [item("kube-system/kube-controller-manager-b", spec=pod("--node-cidr-mask-size=24"))],
}
"""Objects with fields that the inventory of a cluster in order does not have."""


def without_one(value: Any) -> Iterator[tuple[str, Any]]:
    """The path of each field that may be absent, and the value without it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ALWAYS_THERE:
                yield f".{key}", {name: each for name, each in value.items() if name != key}
            for path, less in without_one(inner):
                yield f".{key}{path}", {**value, key: less}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for path, less in without_one(inner):
                yield f"[{number}]{path}", [*value[:number], less, *value[number + 1 :]]


@pytest.mark.parametrize("source", ANSWERS)
def test_every_check_answers_when_a_field_is_absent(source: Source) -> None:
    checks = [check for check in ALL_CHECKS if source in check.reads]
    assert checks
    answers = {name: [*given, *MORE.get(name, ())] for name, given in ANSWERS.items()}
    for path, less in without_one(answers[source]):
        found = run_checks(replace(INVENTORY, answers={**answers, source: less}), checks)
        assert {each.id for each in found} == {check.id for check in checks}, path
