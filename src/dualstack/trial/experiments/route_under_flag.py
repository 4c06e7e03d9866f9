"""T8, K1: may a route be created inside a range of a subnet with the overlap flag?"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from dualstack.trial.experiment import Answer, Experiment, Lab, Question, no_flag

KNOB = "new-route-in-flagged-range"


async def run(lab: Lab) -> Sequence[Answer]:
    """Insert a route inside the secondary range of a new subnet with the flag."""
    made = await lab.flagged_subnet("under")
    if made is None:
        return [no_flag("T8")]
    subnet, secondary = made
    added = await lab.add_range(subnet, secondary)
    if not added.accepted:
        return [Answer("T8", "", f"The range could not be added: {added.describe()}.", "undecided")]
    suffix = lab.site.fresh("under")
    outcome = await lab.insert_route(suffix, str(next(IPv4Network(secondary).subnets(new_prefix=24))))
    if outcome.accepted:
        await lab.compute.remove(lab.site.route(suffix))
        return [Answer("T8", "allow", "A route inside a flagged range was accepted.", knobs={KNOB: "allow"})]
    why = f"A route inside a flagged range was tried; {outcome.describe()}."
    return [Answer("T8", "deny", why, knobs={KNOB: "deny"})]


EXPERIMENT = Experiment(
    "route-under-flag",
    (Question("T8", "May a route be created inside a range of a subnet with the overlap flag?", knob=KNOB),),
    run,
    minutes=0.7,
    place="subnets",
)
