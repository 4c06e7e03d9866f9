"""Rules of disks, instance templates, managed instance groups and access configs."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "templates.in-use",
        "An instance template that a managed instance group uses cannot be deleted.",
        ("docs/reference/compute-engine.md#instance-templates-immutable",),
        "documented",
    ),
    Rule(
        "templates.alias-masks",
        "The alias ranges of an instance template must be netmasks.",
        ("docs/reference/compute-engine.md#alias-masks-in-templates",),
        "documented",
    ),
    Rule(
        "groups.availability",
        "A rolling replacement leaves at least targetSize minus maxUnavailable VMs running.",
        ("docs/reference/compute-engine.md#group-update-policy",),
        "documented",
    ),
    Rule(
        "groups.recreate-without-surge",
        "maxSurge must be 0 when the replacement method is RECREATE.",
        ("docs/reference/compute-engine.md#group-surge",),
        "documented",
    ),
    Rule(
        "groups.some-leeway",
        "maxSurge and maxUnavailable cannot both be 0.",
        ("docs/reference/compute-engine.md#group-surge",),
        "documented",
    ),
    Rule(
        "groups.deletion-shrinks",
        "deleteInstances lowers the target size by as many VMs as it deletes.",
        ("docs/reference/compute-engine.md#group-methods",),
        "documented",
    ),
    Rule(
        "groups.fingerprint",
        "A patch of a managed instance group with a stale fingerprint is refused with 412.",
        ("docs/reference/compute-engine.md#group-fingerprint",),
        "documented",
    ),
    Rule(
        "disks.in-use",
        "A disk that is attached to a VM cannot be deleted.",
        ("docs/reference/compute-engine.md#disk-attachment",),
        "documented",
    ),
    Rule(
        "disks.auto-delete",
        "A disk with autoDelete is deleted with its VM.",
        ("docs/reference/compute-engine.md#disk-attachment",),
        "documented",
    ),
    Rule(
        "disks.only-grow",
        "A disk can be resized to a larger size only.",
        ("docs/reference/compute-engine.md#disk-size",),
        "documented",
    ),
    Rule(
        "access.one-config",
        "A network interface has at most one access config.",
        ("docs/reference/compute-engine.md#one-access-config",),
        "observed",
    ),
    Rule(
        "access.ephemeral-address",
        "An ephemeral external IPv4 address is released when its VM stops; a start assigns another one.",
        ("docs/reference/compute-engine.md#ephemeral-addresses",),
        "inferred",
    ),
    Rule(
        "access.address-once",
        "An external address belongs to one VM at a time.",
        ("docs/reference/compute-engine.md#external-address-once",),
        "inferred",
    ),
    Rule(
        "addresses.reserved-for-vm",
        "A reserved internal address can be assigned to one VM, and is then IN_USE by it.",
        ("docs/reference/compute-engine.md#reserved-internal-address",),
        "inferred",
    ),
    Rule(
        "machines.type-when-stopped",
        "The machine type of a VM can be changed only while it is stopped.",
        ("docs/reference/compute-engine.md#machine-type-change",),
        "documented",
    ),
    Rule(
        "machines.most-disruptive-action",
        "instances.update is refused if it needs more than mostDisruptiveAllowedAction.",
        ("docs/reference/compute-engine.md#instance-update",),
        "documented",
    ),
)
