"""The checks of permissions."""

from __future__ import annotations

from collections.abc import Iterator

from dualstack.preflight.check import Check, Problem
from dualstack.preflight.inventory import Inventory


@Check(
    "permissions-granted",
    "blocker",
    reads=("permissions",),
    fine="the caller has the permissions that can be tested on the subnet, a VM and a route",
    consequence="the step that needs it is refused in the middle of the migration",
    remedy="grant it; docs/permissions.md lists all permissions",
    cause="permission",
)
def permissions_granted(inventory: Inventory) -> Iterator[Problem]:
    """Compute tests permissions on resources (docs/reference/compute-engine.md#test-iam-permissions)."""
    for tested in inventory.of("permissions"):
        for missing in tested["missing"]:
            yield Problem(str(tested["object"]), f"permission {missing} is missing")


@Check(
    "kubernetes-permissions",
    "blocker",
    reads=("kubernetes permissions",),
    fine="the user has the permissions that the cut-over needs in the cluster",
    consequence="the step that needs it is refused in the middle of the migration",
    remedy="bind a role with these rules to the user; docs/live-clusters.md lists them",
    cause="permission",
)
def kubernetes_permissions(inventory: Inventory) -> Iterator[Problem]:
    """The API server answers for its own user (docs/reference/kubernetes.md#access-reviews)."""
    for tested in inventory.of("kubernetes permissions"):
        if tested["missing"]:
            yield Problem(str(tested["object"]), f"missing verbs: {', '.join(tested['missing'])}")
