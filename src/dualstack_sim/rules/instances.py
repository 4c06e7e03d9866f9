"""Rules of instances and their network interfaces (compute-api.md 7; cutover.md 1 and 11)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "instances.name-taken",
        "The name of an instance is unique in its zone, also while an instance of that name is being deleted: 409.",
        "compute-api.md 2.3, 7.5",
        "documented",
    ),
    Rule(
        "instances.staging",
        "A new instance is PROVISIONING, then STAGING, then RUNNING.",
        "compute-api.md 7.5",
        "documented",
    ),
    Rule(
        "instances.stopping",
        "An instance that is being deleted is STOPPING until it is gone.",
        "compute-api.md 7.5",
        "documented",
    ),
    Rule(
        "instances.addresses-held-while-deleted",
        "Addresses, aliases and the /96 of an instance are free again only when its deletion is done.",
        "compute-api.md 7.5",
        "inferred",
    ),
    Rule(
        "instances.deletion-protection",
        "An instance with deletionProtection is not deleted.",
        "compute-api.md 2.3",
        "inferred",
    ),
    Rule(
        "instances.tags-always-there",
        "`tags` is always there, with a fingerprint even without items.",
        "compute-api.md 1.3",
        "observed",
    ),
    Rule(
        "instances.tags-fingerprint",
        "setTags needs the present fingerprint of the tags: 412.",
        "compute-api.md 1.4, 7.5",
        "observed",
    ),
    Rule(
        "instances.labels-fingerprint",
        "setLabels needs the present fingerprint of the labels: 412.",
        "compute-api.md 1.4, 7.5",
        "observed",
    ),
    Rule(
        "instances.metadata-fingerprint",
        "setMetadata needs the present fingerprint of the metadata: 412.",
        "compute-api.md 1.4, 7.5",
        "observed",
    ),
    Rule(
        "interfaces.fingerprint-needed",
        "updateNetworkInterface without a fingerprint is 400.",
        "compute-api.md 1.4; cutover.md R12, E7",
        "documented",
    ),
    Rule(
        "interfaces.fingerprint-stale",
        "updateNetworkInterface with a stale fingerprint is 412 conditionNotMet.",
        "compute-api.md 1.4; cutover.md R12, E7",
        "documented",
    ),
    Rule(
        "interfaces.fingerprint-changes",
        "Every change of a network interface changes its fingerprint.",
        "compute-api.md 1.4",
        "documented",
    ),
    Rule(
        "interfaces.one-change-at-a-time",
        "A second update of an interface while the first runs is 412 conditionNotMet.",
        "compute-api.md 3",
        "documented",
    ),
    Rule(
        "interfaces.one-kind-of-change",
        "Alias ranges are not set in the request that changes the stack type; an empty list clears them there too.",
        "compute-api.md 11.8",
        "inferred",
    ),
    Rule(
        "interfaces.default-stack",
        "An interface without a stackType is IPV4_ONLY, in a dual-stack subnetwork too.",
        "compute-api.md 7.2",
        "documented",
    ),
    Rule(
        "interfaces.dual-needs-dual",
        "A dual-stack interface needs a dual-stack subnetwork.",
        "compute-api.md 7.2",
        "documented",
    ),
    Rule(
        "interfaces.address-fixed",
        "The IPv4 address of an interface stays while its instance runs.",
        "compute-api.md 7.3",
        "documented",
    ),
    Rule(
        "interfaces.access-configs-fixed",
        "updateNetworkInterface refuses access configurations that differ from the present ones.",
        "compute-api.md 7.3",
        "observed",
    ),
    Rule(
        "interfaces.first-prefix-skipped",
        "The first /96 of a subnetwork's /64 goes to no interface.",
        "compute-api.md 5.5",
        "inferred",
    ),
    Rule(
        "aliases.add-and-remove",
        "Alias ranges are not added and removed in one request.",
        "compute-api.md 7.3; cutover.md R12, E7",
        "documented",
    ),
    Rule(
        "aliases.empty-list-clears",
        "An empty list of alias ranges removes all of them, as some clients send it unasked.",
        "compute-api.md 7.3; cutover.md E13",
        "observed",
    ),
    Rule(
        "aliases.inside-range",
        "An explicit alias range lies inside the range it names.",
        "compute-api.md 7.2",
        "observed",
    ),
    Rule(
        "aliases.known-range",
        "An alias range names a secondary range that its subnetwork has.",
        "compute-api.md 7.2; cutover.md E7",
        "documented",
    ),
    Rule(
        "aliases.taken",
        "An alias that somebody holds fails in the operation with IP_IN_USE_BY_ANOTHER_RESOURCE.",
        "compute-api.md 7.2; cutover.md E7",
        "observed",
    ),
    Rule(
        "aliases.routes-not-asked",
        "An alias range may equal the destination of a static route.",
        "compute-api.md 7.2; cutover.md E7, E8",
        "inferred",
    ),
    Rule(
        "aliases.lowest-free",
        "A bare netmask takes the lowest block that no alias holds, static routes or not.",
        "cutover.md E8; compute-api.md 7.1",
        "inferred",
    ),
    Rule(
        "aliases.repetitions-collapse",
        "The same alias range twice in one list counts once.",
        "compute-api.md 7.3",
        "inferred",
    ),
)
