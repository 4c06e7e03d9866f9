"""T15: does a subnet that has had the flag equal one that never had it?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce import Resource
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged, no_flag
from dualstack.trial.experiments.overlap_flag import FLAG

OWN = ("id", "name", "selfLink", "selfLinkWithId", "fingerprint", "creationTimestamp", "ipCidrRange", "gatewayAddress")
"""Fields in which any two subnets differ."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Set the flag, add a range, clear the flag; the other subnet only gets a range."""
    made = await lab.flagged_subnet("was")
    if made is None:
        return [no_flag("T15")]
    subnet, secondary = made
    primary, other_secondary = lab.site.ranges()
    other = await lab.site.make_subnet(lab.site.fresh("never"), primary)
    await lab.add_range(subnet, secondary)
    await lab.add_range(other, other_secondary)
    outcome = await lab.compute.patch_subnet(subnet, {FLAG: False})
    if not outcome.accepted:
        return [Answer("T15", "", f"The flag could not be cleared: {outcome.describe()}.", "undecided")]
    was = await lab.read(subnet, lambda found: not is_flagged(found))
    never = await lab.read(other, lambda found: bool(found.get("secondaryIpRanges")))
    unequal = sorted(name for name in {*was, *never} - set(OWN) if _value(was, name) != _value(never, name))
    if unequal:
        return [Answer("T15", "different", f"They differ in {', '.join(unequal)}.")]
    return [Answer("T15", "equal", f"They are equal in all fields but {', '.join(OWN)}.")]


def _value(subnet: Resource, name: str) -> object:
    if name == "secondaryIpRanges":
        return [{**entry, "ipCidrRange": ""} for entry in subnet.get(name) or ()]
    return subnet.get(name)


EXPERIMENT = Experiment(
    "subnet-afterwards",
    (Question("T15", "Does a subnet in S5 equal, except for fingerprint and ids, one that never had the flag?"),),
    run,
    minutes=1.0,
    place="subnets",
    vms=False,
)
