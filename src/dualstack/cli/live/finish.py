"""`dualstack finish`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from dualstack.cli.live.change import Change, confirm
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.options import ChangeOptions
from dualstack.cli.live.outcome import print_outcome
from dualstack.cli.live.prepare import announce, begin
from dualstack.cli.live.waiting import await_ready
from dualstack.cutover.actuator import Redirection
from dualstack.live.advice import MIGRATING, STOP_ROUTES
from dualstack.live.identify import PlatformName
from dualstack.live.record import PROVEN
from dualstack.live.route_controller import CloudControllerManagerPods, GardenerRoutes, RouteController
from dualstack.live.state import standing
from dualstack.model.errors import ComputeError, GateFailed, InvalidInput, KubeError
from dualstack.plan.facts import ControllerFacts, CutoverFacts
from dualstack.plan.gates import ALONE, problems
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH

STOPPED = ControllerFacts(replicas=0, pods=0, ignored=True)


def run_finish(options: ChangeOptions, *, wait: bool) -> None:
    """Finish the cut-over and print the result."""
    asyncio.run(_finish(options, wait=wait))


async def _finish(options: ChangeOptions, *, wait: bool) -> None:
    async with connected(options.target) as cluster:
        controller = controller_of(cluster)
        change, facts = await begin(cluster, options, controller, Settings())
        _refuse(facts)
        if standing(facts) != "finished":
            announce(change, facts, FINISH, as_finish_begins(cluster.identity.platform, facts))
            confirm(f"Finish the cut-over of cluster {cluster.identity.cluster.name}?", yes=options.yes)

        async def work(redirection: Redirection) -> None:
            await await_ready(change, lambda: _not_ready(change, controller), redirection, wait=wait)
            async with change.measured():
                await change.cut_over().forward(FINISH, redirection)
            await change.record.note(PROVEN, None)
            await change.record.clear()

        await change.run(work)
        await print_outcome(change, "finish", options.output)


def controller_of(cluster: Connected) -> RouteController:
    """The route controller of the cluster's platform."""
    identity = cluster.identity
    remedy = STOP_ROUTES[identity.platform]
    if identity.platform == "gardener":
        return GardenerRoutes(cluster.compute, identity.cluster, remedy)
    return CloudControllerManagerPods(cluster.kube, remedy)


def _refuse(facts: CutoverFacts) -> None:
    """Without aliases, there is nothing to finish."""
    missing = facts.without_alias
    if not facts.range_present or not facts.pod_cidr_of:
        raise InvalidInput(
            f"subnet {facts.subnet.name} has no range {facts.range_name} ({facts.pods_cidr}), so no node has its "
            "alias; run `dualstack prepare` first"
        )
    if missing and facts.live_routes:
        more = f" and of {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InvalidInput(f"the pod CIDR of node {missing[0]}{more} has no alias; run `dualstack prepare` first")


def as_finish_begins(platform: PlatformName, facts: CutoverFacts) -> CutoverFacts:
    """The facts once the route controller has stopped, which `finish` awaits; that of Gardener deletes the routes."""
    stopped = replace(facts, controller=STOPPED, quiet={}, passed={})
    if platform == "gardener":
        return replace(stopped, routes=(), with_network_problem=frozenset())
    return stopped


async def _not_ready(change: Change, controller: RouteController) -> str:
    """Why the cut-over cannot be finished now, as a clause; empty when it can: nothing creates routes any more, and
    every node is healthy. Gardener replaces the nodes meanwhile.

    A node that has joined without a path gets its alias at once: nothing else serves it.
    """
    running, facts = await controller.running(), await change.cut_over().observe()
    if running:
        begun = change.cluster.identity.platform == "gardener" and facts.subnet.stack_type == "IPV4_IPV6"
        return f"{running[0]}; {MIGRATING if begun else controller.remedy}"
    if facts.unreachable:
        try:
            await change.cut_over().follow()
        except (GateFailed, ComputeError, KubeError) as error:
            return f"the pods of node {facts.unreachable[0]} are unreachable, and it cannot be given its alias: {error}"
        facts = await change.cut_over().observe()
    found = problems(ALONE, facts)
    return f"{found[0]}{f' ({len(found) - 1} more)' if len(found) > 1 else ''}" if found else ""
