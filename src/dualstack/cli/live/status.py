"""`dualstack status`."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import msgspec

from dualstack.cli.live.change import Change, Progress
from dualstack.cli.live.connect import Connected, connected
from dualstack.cli.live.finish import controller_of
from dualstack.cli.live.options import Target
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.live.advice import next_steps
from dualstack.live.lease import holder_of
from dualstack.live.state import NodeState, Standing, node_states, standing

WATCH_EVERY = 5.0
MOST_NODES = 20
"""How many nodes the text form lists; JSON has all of them."""


class Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where the cut-over of a cluster stands. works: the process that changes it now; empty without one."""

    schema: str
    cluster: ClusterName
    standing: Standing
    overlap_flag: bool
    pod_range: bool
    stack_type: str
    routes: int
    foreign_routes: tuple[str, ...] = ()
    route_controller: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    works: str = ""
    nodes: tuple[NodeState, ...] = ()
    next_steps: tuple[str, ...] = ()

    def describe(self) -> str:
        """As text, at most 80 columns where names allow it."""
        paths = Counter(node.path for node in self.nodes)
        by_path = ", ".join(f"{count} by {path}" for path, count in sorted(paths.items()))
        flag = "set" if self.overlap_flag else "not set"
        pod_range = "present" if self.pod_range else "absent"
        rows = [
            ("cut-over", self.standing),
            ("nodes", f"{len(self.nodes)}: {by_path}"),
            ("subnet", f"{self.cluster.nodes_subnet}, {self.stack_type}; pod range {pod_range}, overlap flag {flag}"),
            ("routes", f"{self.routes} of the cluster, {len(self.foreign_routes)} of others in the pod range"),
            *(("route controller", text) for text in self.route_controller),
            *([("works now", self.works)] if self.works else []),
            *([("UNREACHABLE", ", ".join(self.unreachable[:3]))] if self.unreachable else []),
        ]
        lines = [self.cluster.describe(), *(f"  {name:<18}{text}" for name, text in rows)]
        shown = [node for node in self.nodes if node.problem or node.path in ("none", "no pod CIDR")][:MOST_NODES]
        lines += [f"  node {node.name}: {node.path}{f'; {node.problem}' if node.problem else ''}" for node in shown]
        return "\n".join([*lines, *(f"  - {step}" for step in self.next_steps)])


def run_status(target: Target, *, watch: bool, output: str, quiet: bool) -> None:
    """Print the status; with `watch`, again whenever it changes."""
    del quiet
    with suppress(KeyboardInterrupt):
        asyncio.run(_status(target, output, watch=watch))


async def _status(target: Target, output: str, *, watch: bool) -> None:
    async with connected(target) as cluster:
        last: Status | None = None
        while True:
            found = await read_status(cluster)
            if found != last:
                print_result(found, found.describe(), output)
            if not watch:
                return
            last = found
            await cluster.clock.sleep(WATCH_EVERY)


async def read_status(cluster: Connected) -> Status:
    """Read everything once."""
    controller = controller_of(cluster)
    facts = await Change(cluster, Progress(cluster.clock.now()), controller).cut_over().observe()
    now = standing(facts)
    return Status(
        schema="dualstack.status/v1",
        cluster=ClusterName.of(cluster),
        standing=now,
        overlap_flag=facts.subnet.overlap_flag,
        pod_range=facts.range_present,
        stack_type=facts.subnet.stack_type,
        routes=len(facts.routes),
        foreign_routes=tuple(route.name for route in facts.foreign_routes),
        route_controller=tuple(await controller.running()),
        unreachable=facts.unreachable,
        works=await holder_of(cluster.kube),
        nodes=node_states(facts),
        next_steps=next_steps(cluster.identity, now),
    )
