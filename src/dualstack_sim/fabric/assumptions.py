"""The inferred facts about Google Cloud on which a verdict of the fabric rests, one sentence each."""

from __future__ import annotations

from dualstack_sim.fabric.overload import SHARE
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile


def assumptions(lag: LagProfile, knobs: FabricKnobs, *, overlap_used: bool, most_interfaces: int) -> list[str]:
    """`most_interfaces`: the largest number of NICs in a network beyond the limits of hybrid subnets; 0 if none was."""
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
    if most_interfaces:
        unstable = knobs.beyond_limits == "unstable"
        outcome = f"about one host in {1 / SHARE:.0f} reaches nothing in it" if unstable else "no packet is lost"
        sentences.append(
            f"The network held more beside a hybrid subnet than Google advises, with up to {most_interfaces} NICs, and "
            f"{outcome} (cutover.md R16, E14; inferred)."
        )
    return sentences
