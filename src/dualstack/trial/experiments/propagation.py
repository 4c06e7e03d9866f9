"""T7: how long after its operation does every host see a change of ranges, aliases and routes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dualstack.gce.gather import all_or_none
from dualstack.trial.compute import Outcome
from dualstack.trial.document import Distribution
from dualstack.trial.experiment import Answer, Change, Experiment, Lab, Question, undecided

REPETITIONS = 3
ROUTE_REPETITIONS = 6
STEADY = 3.0
"""Seconds for which a flow must keep its new state."""
LONGEST = 150.0
"""Seconds after which a change counts as not seen."""
LOOK = 1.0
"""Seconds between two looks at the packets."""
BLOCK, RANGE, BROAD = "10.96.32.0/24", "10.96.32.0/20", "10.96.32.0/19"
WAY = "10.96.64.0/24"
NAME = "lag"
PROMPT, USUAL = 1.2, 13.0
"""Upper bounds of the longest time for the answers `prompt` and `usual`, in seconds."""


class _Refused(Exception):
    """A change was refused, so that nothing can be timed."""


@dataclass
class _Times:
    """Seconds by kind of change. unseen: kinds of which at least one VM saw nothing."""

    lab: Lab
    samples: dict[str, list[float]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    async def take(self, name: str, change: Change, spare: str, *, reachable: bool) -> None:
        """Make a change after which the address `spare` of VM a is reachable, or not, and time it at the others."""
        outcome = await change()
        if not outcome.accepted:
            raise _Refused(f"{name} was refused: {outcome.describe()}")
        found = await _seen(self.lab, outcome, spare, reachable=reachable)
        self.samples.setdefault(name, []).extend(LONGEST if each is None else each for each in found)
        if not found or None in found:
            self.unseen.add(name)

    def distributions(self) -> dict[str, Distribution]:
        """By kind of change."""
        return {
            name: Distribution(samples=tuple(sorted(found)), window=0.1)
            for name, found in self.samples.items()
            if found
        }


async def run(lab: Lab) -> Sequence[Answer]:
    """Make two addresses of VM a reachable and unreachable by each kind of change, and time it at the other VMs."""
    if lab.measuring.problem:
        return [undecided("T7", lab.measuring.problem)]
    await lab.ground()
    times = _Times(lab)
    try:
        await all_or_none(_of_subnet(lab, times), _of_routes(lab, times))
    except _Refused as refused:
        return [undecided("T7", str(refused))]
    finally:
        await lab.undo(
            lambda: lab.compute.patch_interface(lab.site.vm("a").path, {"aliasIpRanges": []}),
            lambda: lab.compute.patch_subnet(lab.site.nodes, {"secondaryIpRanges": []}),
        )
    seconds = times.distributions()
    longest = max((each.longest for each in seconds.values()), default=0.0)
    why = f"At most {longest:.1f} s after the operation: " + "; ".join(
        f"{name} {each.describe()}" for name, each in seconds.items()
    )
    if times.unseen:
        not_seen = f"Not every VM saw {', '.join(sorted(times.unseen))} within {LONGEST:.0f} s"
        return [Answer("T7", "", f"{not_seen}. {why}.", "undecided", seconds=seconds)]
    lab.ladder.settle = max(20.0, min(90.0, 1.5 * longest))
    named = "prompt" if longest <= PROMPT else "usual" if longest <= USUAL else "slow"
    knobs = {"propagation": named}
    return [Answer("T7", named, f"{why}.", "likely", knobs=knobs, repetitions=REPETITIONS, seconds=seconds)]


async def _of_subnet(lab: Lab, times: _Times) -> None:
    """Ranges and aliases, below a route to a broader block.

    The flag cannot be timed by itself: without a resource a broader route is not used either, and a route inside the
    range may be refused (docs/reference/cut-over.md#r6).
    """
    vm, site, compute = lab.site.vm("a"), lab.site, lab.compute
    alias = {"ipCidrRange": BLOCK, "subnetworkRangeName": NAME}
    broad = site.fresh("lag")

    def aliases(*wanted: dict[str, str]) -> Change:
        return lambda: compute.patch_interface(vm.path, {"aliasIpRanges": list(wanted)})

    await times.take("route added", lambda: lab.insert_route(broad, BROAD), "lag", reachable=True)
    for _ in range(REPETITIONS):
        await times.take("range added", lambda: lab.add_range(site.nodes, RANGE, NAME), "lag", reachable=False)
        await times.take("alias added", aliases(alias), "lag", reachable=True)
        await times.take("alias removed", aliases(), "lag", reachable=False)
        await times.take(
            "range removed", lambda: compute.patch_subnet(site.nodes, {"secondaryIpRanges": []}), "lag", reachable=True
        )
    await times.take("route removed", lambda: compute.remove(site.route(broad)), "lag", reachable=False)


async def _of_routes(lab: Lab, times: _Times) -> None:
    """A route to a block that nothing else leads to."""
    suffix = lab.site.fresh("lag")
    for _ in range(ROUTE_REPETITIONS):
        await times.take("route added", lambda: lab.insert_route(suffix, WAY), "way", reachable=True)
        await times.take("route removed", lambda: lab.compute.remove(lab.site.route(suffix)), "way", reachable=False)


async def _seen(lab: Lab, outcome: Outcome, spare: str, *, reachable: bool) -> list[float | None]:
    """For each VM the seconds from the end of the operation until it sees it; None for one that does not."""
    flows = lab.measuring.flows(lambda flow: flow.endswith(f">{spare}/udp"))
    turned: list[float | None] = []
    while lab.compute.now() < outcome.ended + LONGEST and not lab.measuring.problem:
        await lab.clock.sleep(LOOK)
        until = lab.measuring.reported
        turned = [lab.measuring.turned(flow, outcome.ended - 1.0, until, reachable=reachable) for flow in flows]
        if flows and all(at is not None and at <= until - STEADY for at in turned):
            break
    return [None if at is None else round(max(0.0, at - outcome.ended), 1) for at in turned]


EXPERIMENT = Experiment(
    "propagation",
    (
        Question(
            "T7",
            "How long do changes of ranges, aliases and routes take to reach the first and the last host?",
            "propagation",
        ),
    ),
    run,
    minutes=6.5,
    place="vms",
    traffic=True,
)
