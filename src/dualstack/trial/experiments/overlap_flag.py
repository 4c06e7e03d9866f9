"""T1, K5: does v1 accept the overlap flag, and show it?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged


async def run(lab: Lab) -> Sequence[Answer]:
    """Set the flag on a new subnet without any VPN or BGP, and read it back."""
    primary, _ = lab.site.ranges()
    subnet = await lab.site.make_subnet(lab.site.fresh("flag"), primary)
    outcome = await lab.compute.patch_subnet(subnet, {FLAG: True})
    if not outcome.accepted:
        why = f"Setting the flag was tried on a subnet without VPN or BGP; {outcome.describe()}."
        return [Answer("T1", "refused", why)]
    found = await lab.read(subnet, is_flagged)
    if is_flagged(found):
        return [Answer("T1", "shown", "The flag was accepted, and GET returned it.", knobs={"overlap-flag": "shown"})]
    if FLAG not in found:
        why = "The request was accepted, but GET returns no such field: v1 ignores the flag."
        return [Answer("T1", "hidden", why, knobs={"overlap-flag": "hidden"})]
    return [Answer("T1", "without effect", "The request was accepted, but GET still returned false.", "likely")]


EXPERIMENT = Experiment(
    "overlap-flag",
    (
        Question(
            "T1", "Is the overlap flag accepted in v1 without a VPN or BGP, and returned by GET?", knob="overlap-flag"
        ),
    ),
    run,
    minutes=0.4,
    place="subnets",
    vms=False,
)
