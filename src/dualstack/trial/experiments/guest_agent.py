"""T12: does the guest agent make local routes for alias ranges, with and without its metadata key?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dualstack.gce.gather import gather_all
from dualstack.trial.compute import Outcome
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided
from dualstack.trial.site import WITH_GUEST_AGENT

ID = "T12"
RANGE, NAME = "10.94.0.0/20", "agent"
BLOCKS = {"a": "10.94.1.0/24", WITH_GUEST_AGENT: "10.94.2.0/24"}
WAIT = 60.0
"""Seconds that the guest agent gets to see an alias, and the VMs to report."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Give an alias to a VM with disable-address-manager and to one without, and read their local routes."""
    if lab.measuring.problem:
        return [undecided(ID, lab.measuring.problem)]
    await lab.ground()
    added = await lab.add_range(lab.site.nodes, RANGE, NAME)
    if not added.accepted:
        return [undecided(ID, f"The range could not be added: {added.describe()}.")]
    try:
        for outcome in await gather_all(*(_alias(lab, letter, block) for letter, block in BLOCKS.items())):
            if not outcome.accepted:
                return [undecided(ID, f"The alias could not be added: {outcome.describe()}.")]
        await lab.clock.sleep(max(WAIT, lab.ladder.settle))
        if not await lab.measuring.until(lab.compute.now()):
            return [undecided(ID, lab.measuring.problem)]
        return [_answer(lab)]
    finally:
        await lab.undo(
            lambda: gather_all(*(_alias(lab, letter) for letter in BLOCKS)),
            lambda: lab.compute.patch_subnet(lab.site.nodes, {"secondaryIpRanges": []}),
        )


async def _alias(lab: Lab, letter: str, *blocks: str) -> Outcome:
    aliases = [{"ipCidrRange": block, "subnetworkRangeName": NAME} for block in blocks]
    return await lab.compute.patch_interface(lab.site.vm(letter).path, {"aliasIpRanges": aliases})


def _answer(lab: Lab) -> Answer:
    words, has = [], {}
    for letter, setting in (("a", "with disable-address-manager"), (WITH_GUEST_AGENT, "with the image's defaults")):
        report = lab.measuring.facts(letter)
        routes: Any = report.facts.get("local-routes") if report else None
        if routes is None:
            return undecided(ID, f"VM {letter} did not report its local routes.")
        has[letter] = BLOCKS[letter] in routes
        words.append(f"{'local route' if has[letter] else 'none'} {setting}")
    agent = (report.facts.get("agent") if report else None) or {}
    why = f"A minute after the alias was added, by routes of protocol 66; guest agent: {agent or 'unknown'}."
    knobs = {"address-manager-key": "ignored" if has["a"] else "obeyed"} if has[WITH_GUEST_AGENT] else {}
    return Answer(ID, ", ".join(words), why, knobs=knobs)


EXPERIMENT = Experiment(
    "guest-agent",
    (
        Question(
            ID, "Are there guest agent routes (protocol 66) with Debian's image, with and without the metadata key?"
        ),
    ),
    run,
    minutes=2.0,
    place="vms",
    traffic=True,
)
