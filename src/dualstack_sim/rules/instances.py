"""Rules of instances and their network interfaces."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "instances.name-taken",
        "The name of an instance is unique in its zone, even while an instance of that name is being deleted: 409.",
        (
            "docs/reference/compute-engine.md#error-already-exists",
            "docs/reference/compute-engine.md#instance-name-taken",
        ),
        "documented",
    ),
    Rule(
        "instances.staging",
        "A new instance is PROVISIONING, then STAGING, then RUNNING.",
        ("docs/reference/compute-engine.md#instance-status",),
        "documented",
    ),
    Rule(
        "instances.stopping",
        "An instance is STOPPING while it is being deleted.",
        ("docs/reference/compute-engine.md#instance-status",),
        "documented",
    ),
    Rule(
        "instances.addresses-held-while-deleted",
        "Addresses, aliases and the /96 of an instance are released only when its deletion is done.",
        ("docs/reference/compute-engine.md#addresses-held-until-deleted",),
        "inferred",
    ),
    Rule(
        "instances.deletion-protection",
        "An instance with deletionProtection cannot be deleted.",
        ("docs/reference/compute-engine.md#deletion-protection",),
        "inferred",
    ),
    Rule(
        "instances.tags-always-there",
        "`tags` is always present, with a fingerprint even without items.",
        ("docs/reference/compute-engine.md#tags-always-present",),
        "observed",
    ),
    Rule(
        "instances.tags-fingerprint",
        "setTags requires the current fingerprint of the tags: 412.",
        ("docs/reference/compute-engine.md#metadata-fingerprints", "docs/reference/compute-engine.md#instance-setters"),
        "observed",
    ),
    Rule(
        "instances.labels-fingerprint",
        "setLabels requires the current fingerprint of the labels: 412.",
        ("docs/reference/compute-engine.md#metadata-fingerprints", "docs/reference/compute-engine.md#instance-setters"),
        "observed",
    ),
    Rule(
        "instances.metadata-fingerprint",
        "setMetadata requires the current fingerprint of the metadata: 412.",
        ("docs/reference/compute-engine.md#metadata-fingerprints", "docs/reference/compute-engine.md#instance-setters"),
        "observed",
    ),
    Rule(
        "interfaces.fingerprint-needed",
        "updateNetworkInterface without a fingerprint is refused with 400.",
        (
            "docs/reference/compute-engine.md#interface-fingerprint",
            "docs/reference/cut-over.md#r12",
            "docs/reference/cut-over.md#e7",
        ),
        "documented",
    ),
    Rule(
        "interfaces.fingerprint-stale",
        "updateNetworkInterface with a stale fingerprint is refused with 412 conditionNotMet.",
        (
            "docs/reference/compute-engine.md#interface-fingerprint",
            "docs/reference/cut-over.md#r12",
            "docs/reference/cut-over.md#e7",
        ),
        "documented",
    ),
    Rule(
        "interfaces.fingerprint-changes",
        "Every change of a network interface changes its fingerprint.",
        ("docs/reference/compute-engine.md#fingerprints",),
        "documented",
    ),
    Rule(
        "interfaces.one-change-at-a-time",
        "A second update of an interface during the first is refused with 412 conditionNotMet.",
        ("docs/reference/compute-engine.md#concurrent-interface-updates",),
        "documented",
    ),
    Rule(
        "interfaces.one-kind-of-change",
        "A request that changes the stack type cannot set alias ranges; an empty list removes them.",
        ("docs/reference/compute-engine.md#alias-and-stack-type",),
        "inferred",
    ),
    Rule(
        "interfaces.default-stack",
        "An interface without a stackType is IPV4_ONLY, even in a dual-stack subnetwork.",
        ("docs/reference/compute-engine.md#default-stack-type",),
        "documented",
    ),
    Rule(
        "interfaces.dual-needs-dual",
        "A dual-stack interface needs a dual-stack subnetwork.",
        ("docs/reference/compute-engine.md#dual-stack-interface",),
        "documented",
    ),
    Rule(
        "interfaces.address-fixed",
        "The IPv4 address of an interface cannot change while its instance runs.",
        ("docs/reference/compute-engine.md#address-fixed-while-running",),
        "documented",
    ),
    Rule(
        "interfaces.access-configs-fixed",
        "updateNetworkInterface refuses access configs that differ from the current ones.",
        ("docs/reference/compute-engine.md#access-configs-fixed",),
        "observed",
    ),
    Rule(
        "interfaces.first-prefix-skipped",
        "The first /96 of a subnetwork's /64 is not assigned to any interface.",
        ("docs/reference/compute-engine.md#vm-prefixes",),
        "inferred",
    ),
    Rule(
        "aliases.add-and-remove",
        "Alias ranges cannot be added and removed in one request.",
        (
            "docs/reference/compute-engine.md#alias-add-or-remove",
            "docs/reference/cut-over.md#r12",
            "docs/reference/cut-over.md#e7",
        ),
        "documented",
    ),
    Rule(
        "aliases.empty-list-clears",
        "An empty list of alias ranges removes all of them, even if the client sends it unintentionally.",
        ("docs/reference/compute-engine.md#empty-alias-list", "docs/reference/cut-over.md#e13"),
        "observed",
    ),
    Rule(
        "aliases.inside-range",
        "An explicit alias range must lie inside the range that it names.",
        ("docs/reference/compute-engine.md#alias-outside-range",),
        "observed",
    ),
    Rule(
        "aliases.known-range",
        "An alias range must name a secondary range of its subnetwork.",
        ("docs/reference/compute-engine.md#alias-outside-range", "docs/reference/cut-over.md#e7"),
        "documented",
    ),
    Rule(
        "aliases.taken",
        "An alias range in use fails in the operation with IP_IN_USE_BY_ANOTHER_RESOURCE.",
        ("docs/reference/compute-engine.md#alias-in-use", "docs/reference/cut-over.md#e7"),
        "observed",
    ),
    Rule(
        "aliases.routes-not-asked",
        "An alias range may equal the destination of a static route.",
        (
            "docs/reference/compute-engine.md#routes-reserve-nothing",
            "docs/reference/cut-over.md#e7",
            "docs/reference/cut-over.md#e8",
        ),
        "inferred",
    ),
    Rule(
        "aliases.lowest-free",
        "A bare netmask allocates the lowest block without an alias, regardless of static routes.",
        ("docs/reference/cut-over.md#e8", "docs/reference/compute-engine.md#alias-request"),
        "inferred",
    ),
    Rule(
        "aliases.repetitions-collapse",
        "An alias range that is listed twice counts once.",
        ("docs/reference/compute-engine.md#repeated-alias",),
        "inferred",
    ),
)
