"""How many reads does Compute answer in a minute, and when is a used-up quota refilled?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided

ID = "request-quota"
MOST = 4000
"""Reads at most."""
WIDTH = 50
LONGEST = 90.0
"""Seconds until a used-up quota must be refilled."""
NEAR = 3.0
"""Seconds around a full minute that count as it."""
WINDOW = 60.0


async def run(lab: Lab) -> Sequence[Answer]:
    """Read the VPC network until the quota is used up, then once a second until it is refilled."""
    path = f"global/networks/{lab.site.owner.network}"
    for _ in range(MOST // WIDTH):
        refusals = await asyncio.gather(*(lab.compute.rate_limited(path) for _ in range(WIDTH)))
        if refused := next((each for each in refusals if each is not None), None):
            break
    else:
        return [undecided(ID, f"{MOST} reads did not use up the quota.")]
    began = lab.compute.now()
    while lab.compute.now() < began + LONGEST:
        await lab.clock.sleep(1.0)
        if await lab.compute.rate_limited(path) is None:
            break
    else:
        return [undecided(ID, f"The quota was not refilled within {LONGEST:.0f} s.")]
    end = lab.compute.now()
    past = (end + NEAR) % WINDOW - NEAR
    stated = f"the refusal states a limit of {refused.limit}" if refused.limit else "the refusal states no limit"
    why = f"For reads, {stated}; they were answered again {end - began:.0f} s later, at second {end % WINDOW:.0f}."
    return [Answer(ID, "at a full minute" if past <= NEAR else "not at a full minute", why, "likely")]


EXPERIMENT = Experiment(
    "request-quota",
    (Question(ID, "When is a used-up quota of requests refilled?"),),
    run,
    minutes=2.0,
    place="network",
    vms=False,
    by_name=True,
)
