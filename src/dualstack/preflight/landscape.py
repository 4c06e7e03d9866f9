"""What the garden and the seed of a Gardener shoot show, where the user may read them."""

from __future__ import annotations

from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory, Source


@Check(
    "shoot-spec",
    "blocker",
    reads=("shoot",),
    fine="no field of the Shoot stops its migration",
    consequence="Gardener's migration of the Shoot does not reach its end",
    remedy="change the field of the Shoot first",
)
def shoot_spec(inventory: Inventory) -> list[Problem]:
    """The Shoot of the garden, of a file, or of the seed's Cluster."""
    return _problems(inventory, "shoot", "pass --garden-kubeconfig, --shoot FILE or --seed-kubeconfig")


@Check(
    "seed-objects",
    "blocker",
    reads=("seed objects", "cluster state"),
    fine="the objects of the shoot in the seed are as a migration needs them",
    consequence="after the edit of the Shoot, Gardener does not reach the end of the migration while this is so",
    remedy="have the operators of the landscape resolve it before the Shoot is edited",
    cause="",
)
def seed_objects(inventory: Inventory) -> list[Problem]:
    """An error of the Infrastructure is expected while an IPv4 Shoot is prepared
    (docs/reference/gardener.md#prepared-ipv4-reconcile)."""
    found = _problems(inventory, "seed objects", "pass --seed-kubeconfig")
    expected = "Infrastructure " if inventory.facts.begun else None
    return [each for each in found if expected is None or not each.object.startswith(expected)]


def _problems(inventory: Inventory, source: Source, option: str) -> list[Problem]:
    if source not in inventory.answers:
        raise NotApplicable(f"not read: {option}, if this is a Gardener shoot")
    return [Problem(each["object"], each["evidence"]) for each in inventory.of(source)]
