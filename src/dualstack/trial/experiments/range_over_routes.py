"""T2: may a range contain existing routes, with and without the overlap flag?"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from dualstack.gce.gather import gather_all
from dualstack.trial.compute import FLAG
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged

ROUTES = 3


async def run(lab: Lab) -> Sequence[Answer]:
    """Add a range over three routes to a subnet without the flag, then with it."""
    primary, secondary = lab.site.ranges()
    subnet = await lab.site.make_subnet(lab.site.fresh("over"), primary)
    blocks = list(IPv4Network(secondary).subnets(new_prefix=24))[:ROUTES]
    suffixes = [lab.site.fresh("over") for _ in blocks]
    for suffix, block in zip(suffixes, blocks, strict=True):
        await lab.site.make_route(suffix, str(block), lab.site.vms[0])
    try:
        without = await lab.add_range(subnet, secondary)
        if without.accepted:
            return [Answer("T2", "accepted without the flag", "A range over three routes needs no flag.")]
        await lab.compute.patch_subnet(subnet, {FLAG: True})
        if not is_flagged(await lab.read(subnet, is_flagged)):
            why = f"Without the flag {without.describe()}. With the flag it could not be tried: v1 does not know it."
            return [Answer("T2", "refused without the flag", why, "likely")]
        within = await lab.add_range(subnet, secondary)
        given = "accepted with the flag, refused without" if within.accepted else "refused with and without the flag"
        return [Answer("T2", given, f"Without the flag {without.describe()}. With the flag {within.describe()}.")]
    finally:
        await gather_all(*(lab.compute.remove(lab.site.route(suffix)) for suffix in suffixes))


EXPERIMENT = Experiment(
    "range-over-routes",
    (
        Question(
            "T2",
            "Is a range over three existing /24 routes accepted with the flag, and refused without? With which error, "
            "in the request or in the operation?",
        ),
    ),
    run,
    minutes=0.9,
    place="subnets",
)
