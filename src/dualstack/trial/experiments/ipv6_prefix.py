"""How long after the PATCH does a dual-stack subnet get its /64?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.resources import DUAL_STACK, ipv6_prefix
from dualstack.trial.document import Distribution
from dualstack.trial.experiment import Answer, Experiment, Lab, Question

ID = "prefix-arrival"
SUBNETS = 3
LONGEST = 180.0
EVERY = 1.0
PROMPT, USUAL = 1.0, 18.0
"""Until when a subnet may be seen without its prefix for the answers `prompt` and `usual`, in seconds."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Turn subnets dual-stack, and read each until it shows its prefix."""
    samples, without = [], []
    for _ in range(SUBNETS):
        primary, _unused = lab.site.ranges()
        subnet = await lab.site.make_subnet(lab.site.fresh("six"), primary)
        outcome = await lab.compute.patch_subnet(subnet, DUAL_STACK)
        if not outcome.accepted:
            return [Answer(ID, "refused", f"Turning a subnet dual-stack was tried; {outcome.describe()}.")]
        if (arrival := await _arrival(lab, subnet, outcome.ended)) is not None:
            samples.append(round(sum(arrival) / 2, 1))
            without.append(arrival[0])
    if len(samples) < SUBNETS:
        why = f"{SUBNETS - len(samples)} of {SUBNETS} subnets had no prefix {LONGEST:.0f} s after the operation."
        return [Answer(ID, "not always", why, "likely", repetitions=SUBNETS)]
    times = Distribution(samples=tuple(sorted(samples)), window=EVERY)
    named = "prompt" if max(without) <= PROMPT else "usual" if max(without) <= USUAL else "slow"
    why = f"The prefix was there {times.describe()} after the end of the operation."
    return [Answer(ID, named, why, "likely", knobs={ID: named}, repetitions=SUBNETS, seconds={"prefix": times})]


async def _arrival(lab: Lab, subnet: str, ended: float) -> tuple[float, float] | None:
    """The seconds until the last read without the prefix began, and until the first with it had its answer."""
    before = 0.0
    while (asked := lab.compute.now()) < ended + LONGEST:
        if ipv6_prefix(await lab.compute.get(subnet)):
            return before, max(before, lab.compute.now() - ended)
        before = max(0.0, asked - ended)
        await lab.clock.sleep(EVERY)
    return None


EXPERIMENT = Experiment(
    "ipv6-prefix",
    (Question(ID, "How long after its operation does a subnet that becomes dual-stack have its IPv6 prefix?", ID),),
    run,
    minutes=1.3,
    place="subnets",
    vms=False,
)
