"""Names that other tools look for (docs/reference/gardener.md#resource-names)."""

from __future__ import annotations

import pytest

from dualstack.gardener.model import names as gardener_names
from dualstack.model import names

_NS = "shoot--foo--bar"


def test_names_in_compute() -> None:
    assert gardener_names.vpc(_NS) == "shoot--foo--bar"
    assert gardener_names.nodes_subnet(_NS) == "shoot--foo--bar-nodes"
    assert gardener_names.internal_subnet(_NS) == "shoot--foo--bar-internal"
    assert gardener_names.services_subnet(_NS) == "shoot--foo--bar-services"
    assert gardener_names.cloud_router(_NS) == "shoot--foo--bar-cloud-router"
    assert gardener_names.cloud_nat(_NS) == "shoot--foo--bar-cloud-nat"
    assert gardener_names.firewall_internal(_NS) == "shoot--foo--bar-allow-internal-access"
    assert gardener_names.firewall_internal_ipv6(_NS) == "shoot--foo--bar-allow-internal-access-ipv6"
    assert gardener_names.firewall_health_checks(_NS) == "shoot--foo--bar-allow-health-checks"
    assert gardener_names.firewall_health_checks_ipv6(_NS) == "shoot--foo--bar-allow-health-checks-ipv6"
    assert names.POD_RANGE_NAME == "ipv4-pod-cidr"


def test_routes_carry_at_most_26_characters_of_the_cluster_name() -> None:
    long = "shoot--project--a-long-name"
    assert len(long) == 27

    assert names.route_prefix(_NS) == "shoot--foo--bar-"
    assert names.route_prefix(long) == "shoot--project--a-long-nam-"
    assert names.route(_NS, "u-a") == "shoot--foo--bar-u-a"


def test_names_of_machines() -> None:
    deployment = gardener_names.machine_deployment(_NS, "w1", 0)

    assert deployment == "shoot--foo--bar-w1-z1"
    assert gardener_names.machine_class(deployment, "11111") == "shoot--foo--bar-w1-z1-11111"
    assert gardener_names.node_tags(_NS) == (_NS, "kubernetes-io-cluster-shoot--foo--bar", "kubernetes-io-role-node")


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_p20_both_spellings_of_a_provider_id_name_the_vm(slashes: str) -> None:
    found = names.parse_provider_id(f"gce:{slashes}proj-1/europe-west1-b/vm")
    assert found == names.InstanceName("proj-1", "europe-west1-b", "vm")


@pytest.mark.parametrize(
    "text",
    ["", "vm", "gce://", "gce://p/z", "gce:///p/z", "gce:////p/z/n", "gce://p/z/n/x", "gce://p//n", "gce:/p/z/n",
     "aws:///p/z/n", "GCE://p/z/n", " gce://p/z/n", "gce://p/z/n\n"],
)  # fmt: skip
def test_p20_any_other_provider_id_names_no_vm(text: str) -> None:
    assert names.parse_provider_id(text) is None


def test_finalizers_are_in_lower_case() -> None:
    assert gardener_names.extension_finalizer("ControlPlane") == "extensions.gardener.cloud/controlplane"
