"""T7: how long after its operation does every host see a change of aliases, routes and ranges?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.trial.compute import Outcome
from dualstack.trial.document import Distribution
from dualstack.trial.experiment import Answer, Change, Experiment, Lab, Question, undecided
from dualstack.trial.measuring import EVERY

REPETITIONS = 3
STEADY = 3.0
"""Seconds for which a flow must keep its new state."""
LONGEST = 150.0
"""Seconds after which a change counts as not seen."""
BLOCK, RANGE, BROAD = "10.96.32.0/24", "10.96.32.0/20", "10.96.32.0/19"
NAME = "lag"
PROMPT, USUAL = 1.2, 13.0
"""Upper bounds of the longest time for the answers `prompt` and `usual`, in seconds."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Make an address of VM a reachable and unreachable by each kind of change, and time it at the other VMs."""
    if lab.measuring.problem:
        return [undecided("T7", lab.measuring.problem)]
    await lab.ground()
    samples: dict[str, list[float]] = {}
    missed: list[str] = []
    for _ in range(REPETITIONS):
        for name, change, reachable in _changes(lab):
            outcome = await change()
            if not outcome.accepted:
                await _undo(lab)
                return [undecided("T7", f"{name} was refused: {outcome.describe()}")]
            found = await _seen(lab, outcome, reachable=reachable)
            samples.setdefault(name, []).extend(found)
            if len(found) < len(lab.measuring.flows(_to_spare)):
                missed.append(name)
    await _undo(lab)
    times = {name: Distribution(samples=tuple(sorted(found)), window=0.1) for name, found in samples.items() if found}
    if missed or not times:
        return [undecided("T7", f"Not every VM saw {', '.join(sorted(set(missed)))} within {LONGEST:.0f} s.")]
    longest = max(each.longest for each in times.values())
    lab.ladder.settle = max(20.0, min(90.0, 1.5 * longest))
    named = "prompt" if longest <= PROMPT else "usual" if longest <= USUAL else "slow"
    why = f"At most {longest:.1f} s after the operation: " + "; ".join(
        f"{name} {each.describe()}" for name, each in times.items()
    )
    knobs = {"propagation": named}
    return [Answer("T7", named, why + ".", "likely", knobs=knobs, repetitions=REPETITIONS, seconds=times)]


def _changes(lab: Lab) -> list[tuple[str, Change, bool]]:
    """Each change, and whether it makes the address reachable."""
    vm, site, compute = lab.site.vm("a"), lab.site, lab.compute
    alias = {"ipCidrRange": BLOCK, "subnetworkRangeName": NAME}
    route, broad = site.fresh("lag"), site.fresh("lag")
    return [
        ("route added", lambda: lab.insert_route(route, BLOCK), True),
        ("route removed", lambda: compute.remove(site.route(route)), False),
        ("route added", lambda: lab.insert_route(broad, BROAD), True),
        ("range added", lambda: lab.add_range(site.nodes, RANGE, NAME), False),
        ("alias added", lambda: compute.patch_interface(vm.path, {"aliasIpRanges": [alias]}), True),
        ("alias removed", lambda: compute.patch_interface(vm.path, {"aliasIpRanges": []}), False),
        ("range removed", lambda: compute.patch_subnet(site.nodes, {"secondaryIpRanges": []}), True),
        ("route removed", lambda: compute.remove(site.route(broad)), False),
    ]


async def _undo(lab: Lab) -> None:
    await lab.compute.patch_interface(lab.site.vm("a").path, {"aliasIpRanges": []})
    await lab.compute.patch_subnet(lab.site.nodes, {"secondaryIpRanges": []})


def _to_spare(flow: str) -> bool:
    return flow.endswith(">lag/udp")


async def _seen(lab: Lab, outcome: Outcome, *, reachable: bool) -> list[float]:
    """The seconds from the end of the operation until each VM sees it, of those that do."""
    flows = lab.measuring.flows(_to_spare)
    found: list[float] = []
    while lab.compute.now() < outcome.ended + LONGEST:
        await lab.clock.sleep(EVERY)
        until = lab.compute.now()
        if not await lab.measuring.until(until):
            break
        turned = [lab.measuring.turned(flow, outcome.ended - 1.0, until, reachable=reachable) for flow in flows]
        found = [round(max(0.0, at - outcome.ended), 1) for at in turned if at is not None]
        if flows and all(at is not None and at <= until - STEADY for at in turned):
            break
    return found


EXPERIMENT = Experiment(
    "propagation",
    (
        Question(
            "T7",
            "How long do changes of aliases, routes and ranges take to reach the first and the last host?",
            "propagation",
        ),
    ),
    run,
    minutes=13.0,
    traffic=True,
)
