"""Rules of the data path (cutover.md 1, 2 and 11; compute-api.md 6.4, 8 and 10)."""

from __future__ import annotations

from dualstack_sim.rules.registry import Rule

RULES = (
    Rule(
        "forwarding.subnet-before-static",
        "Subnet routes precede static routes, however specific a static route is.",
        "cutover.md R5",
        "documented",
    ),
    Rule(
        "forwarding.firewall-egress",
        "Egress rules decide on what a VM sends, by priority, targets and destination ranges; all else may leave.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "forwarding.peer-subnets",
        "Hosts follow the subnet routes of ACTIVE peers, of primary and secondary ranges, and of no peer's peer.",
        "cutover.md R5, R10, E17; compute-api.md 6.2",
        "documented",
    ),
    Rule(
        "forwarding.peer-custom-routes",
        "Hosts follow a peer's static routes only if the peer exports custom routes and their network imports them.",
        "cutover.md R10, 9 T14",
        "documented",
    ),
    Rule(
        "forwarding.peer-untagged",
        "Static routes with network tags are not exchanged with peers, nor are those to the internet gateway.",
        "cutover.md R10",
        "documented",
    ),
    Rule(
        "forwarding.peer-ipv6",
        "IPv6 routes are exchanged only if both sides of the peering are IPV4_IPV6.",
        "compute-api.md 5.4",
        "documented",
    ),
    Rule(
        "forwarding.local-before-peer",
        "Of two static routes to one destination the local one precedes that of a peer.",
        "cutover.md R5, R10",
        "inferred",
    ),
    Rule(
        "forwarding.unmatched-drops",
        "A packet into a subnet range that no resource has is dropped and never falls through to static routes.",
        "cutover.md R8",
        "documented",
    ),
    Rule(
        "forwarding.hybrid-second-pass",
        "In a hybrid subnet a packet to an address that no resource has is looked up once more among custom routes.",
        "cutover.md R6, E11; compute-api.md 6.4",
        "documented",
    ),
    Rule(
        "forwarding.hybrid-to-instances",
        "Static routes to instances serve the second pass as routes to tunnels do.",
        "cutover.md 0, R6; compute-api.md 11.2",
        "inferred",
    ),
    Rule(
        "forwarding.hybrid-untagged-only",
        "Static routes with network tags are left out of the second pass.",
        "cutover.md R6, E11",
        "documented",
    ),
    Rule(
        "forwarding.hybrid-no-broader",
        "Routes broader than the hybrid subnet route are left out of the second pass.",
        "cutover.md R6, E11",
        "documented",
    ),
    Rule(
        "forwarding.hybrid-same-region",
        "In the second pass a next hop in another region than the subnet drops the packet.",
        "cutover.md R7, E11",
        "documented",
    ),
    Rule(
        "forwarding.hybrid-ipv4-only",
        "Hybrid subnets have no second pass for IPv6.",
        "cutover.md R16; compute-api.md 6.4",
        "observed",
    ),
    Rule(
        "forwarding.hybrid-limits",
        "With more NICs, routes or hybrid subnets than advised some hosts reach nothing in hybrid subnets.",
        "cutover.md R16, E14",
        "inferred",
    ),
    Rule(
        "forwarding.alias-matched",
        "An alias IP range counts as a matched resource of its subnet, in a hybrid one too (knob K3).",
        "cutover.md 0, E9",
        "inferred",
    ),
    Rule(
        "forwarding.owner-runs",
        "Only a running VM makes an address a matched resource.",
        "compute-api.md 6.4; cutover.md 12",
        "documented",
    ),
    Rule(
        "forwarding.most-specific",
        "Among custom routes the most specific destination wins.",
        "cutover.md R5",
        "documented",
    ),
    Rule(
        "forwarding.route-priority",
        "Among custom routes to one destination the lowest priority number wins.",
        "cutover.md R5; compute-api.md 6.1",
        "documented",
    ),
    Rule(
        "forwarding.running-next-hop",
        "Among custom routes to one destination those whose next hop runs are used first.",
        "cutover.md 11",
        "inferred",
    ),
    Rule(
        "forwarding.route-tags",
        "A static route with network tags serves only senders that have one of them.",
        "cutover.md R6",
        "documented",
    ),
    Rule(
        "forwarding.next-hop-forwards",
        "A VM takes packets of a static route only with canIpForward.",
        "compute-api.md 6.1; cutover.md 2",
        "documented",
    ),
    Rule(
        "forwarding.source-check",
        "A VM without canIpForward can send only from addresses of its own.",
        "compute-api.md 10",
        "documented",
    ),
    Rule(
        "forwarding.alias-source",
        "An alias range counts as an address of the VM's own when it sends.",
        "compute-api.md 7.5, 10",
        "documented",
    ),
    Rule(
        "forwarding.implied-deny",
        "Ingress that no firewall rule allows is refused.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "forwarding.firewall-priority",
        "The firewall rule with the lowest priority number decides.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "forwarding.firewall-deny-first",
        "At equal priority a deny rule goes before an allow rule.",
        "compute-api.md 8",
        "inferred",
    ),
    Rule(
        "forwarding.firewall-targets",
        "A firewall rule with target tags is about VMs that have one of them.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "forwarding.firewall-disabled",
        "A disabled firewall rule neither allows nor denies.",
        "compute-api.md 8",
        "documented",
    ),
    Rule(
        "forwarding.ipv6-outlives-subnet",
        "Dual-stack VMs keep their IPv6 when their subnet goes back to IPv4 only.",
        "compute-api.md 5.5",
        "documented",
    ),
    Rule(
        "forwarding.internet-external-only",
        "From the internet a VM is reached at its external IPv6 addresses only, not at unique local ones.",
        "compute-api.md 5.5",
        "documented",
    ),
    Rule(
        "forwarding.internet-needs-route",
        "Nothing of the internet is heard without a route that leads back: ::/0 to the internet gateway.",
        "compute-api.md 5.1",
        "inferred",
    ),
    Rule(
        "forwarding.guest-agent",
        "A guest agent with ip_aliases=true takes an alias range for the VM itself; its pods get no packet.",
        "cutover.md R13, E16",
        "documented",
    ),
    Rule(
        "forwarding.eventually-consistent",
        "Every host sees a change only some time after it took effect, each at its own pace.",
        "cutover.md R5; compute-api.md 10",
        "documented",
    ),
    Rule(
        "forwarding.subnet-order",
        "A host may see the changes of one subnet in another order than they were made (knob K4).",
        "cutover.md E10",
        "inferred",
    ),
)
