"""Rules of disks, instance templates and managed instance groups (compute-api.md 8)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "templates.in-use",
        "An instance template that a managed instance group uses cannot be deleted.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "templates.alias-masks",
        "The alias ranges of an instance template may only be netmasks.",
        "compute-api.md 7.1",
        "documented",
    ),
    Rule(
        "groups.availability",
        "A rolling replacement leaves at least targetSize minus maxUnavailable VMs running.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "groups.recreate-without-surge",
        "maxSurge must be 0 when the replacement method is RECREATE.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "groups.some-leeway",
        "maxSurge and maxUnavailable cannot both be 0.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "groups.deletion-shrinks",
        "deleteInstances lowers the target size by as many VMs as it deletes.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "groups.fingerprint",
        "A patch of a managed instance group with a stale fingerprint is refused with 412.",
        "compute-api.md 1.4",
        "inferred",
    ),
    Rule(
        "disks.in-use",
        "A disk that is attached to a VM cannot be deleted.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "disks.auto-delete",
        "A disk with autoDelete goes with its VM.",
        "compute-api.md 7.5, 8",
        "documented",
    ),
    Rule(
        "disks.only-grow",
        "A disk can be resized to a larger size only.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "access.one-config",
        "A network interface has at most one access config.",
        "compute-api.md 7.3",
        "observed",
    ),
    Rule(
        "access.ephemeral-address",
        "An external IPv4 address that nobody reserved is given up when its VM stops; another comes when it starts.",
        "compute-api.md 7.5",
        "inferred",
    ),
    Rule(
        "access.address-once",
        "An external address belongs to one VM at a time.",
        "compute-api.md 8",
        "inferred",
    ),
    Rule(
        "addresses.reserved-for-vm",
        "A reserved internal address can be given to one VM, and is then IN_USE by it.",
        "compute-api.md 8",
        "inferred",
    ),
    Rule(
        "machines.type-when-stopped",
        "The machine type of a VM changes only while it is stopped.",
        "compute-api.md 7.5",
        "documented",
    ),
    Rule(
        "machines.most-disruptive-action",
        "instances.update is refused if it needs more than mostDisruptiveAllowedAction.",
        "compute-api.md 7.5",
        "documented",
    ),
)
