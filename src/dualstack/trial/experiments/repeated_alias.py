"""T16: what becomes of an alias range that one list names twice?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.resources import alias_ranges, first_interface
from dualstack.trial.experiment import Answer, Experiment, Lab, Question

RANGE = "twice"
CIDR, BLOCK = "10.94.0.0/20", "10.94.1.0/24"


async def run(lab: Lab) -> Sequence[Answer]:
    """Give a VM an alias, then send it twice, as Gardener's provider-gcp does for a prepared cluster."""
    vm, alias = lab.site.vms[0], {"ipCidrRange": BLOCK, "subnetworkRangeName": RANGE}
    added = await lab.add_range(lab.site.nodes, CIDR, RANGE)
    once = await lab.compute.patch_interface(vm.path, {"aliasIpRanges": [alias]}) if added.accepted else added
    try:
        if not once.accepted:
            return [Answer("T16", "", f"The alias could not be added once: {once.describe()}.", "undecided")]
        twice = await lab.compute.patch_interface(vm.path, {"aliasIpRanges": [alias, alias]})
        if not twice.accepted:
            why = f"The same alias was sent twice in one list; {twice.describe()}."
            return [Answer("T16", f"refused in the {twice.channel}", why, knobs={"repeated-alias": twice.channel})]
        nic = first_interface(await lab.read(vm.path, lambda found: bool(alias_ranges(first_interface(found)))))
        if alias_ranges(nic) == ((BLOCK, RANGE),):
            why = "The same alias was sent twice in one list; it was accepted, and GET shows it once."
            return [Answer("T16", "collapsed", why, knobs={"repeated-alias": "collapsed"})]
        return [Answer("T16", "accepted", f"It was accepted, and GET shows {alias_ranges(nic)}.")]
    finally:
        await lab.undo(
            lambda: lab.compute.patch_interface(vm.path, {"aliasIpRanges": []}),
            lambda: lab.compute.patch_subnet(lab.site.nodes, {"secondaryIpRanges": []}),
        )


EXPERIMENT = Experiment(
    "repeated-alias",
    (Question("T16", "What becomes of an alias range that one list names twice?", knob="repeated-alias"),),
    run,
    minutes=0.7,
    place="vms",
)
