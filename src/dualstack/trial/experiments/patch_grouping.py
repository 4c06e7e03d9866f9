"""May one PATCH of a subnet change the overlap flag and the stack type together, as Terraform does?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.resources import DUAL_STACK
from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question

ID = "subnetwork-patch"


async def run(lab: Lab) -> Sequence[Answer]:
    """Send both in one request; if that is refused, one after the other, to see that only the group is."""
    primary, _ = lab.site.ranges()
    subnet = await lab.site.make_subnet(lab.site.fresh("group"), primary)
    together = await lab.compute.patch_subnet(subnet, {FLAG: True, **DUAL_STACK})
    if together.accepted:
        return [Answer(ID, "grouped", "Flag and stack type were changed in one PATCH.", knobs={ID: "grouped"})]
    for alone in ({FLAG: True}, DUAL_STACK):
        outcome = await lab.compute.patch_subnet(subnet, alone)
        if not outcome.accepted:
            why = f"Alone, {', '.join(alone)} is refused too: {outcome.describe()}."
            return [Answer(ID, "", why, "undecided")]
    why = f"Flag and stack type were sent in one PATCH; {together.describe()}. One after the other they are accepted."
    return [Answer(ID, "single", why, knobs={ID: "single"})]


EXPERIMENT = Experiment(
    "patch-grouping",
    (Question(ID, "May one patch of a subnet change the overlap flag and the stack type?", knob=ID),),
    run,
    minutes=0.4,
    place="subnets",
    vms=False,
)
