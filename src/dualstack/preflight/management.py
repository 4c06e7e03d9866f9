"""Checks of other programs that manage the subnet or the VMs, and would undo the migration or not know of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.gce.resources import last_segment
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory

LABELS = {"goog-terraform-provisioned": "Terraform", "managed-by-cnrm": "Config Connector"}
"""Labels that a program sets on what it manages (docs/reference/compute-engine.md#managed-labels)."""

_WORDS = re.compile(r"terraform|pulumi|config connector|cnrm|crossplane|deployment manager", re.IGNORECASE)


@Check(
    "subnet-manager",
    "risk",
    reads=("network", "subnetworks", "machine metadata", "config connector"),
    fine="nothing shows that Terraform or Config Connector manages the nodes subnet or the VMs",
    consequence="its next run removes the range, the flag and IPv6 from the subnet, or replaces the subnet",
    remedy="change its configuration first, apply it only after the migration, and check that its plan is empty",
)
def subnet_manager(inventory: Inventory) -> Iterator[Problem]:
    """Subnets have no labels, so descriptions, VMs and objects are read
    (docs/reference/compute-engine.md#managed-labels)."""
    subnet, name = inventory.nodes_subnet, inventory.cluster.nodes_subnet
    found = _WORDS.search(subnet.get("description", ""))
    if found:
        yield Problem(f"subnet {name}", f"its description names {found[0]}", fix=terraform(inventory))
    for machine in inventory.of("machine metadata"):
        for label, program in LABELS.items():
            if str((machine.get("labels") or {}).get(label, "")).lower() == "true":
                evidence = f"label {label} shows that {program} manages it, and perhaps the subnet too"
                yield Problem(
                    f"VM {machine['name']}", evidence, fix=terraform(inventory) if "terraform" in label else ""
                )
    for each in inventory.of("config connector"):
        if (each.get("spec") or {}).get("resourceID", each["metadata"]["name"]) == name:
            about = f"ComputeSubnetwork {each['metadata'].get('namespace')}/{each['metadata']['name']}"
            fix = (
                f"kubectl --namespace {each['metadata'].get('namespace')} annotate computesubnetwork "
                f"{each['metadata']['name']} "
                "cnrm.cloud.google.com/reconcile-interval-in-seconds=0 --overwrite"
            )
            yield Problem(about, "Config Connector reconciles the subnet", fix=fix)


@Check(
    "instance-templates",
    "risk",
    reads=("cluster state", "machine metadata"),
    fine="no managed instance group creates the VMs, or the cluster's own controller writes their template",
    consequence="a VM that the group creates has no alias and no IPv6, so its pods are not reachable once routes stop",
    remedy="give the template an alias range from the pod range and stackType IPV4_IPV6, after `dualstack prepare`",
)
def instance_templates(inventory: Inventory) -> Iterator[Problem]:
    """A group creates VMs from its template (docs/reference/compute-engine.md#created-by)."""
    facts = inventory.facts
    machines = inventory.of("machine metadata")
    if inventory.platform == "gardener":
        raise NotApplicable("Gardener writes the templates of its VMs")
    for machine in machines:
        items = {item["key"]: item.get("value", "") for item in (machine.get("metadata") or {}).get("items") or ()}
        if "/instanceGroupManagers/" in items.get("created-by", ""):
            fix = (
                "gcloud compute instance-templates create NEW_TEMPLATE ... --network-interface "
                f"subnet={inventory.cluster.nodes_subnet},aliases={facts.range_name}:/MASK,stack-type=IPV4_IPV6"
            )
            about = f"instance group {last_segment(items['created-by'])}"
            yield Problem(about, f"it has created VM {machine['name']}", fix=fix)


def terraform(inventory: Inventory) -> str:
    """What the resource of the nodes subnet needs, as HCL."""
    cluster = inventory.cluster
    return "\n".join(
        (
            f'resource "google_compute_subnetwork" "..." {{  # {cluster.nodes_subnet}',
            '  stack_type       = "IPV4_IPV6"',
            '  ipv6_access_type = "EXTERNAL"',
            "  secondary_ip_range {",
            f'    range_name    = "{cluster.pod_range_name}"',
            f'    ip_cidr_range = "{cluster.pods}"',
            "  }",
            "  lifecycle {",
            "    prevent_destroy = true",
            "    ignore_changes  = [allow_subnet_cidr_routes_overlap]  # until the cut-over has ended",
            "  }",
            "}",
        )
    )
