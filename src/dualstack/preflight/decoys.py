"""The decoy check: whether it is made without a request, and what stands in its way
(docs/reference/cut-over.md#decoys)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dualstack.gce import Resource
from dualstack.model.errors import DualstackError
from dualstack.plan.automatic import MOST_INTERFACES
from dualstack.plan.costs import failed_trial
from dualstack.plan.steps.decoys import unused_home
from dualstack.plan.strategies.overlap import OVERLAP
from dualstack.preflight.check import Check, NotApplicable, Problem
from dualstack.preflight.inventory import Inventory, Source
from dualstack.preflight.quotas import over_quotas, peak

VM = {"INSTANCES": 1, "CPUS": 2, "CPUS_ALL_REGIONS": 2}
"""What the VM adds to quotas."""

_READS: tuple[Source, ...] = (
    "cluster state",
    "project",
    "network",
    "subnetworks",
    "routes",
    "instances",
    "region",
    "machine types",
)


@dataclass(frozen=True, slots=True)
class DecoyCheck:
    """Whether it is made, and the reason as a clause where no request is: for it, or what stands in its way."""

    made: bool
    reason: str = ""


def decoy_check(inventory: Inventory) -> DecoyCheck:
    """Whether the check is made: as requested, else where a fact would be tried on a node and nothing stands in the
    way of the check."""
    if inventory.settings.decoys is not None:
        return DecoyCheck(inventory.settings.decoys)
    if not (seconds := _failed_trial(inventory)):
        return DecoyCheck(False)
    if found := _obstacles(inventory):
        return DecoyCheck(False, f"the decoy check is not made: {', '.join(found)}")
    return DecoyCheck(
        True,
        "the decoy check is made first, because a trial that fails would make the pods of one node unreachable for "
        f"{seconds} s",
    )


@Check(
    "decoy-room",
    "blocker",
    reads=_READS,
    fine="the decoy check has an image, pod addresses and room for its VM",
    consequence="the decoy check cannot run",
    remedy="remove the obstacle, or migrate without the decoy check (a Shoot: annotation dualstack.dev/decoys: "
    '"false"): the canary, which is one node, then shows whether aliases work',
)
def decoy_room(inventory: Inventory) -> Iterator[Problem]:
    """The check needs one VM, a block and an image (docs/reference/cut-over.md#decoys).

    A risk where it was not requested: what is not proven on a VM is tried on a node, whose way back takes longer the
    more nodes there are (docs/reference/cut-over.md#trial).
    """
    facts, requested = inventory.facts, inventory.settings.decoys
    if requested is False or not inventory.strategy.lossless:
        raise NotApplicable("no decoy check is requested")
    if not facts.live_routes or facts.decoys.present:
        raise NotApplicable("the decoys exist, or no route is left that the check could protect")
    about = "decoy check"
    if requested:
        yield from (Problem(about, evidence, "decoys") for evidence in _in_the_way(inventory))
        return
    seconds = _failed_trial(inventory)
    if not seconds or inventory.deleted_elsewhere:
        raise NotApplicable("no decoy check is requested, and no node will be on trial")
    nodes = len(facts.pod_cidr_of)
    for evidence in _obstacles(inventory):
        cost = f"a trial that fails makes the pods of one of {nodes} nodes unreachable for {seconds} s"
        yield Problem(about, f"{evidence}; without it, {cost}", "decoys", severity="risk")


def _failed_trial(inventory: Inventory) -> int:
    """In seconds; 0 if no node will try a fact that the decoy check could prove, or no other node reaches its pods."""
    facts = inventory.facts
    if not inventory.strategy.lossless or facts.range_present or len(facts.pod_cidr_of) < 2:
        return 0
    return round(failed_trial(OVERLAP, facts, inventory.settings))


def _obstacles(inventory: Inventory) -> list[str]:
    """As `_in_the_way`, also where it cannot be read; none while the decoys are there."""
    if inventory.facts.decoys.present:
        return []
    try:
        return list(_in_the_way(inventory))
    except DualstackError as error:
        return [f"what it needs could not be read: {error}"]


def _in_the_way(inventory: Inventory) -> Iterator[str]:
    """What stands in the way of the check, as clauses."""
    facts, usage = inventory.facts, inventory.usage
    if not inventory.prober_image:
        yield "no image for the probing pods is configured (--prober-image)"
    if unused_home(facts) is None:
        yield f"no block of the pod range {facts.pods_cidr} is free"
    if usage.interfaces + usage.surge >= MOST_INTERFACES:
        yield (
            f"{usage.interfaces} NICs and up to {usage.surge} during a roll-out leave no room for one more in a "
            f"network with a hybrid subnet, whose limit is {MOST_INTERFACES}"
        )
    for problem in over_quotas(inventory, partial(_of_vm, inventory)):
        yield f"{problem.object}: {problem.evidence}"


def _of_vm(inventory: Inventory, quotas: Mapping[str, Resource]) -> dict[str, int]:
    """What the VM adds to quotas for which a roll-out, as the finding roll-out-quota reports it, needs less."""
    of_roll_out = peak(inventory, quotas)
    return {metric: count for metric, count in VM.items() if count > of_roll_out[metric]}
