"""The inferred facts about Google Cloud on which a verdict of the fabric rests, one sentence each."""

from __future__ import annotations

from dualstack_sim.fabric.profile import FabricKnobs, LagProfile

ADVISED_INSTANCES = 130
"""Instances in a network with hybrid subnets that Google advises not to exceed (cutover.md R16)."""


def assumptions(lag: LagProfile, knobs: FabricKnobs, *, overlap_used: bool, most_interfaces: int) -> list[str]:
    """`most_interfaces`: the largest number of NICs in one network while one of its subnets was hybrid."""
    propagation = (
        f"Every host applies a change at most {lag.longest:g} s after it took effect "
        "(lag profile, compute-api.md 10; inferred, Google only says 'eventually consistent')."
    )
    flows = (
        "While hosts apply a change each packet follows either the old or the new state, and established flows move "
        "with new ones (cutover.md 2; inferred)."
    )
    sentences = [propagation, flows]
    if not overlap_used:
        return sentences
    sentences.append(
        "In a hybrid subnet, packets to addresses that no resource has follow untagged static routes to instances of "
        "the same region (cutover.md R6, R7; documented for hybrid subnets, inferred for next hop instances)."
    )
    if knobs.alias_matched:
        sentences.append(
            "An alias IP range counts as a matched resource of a hybrid subnet (K3, cutover.md E9; inferred)."
        )
    else:
        sentences.append(
            "An alias IP range does not count as a matched resource of a hybrid subnet (K3 'no', cutover.md E9; "
            "inferred)."
        )
    if knobs.subnet_order == "fifo":
        sentences.append(
            "A host sees the changes of one subnet in the order in which they were made (K4 'fifo', cutover.md E10; "
            "inferred)."
        )
    sentences.append(
        "Switching allowSubnetCidrRoutesOverlap on or off moves no packet of addresses that a resource has "
        "(cutover.md 2, S1 and S5; inferred)."
    )
    if most_interfaces > ADVISED_INSTANCES:
        sentences.append(
            f"The network had up to {most_interfaces} NICs while a subnet was hybrid, more than the "
            f"{ADVISED_INSTANCES} instances that Google advises; no loss was simulated for that "
            "(cutover.md R16, E14; inferred)."
        )
    return sentences
