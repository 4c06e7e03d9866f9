"""Where does a route that hides a range of a subnet without the flag fail?"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from dualstack.trial.experiment import Answer, Experiment, Lab, Question

ID = "route-conflict"


async def run(lab: Lab) -> Sequence[Answer]:
    """Insert a route inside the secondary range of a new subnet."""
    primary, secondary = lab.site.ranges()
    subnet = await lab.site.make_subnet(lab.site.fresh("hides"), primary)
    added = await lab.add_range(subnet, secondary)
    if not added.accepted:
        return [Answer(ID, "", f"The range could not be added: {added.describe()}.", "undecided")]
    suffix = lab.site.fresh("hides")
    outcome = await lab.insert_route(suffix, str(next(IPv4Network(secondary).subnets(new_prefix=24))))
    if outcome.accepted:
        await lab.compute.remove(lab.site.route(suffix))
        return [Answer(ID, "accepted", "A route inside a range of a subnet without the flag was accepted.")]
    why = f"A route inside a range was tried; {outcome.describe()}."
    return [Answer(ID, f"refused in the {outcome.channel}", why, knobs={"route-conflict": outcome.channel})]


EXPERIMENT = Experiment(
    "route-in-range",
    (Question(ID, "Where does a route that hides a range fail: in the request or in the operation?", knob=ID),),
    run,
    minutes=0.4,
    place="subnets",
)
