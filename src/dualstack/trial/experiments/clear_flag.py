"""T9, K2: may the overlap flag be cleared while a route is left inside a range?"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged, no_flag

KNOB = "clear-flag-over-routes"


async def run(lab: Lab) -> Sequence[Answer]:
    """Make a route, a flagged subnet with a range over it, and clear the flag."""
    made = await lab.flagged_subnet("clear")
    if made is None:
        return [no_flag("T9")]
    subnet, secondary = made
    suffix = lab.site.fresh("clear")
    await lab.site.make_route(suffix, str(next(IPv4Network(secondary).subnets(new_prefix=24))), lab.site.vms[0])
    try:
        added = await lab.add_range(subnet, secondary)
        if not added.accepted:
            return [Answer("T9", "", f"The range could not be added: {added.describe()}.", "undecided")]
        outcome = await lab.compute.patch_subnet(subnet, {FLAG: False})
        if not outcome.accepted:
            why = f"Clearing the flag over a route was tried; {outcome.describe()}."
            return [Answer("T9", "refuse", why, knobs={KNOB: "refuse"})]
        if is_flagged(await lab.read(subnet, lambda found: not is_flagged(found))):
            return [Answer("T9", "without effect", "It was accepted, but GET still returns true.", "likely")]
        return [Answer("T9", "accept", "The flag was cleared over a route.", knobs={KNOB: "accept"})]
    finally:
        await lab.compute.remove(lab.site.route(suffix))


EXPERIMENT = Experiment(
    "clear-flag",
    (Question("T9", "May the overlap flag be cleared while a route is left inside a range?", knob=KNOB),),
    run,
    minutes=0.7,
    place="subnets",
)
