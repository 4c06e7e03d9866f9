"""K3: does an alias take precedence over a route to the same block that leads to another VM?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged, no_flag, undecided

ID = "alias-precedence"
BLOCK, RANGE, NAME = "10.96.48.0/24", "10.96.48.0/20", "double"


async def run(lab: Lab) -> Sequence[Answer]:
    """A route to VM b, which does not have the address, and an alias of VM a, which has it, in a flagged range."""
    if lab.measuring.problem:
        return [undecided(ID, lab.measuring.problem)]
    await lab.ground()
    suffix = lab.site.fresh("double")
    vm, nodes = lab.site.vm("a"), lab.site.nodes
    await lab.compute.patch_subnet(nodes, {FLAG: True})
    if not is_flagged(await lab.read(nodes, is_flagged)):
        return [no_flag(ID)]
    try:
        for outcome in (
            await lab.insert_route(suffix, BLOCK, "b"),
            await lab.add_range(nodes, RANGE, NAME),
            await lab.compute.patch_interface(
                vm.path, {"aliasIpRanges": [{"ipCidrRange": BLOCK, "subnetworkRangeName": NAME}]}
            ),
        ):
            if not outcome.accepted:
                return [undecided(ID, f"The beginning could not be made: {outcome.describe()}.")]
        await lab.clock.sleep(lab.ladder.settle)
        until = lab.compute.now()
        if not await lab.measuring.until(until):
            return [undecided(ID, lab.measuring.problem)]
        flows = lab.measuring.flows(lambda flow: flow.endswith(">double/udp") and flow[0] != "b")
        share = lab.measuring.share(flows, until - 10.0, until)
        why = f"{share:.3f} of the packets to an address of VM a were answered; a route led to VM b."
        packets = tuple(lab.measuring.packets(flow, until - 10.0, until, "alias and route") for flow in flows)
        answer = "alias" if share >= 0.99 else "route" if share <= 0.01 else ""
        return [Answer(ID, answer, why, "certain" if answer else "undecided", packets=packets)]
    finally:
        await lab.undo(
            lambda: lab.compute.patch_interface(vm.path, {"aliasIpRanges": []}),
            lambda: lab.compute.patch_subnet(nodes, {"secondaryIpRanges": []}),
            lambda: lab.compute.remove(lab.site.route(suffix)),
            lambda: lab.compute.patch_subnet(nodes, {FLAG: False}),
        )


EXPERIMENT = Experiment(
    "alias-precedence",
    (Question(ID, "Which of both gets the packets: the VM with the alias, or the VM of a route to the same block?"),),
    run,
    minutes=1.5,
    place="vms",
    traffic=True,
)
