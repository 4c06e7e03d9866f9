"""Where does a route beyond the quota of its network fail? Does the API enforce the 300 routes of hybrid subnets?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.errors import QuotaExceeded
from dualstack.gce.gather import at_most
from dualstack.trial.compute import FLAG, Outcome
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided

QUOTA, LIMITS = "network-quotas", "hybrid-limits"
HYBRID_ROUTES = 300
MOST = HYBRID_ROUTES + 10
WIDTH = 50


async def run(lab: Lab) -> Sequence[Answer]:
    """Create routes until one is refused, at most a few more than hybrid subnets support; then remove them."""
    suffixes = [f"many-{number}" for number in range(MOST)]
    made, refused = 0, None
    try:
        for start in range(0, MOST, WIDTH):
            part = suffixes[start : start + WIDTH]
            outcomes = await at_most(WIDTH, *(_route(lab, suffix) for suffix in part))
            made += sum(outcome.accepted for outcome in outcomes)
            refused = next((outcome for outcome in outcomes if not outcome.accepted), None)
            if refused is not None:
                break
        if refused is not None:
            return [_quota(refused, made), undecided(LIMITS, f"The network takes only {made} more routes.")]
        return [undecided(QUOTA, f"The quota is above {made} routes."), await _limits(lab, made)]
    finally:
        await at_most(WIDTH, *(lab.compute.remove(lab.site.route(suffix)) for suffix in suffixes[: made + WIDTH]))


async def _route(lab: Lab, suffix: str) -> Outcome:
    number = int(suffix.rpartition("-")[2])
    return await lab.insert_route(suffix, f"10.{112 + number // 256}.{number % 256}.0/24", of_quota=True)


def _quota(refused: Outcome, made: int) -> Answer:
    if not isinstance(refused.refusal, QuotaExceeded):
        return undecided(QUOTA, f"Route {made + 1} was refused for another reason: {refused.describe()}.")
    why = f"After {made} more routes, the next one was tried; {refused.describe()}."
    return Answer(QUOTA, f"refused in the {refused.channel}", why, knobs={QUOTA: refused.channel})


async def _limits(lab: Lab, made: int) -> Answer:
    primary, _ = lab.site.ranges()
    subnet = await lab.site.make_subnet(lab.site.fresh("limit"), primary)
    outcome = await lab.compute.patch_subnet(subnet, {FLAG: True})
    named = "advice" if outcome.accepted else "enforced"
    why = f"In a network with {made} routes the flag was set; {outcome.describe()}."
    return Answer(LIMITS, named, why, knobs={LIMITS: named})


EXPERIMENT = Experiment(
    "network-quota",
    (
        Question(QUOTA, "Does a route beyond the quota of its network fail in the request or in the operation?", QUOTA),
        Question(LIMITS, "Does the API enforce 300 routes in a network with a hybrid subnet?", LIMITS),
    ),
    run,
    minutes=1.7,
    place="network",
)
