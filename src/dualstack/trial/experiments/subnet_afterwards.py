"""T15: does a subnet that has had the flag equal one that never had it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged, no_flag, undecided

OWN = ("id", "name", "selfLink", "selfLinkWithId", "fingerprint", "creationTimestamp", "ipCidrRange", "gatewayAddress")
"""Fields in which any two subnets differ."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Compare two subnets, and another two if they differ: something else may have changed one of them."""
    first = await _compare(lab)
    if first.answer != "different":
        return [first]
    second = await _compare(lab)
    if (second.answer, second.explanation) != (first.answer, first.explanation):
        return [undecided("T15", f"Two subnets differed, and two others did not as well: {first.explanation}")]
    return [replace(second, repetitions=2)]


async def _compare(lab: Lab) -> Answer:
    """Set the flag, add a range, clear the flag; the other subnet only gets a range."""
    made = await lab.flagged_subnet("was")
    if made is None:
        return no_flag("T15")
    subnet, secondary = made
    primary, other_secondary = lab.site.ranges()
    other = await lab.site.make_subnet(lab.site.fresh("never"), primary)
    await lab.add_range(subnet, secondary)
    await lab.add_range(other, other_secondary)
    outcome = await lab.compute.patch_subnet(subnet, {FLAG: False})
    if not outcome.accepted:
        return undecided("T15", f"The flag could not be cleared: {outcome.describe()}.")
    was, never = await gather_all(*(lab.read(path, _in_s5) for path in (subnet, other)))
    unequal = sorted(name for name in {*was, *never} - set(OWN) if _value(was, name) != _value(never, name))
    if unequal:
        return Answer("T15", "different", f"They differ in {', '.join(unequal)}.")
    return Answer("T15", "equal", f"They are equal in all fields but {', '.join(OWN)}.")


def _in_s5(subnet: Resource) -> bool:
    return bool(subnet.get("secondaryIpRanges")) and not is_flagged(subnet)


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
