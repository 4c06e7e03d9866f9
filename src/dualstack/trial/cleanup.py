"""Finds what trials have made, and removes it in the order that Compute demands (docs/evidence.md#safety).

Everything is found by listing, so it does not matter where a trial ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import ComputeRefusal, PermissionDenied, Unauthenticated
from dualstack.gce.gather import at_most
from dualstack.gce.resources import last_segment
from dualstack.trial.compute import TrialCompute
from dualstack.trial.ownership import LABEL, PREFIX, Owner, trial_of

PASSES = 12
"""How often everything is listed and deleted, while something is left."""
PAUSE = 5.0
WIDTH = 20
"""Deletions at a time."""
CERTAIN = 3
"""Lists without a result after which nothing is left: lists may be old."""
FILTER = f"(name eq {PREFIX}.*)"


@dataclass(frozen=True, slots=True)
class Found:
    """A VPC network of a trial. `foreign`: its name is that of a trial, but the trial did not make it."""

    owner: Owner
    created: str
    foreign: bool = False


async def find_trials(compute: ComputeClient) -> list[Found]:
    """Every trial that has a VPC network or a disk in the project; the newest read decides."""
    found: dict[str, Found] = {}
    for network in await compute.list("global/networks", filter=FILTER):
        owner = Owner(trial_of(network["name"]) or "")
        if owner.id and network["name"] == owner.network:
            created = str(network.get("creationTimestamp", ""))
            found[owner.id] = Found(owner, created, foreign=not owner.owns_network(network))
    for disk in await compute.aggregated("disks", filter=FILTER):
        owner = Owner(trial_of(disk["name"]) or "")
        if owner.id and (disk.get("labels") or {}).get(LABEL) == owner.id:
            found.setdefault(owner.id, Found(owner, str(disk.get("creationTimestamp", ""))))
    return list(found.values())


class Cleanup:
    """Removes everything of one trial."""

    def __init__(self, compute: TrialCompute, clock: Clock, say: Callable[[str], None] = lambda _: None) -> None:
        self._compute = compute
        self._owner = compute.owner
        self._clock = clock
        self._say = say
        self._problems: dict[str, str] = {}

    async def remove_all(self) -> tuple[str, ...]:
        """Remove everything; what is left after all, with the reason. Raises for missing permissions."""
        empty = 0
        for _ in range(PASSES):
            try:
                stages = await self._left()
                if not any(stages):
                    empty += 1
                    if empty == CERTAIN:
                        return ()
                    continue
                empty = 0
                for paths in stages:
                    await at_most(WIDTH, *(self._remove(path) for path in paths))
            except (PermissionDenied, Unauthenticated):
                raise
            except ComputeRefusal as error:
                self._say(f"Cleaning up again: {error}")
            await self._clock.sleep(PAUSE)
        return tuple(
            f"{path}: {self._problems[path]}" if path in self._problems else path
            for paths in await self._left()
            for path in paths
        )

    async def _remove(self, path: str) -> None:
        """Try once; what stays comes again in the next pass."""
        try:
            await self._compute.delete(path)
        except (PermissionDenied, Unauthenticated):
            raise
        except ComputeRefusal as error:
            self._problems[path] = str(error)

    async def _left(self) -> list[list[str]]:
        """The paths of what is left, in stages: what is in a later stage may be used by an earlier one."""
        compute, owner = self._compute, self._owner
        await self._await_operations()
        network = await compute.find(f"global/networks/{owner.network}")
        vms = await self._of(compute.aggregated("instances", filter=FILTER), labelled=True)
        disks = await self._of(compute.aggregated("disks", filter=FILTER), labelled=True)
        routes = await self._of(compute.list("global/routes", filter=FILTER))
        rules = await self._of(compute.list("global/firewalls", filter=FILTER))
        subnets = await self._of(compute.aggregated("subnetworks", filter=FILTER))
        free = [disk for disk in disks if disk.replace("/disks/", "/instances/") not in vms]
        networks = [f"global/networks/{owner.network}"] if network and owner.owns_network(network) else []
        return [vms, free, [*routes, *rules], subnets, networks]

    async def _of(self, listing: Awaitable[list[Resource]], *, labelled: bool = False) -> list[str]:
        """The paths of those of the resources that the trial has made."""
        made = []
        for resource in await listing:
            mark = (resource.get("labels") or {}).get(LABEL) == self._owner.id if labelled else True
            if self._owner.owns(resource["name"]) and (mark or resource.get("description") == self._owner.description):
                made.append(resource["selfLink"].partition(f"/projects/{self._compute.project}/")[2])
        return sorted(made)

    async def _await_operations(self) -> None:
        """Wait for changes that a killed trial has begun: what they make is not listed before they end."""
        for _ in range(60):
            if not await self._running():
                return
            await self._clock.sleep(PAUSE)

    async def _running(self) -> bool:
        operations = await self._compute.aggregated("operations", filter="(status ne DONE)")
        return any(self._owner.owns(last_segment(str(each.get("targetLink", "")))) for each in operations)
