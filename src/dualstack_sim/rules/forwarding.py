"""Rules of the data path."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "forwarding.subnet-before-static",
        "Subnet routes take precedence over static routes, even over more specific ones.",
        ("docs/reference/cut-over.md#r5",),
        "documented",
    ),
    Rule(
        "forwarding.firewall-egress",
        "Egress rules filter what a VM sends by priority, target and destination; all other packets may leave.",
        ("docs/reference/compute-engine.md#firewall-defaults",),
        "documented",
    ),
    Rule(
        "forwarding.peer-subnets",
        "Hosts follow the primary and secondary subnet routes of ACTIVE peers, but not those of a peer's peers.",
        (
            "docs/reference/cut-over.md#r5",
            "docs/reference/cut-over.md#r10",
            "docs/reference/cut-over.md#e17",
            "docs/reference/compute-engine.md#peer-subnet-routes",
        ),
        "documented",
    ),
    Rule(
        "forwarding.peer-custom-routes",
        "Hosts follow a peer's static routes only if the peer exports custom routes and their network imports them.",
        ("docs/reference/cut-over.md#r10", "docs/reference/cut-over.md#t14"),
        "documented",
    ),
    Rule(
        "forwarding.peer-untagged",
        "Static routes with network tags or to the internet gateway are not exchanged with peers.",
        ("docs/reference/cut-over.md#r10",),
        "documented",
    ),
    Rule(
        "forwarding.peer-ipv6",
        "IPv6 routes are exchanged only if both sides of the peering are IPV4_IPV6.",
        ("docs/reference/compute-engine.md#peering-ipv6",),
        "documented",
    ),
    Rule(
        "forwarding.local-before-peer",
        "A local static route takes precedence over a peer's static route to the same destination.",
        ("docs/reference/cut-over.md#r5", "docs/reference/cut-over.md#r10"),
        "inferred",
    ),
    Rule(
        "forwarding.unmatched-drops",
        "A packet to an unused address of a subnet range is dropped and never falls through to static routes.",
        ("docs/reference/cut-over.md#r8",),
        "documented",
    ),
    Rule(
        "forwarding.hybrid-second-pass",
        "In a hybrid subnet a packet to an unused address is looked up once more among custom routes.",
        (
            "docs/reference/cut-over.md#r6",
            "docs/reference/cut-over.md#e11",
            "docs/reference/compute-engine.md#unmatched-resources",
        ),
        "documented",
    ),
    Rule(
        "forwarding.hybrid-to-instances",
        "Static routes to instances serve the second pass just as routes to tunnels do.",
        (
            "docs/reference/cut-over.md#rests-on-static",
            "docs/reference/cut-over.md#r6",
            "docs/reference/compute-engine.md#open-unmatched-to-instances",
        ),
        "inferred",
    ),
    Rule(
        "forwarding.hybrid-untagged-only",
        "The second pass ignores static routes with network tags.",
        ("docs/reference/cut-over.md#r6", "docs/reference/cut-over.md#e11"),
        "documented",
    ),
    Rule(
        "forwarding.hybrid-no-broader",
        "The second pass ignores routes broader than the hybrid subnet route.",
        ("docs/reference/cut-over.md#r6", "docs/reference/cut-over.md#e11"),
        "documented",
    ),
    Rule(
        "forwarding.hybrid-same-region",
        "In the second pass a next hop outside the region of the subnet drops the packet.",
        ("docs/reference/cut-over.md#r7", "docs/reference/cut-over.md#e11"),
        "documented",
    ),
    Rule(
        "forwarding.hybrid-ipv4-only",
        "Hybrid subnets have no second pass for IPv6.",
        ("docs/reference/cut-over.md#r16", "docs/reference/compute-engine.md#hybrid-limits"),
        "observed",
    ),
    Rule(
        "forwarding.hybrid-limits",
        "Beyond the recommended number of NICs, routes or hybrid subnets some hosts cannot reach hybrid subnets.",
        ("docs/reference/cut-over.md#r16", "docs/reference/cut-over.md#e14"),
        "inferred",
    ),
    Rule(
        "forwarding.alias-matched",
        "An alias IP range counts as a matched resource of its subnet, even in a hybrid one (knob K3).",
        ("docs/reference/cut-over.md#rests-on-alias", "docs/reference/cut-over.md#e9"),
        "inferred",
    ),
    Rule(
        "forwarding.owner-runs",
        "Only a running VM makes an address a matched resource.",
        ("docs/reference/compute-engine.md#unmatched-resources", "docs/reference/cut-over.md#open-questions"),
        "documented",
    ),
    Rule(
        "forwarding.most-specific",
        "Among custom routes the most specific destination wins.",
        ("docs/reference/cut-over.md#r5",),
        "documented",
    ),
    Rule(
        "forwarding.route-priority",
        "Among custom routes to one destination the lowest priority number wins.",
        ("docs/reference/cut-over.md#r5", "docs/reference/compute-engine.md#route-selection"),
        "documented",
    ),
    Rule(
        "forwarding.running-next-hop",
        "Among custom routes to one destination those with a running next hop are used first.",
        ("docs/reference/cut-over.md#host-views",),
        "inferred",
    ),
    Rule(
        "forwarding.route-tags",
        "A static route with network tags applies only to senders with one of these tags.",
        ("docs/reference/cut-over.md#r6",),
        "documented",
    ),
    Rule(
        "forwarding.next-hop-forwards",
        "A VM forwards the packets of a static route only with canIpForward.",
        ("docs/reference/compute-engine.md#next-hop-forwarding", "docs/reference/cut-over.md#forwarding"),
        "documented",
    ),
    Rule(
        "forwarding.source-check",
        "A VM without canIpForward can send only from its own addresses.",
        ("docs/reference/compute-engine.md#source-addresses",),
        "documented",
    ),
    Rule(
        "forwarding.alias-source",
        "An alias range counts as one of the VM's own addresses when it sends.",
        (
            "docs/reference/compute-engine.md#alias-without-forwarding",
            "docs/reference/compute-engine.md#source-addresses",
        ),
        "documented",
    ),
    Rule(
        "forwarding.implied-deny",
        "Ingress that no firewall rule allows is denied.",
        ("docs/reference/compute-engine.md#firewall-defaults",),
        "documented",
    ),
    Rule(
        "forwarding.firewall-priority",
        "The firewall rule with the lowest priority number decides.",
        ("docs/reference/compute-engine.md#firewall-priority",),
        "documented",
    ),
    Rule(
        "forwarding.firewall-deny-first",
        "At equal priority a deny rule takes precedence over an allow rule.",
        ("docs/reference/compute-engine.md#firewall-priority",),
        "documented",
    ),
    Rule(
        "forwarding.firewall-targets",
        "A firewall rule with target tags applies only to VMs with one of these tags.",
        ("docs/reference/compute-engine.md#firewall-targets",),
        "documented",
    ),
    Rule(
        "forwarding.firewall-disabled",
        "A disabled firewall rule has no effect.",
        ("docs/reference/compute-engine.md#firewall-targets",),
        "documented",
    ),
    Rule(
        "forwarding.ipv6-outlives-subnet",
        "Dual-stack VMs keep their IPv6 when their subnet goes back to IPv4 only.",
        ("docs/reference/compute-engine.md#back-to-ipv4",),
        "documented",
    ),
    Rule(
        "forwarding.internet-external-only",
        "From the internet a VM is reachable only at its external IPv6 addresses, not at unique local ones.",
        ("docs/reference/compute-engine.md#internal-prefix",),
        "documented",
    ),
    Rule(
        "forwarding.internet-needs-route",
        "A VM receives packets from the internet only with a route back: ::/0 to the internet gateway.",
        ("docs/reference/compute-engine.md#ipv6-internet-route",),
        "inferred",
    ),
    Rule(
        "forwarding.guest-agent",
        "A guest agent with ip_aliases=true assigns the alias range to the VM itself; its pods get no packets.",
        ("docs/reference/cut-over.md#r13", "docs/reference/cut-over.md#e16"),
        "documented",
    ),
    Rule(
        "forwarding.eventually-consistent",
        "Each host sees a change some time after it took effect, at its own pace.",
        ("docs/reference/cut-over.md#r5", "docs/reference/compute-engine.md#eventual-consistency"),
        "documented",
    ),
    Rule(
        "forwarding.subnet-order",
        "A host may see the changes of one subnet in a different order than they were made (knob K4).",
        ("docs/reference/cut-over.md#e10",),
        "inferred",
    ),
)
