"""How long after the PATCH does a dual-stack subnet get its /64?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.resources import DUAL_STACK, ipv6_prefix
from dualstack.trial.document import Distribution
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided

ID = "prefix-arrival"
SUBNETS = 3
TRIED = 6
"""Subnets at most, of which those count whose arrival is known to `CLOSE` seconds."""
CLOSE = 10.0
LONGEST = 180.0
EVERY = 1.0
PROMPT, USUAL = 1.0, 18.0
"""Until when a subnet may be seen without its prefix for the answers `prompt` and `usual`, in seconds."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Turn subnets dual-stack, and read each until it shows its prefix."""
    samples: list[float] = []
    without: list[float] = []
    for _ in range(TRIED):
        primary, _unused = lab.site.ranges()
        subnet = await lab.site.make_subnet(lab.site.fresh("six"), primary)
        outcome = await lab.compute.patch_subnet(subnet, DUAL_STACK)
        if not outcome.accepted:
            return [Answer(ID, "refused", f"Turning a subnet dual-stack was tried; {outcome.describe()}.")]
        before, after = await _arrival(lab, subnet, outcome.ended)
        if after is None:
            why = f"A subnet had no prefix {before:.0f} s after the operation."
            return [Answer(ID, "not always", why, "likely", repetitions=len(samples) + 1)]
        if after - before <= CLOSE:
            samples.append(round((before + after) / 2, 1))
            without.append(before)
        if len(samples) == SUBNETS:
            break
    else:
        return [undecided(ID, f"Reads were too slow to tell within {CLOSE:.0f} s when the prefix of a subnet came.")]
    times = Distribution(samples=tuple(sorted(samples)), window=EVERY)
    named = "prompt" if max(without) <= PROMPT else "usual" if max(without) <= USUAL else "slow"
    why = f"The prefix was there {times.describe()} after the end of the operation."
    return [Answer(ID, named, why, "likely", knobs={ID: named}, repetitions=SUBNETS, seconds={"prefix": times})]


async def _arrival(lab: Lab, subnet: str, ended: float) -> tuple[float, float | None]:
    """The seconds until the last read without the prefix began, and until the first with it had its answer."""
    before = 0.0
    while (asked := lab.compute.now()) < ended + LONGEST:
        found = await lab.compute.get(subnet)
        if ipv6_prefix(found):
            return before, max(before, lab.compute.now() - ended)
        if found.get("stackType") == DUAL_STACK["stackType"]:  # else it is older than the operation
            before = max(0.0, asked - ended)
        await lab.clock.sleep(EVERY)
    return before, None


EXPERIMENT = Experiment(
    "ipv6-prefix",
    (Question(ID, "How long after its operation does a subnet that becomes dual-stack have its IPv6 prefix?", ID),),
    run,
    minutes=1.3,
    place="subnets",
    vms=False,
)
