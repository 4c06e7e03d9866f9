"""The result of a command that changes a cluster."""

from __future__ import annotations

import msgspec

from dualstack.cli.live.change import Change, StepTime
from dualstack.cli.live.result import ClusterName, print_result
from dualstack.cli.node_history import NodeHistory
from dualstack.cli.words import bullets, duration
from dualstack.clock import rfc3339
from dualstack.live.state import Standing, standing


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The result of `prepare`, `prepare --undo` or `finish`. Times are in seconds.

    began_at: RFC 3339. course: the steps with their times. node_history: what led to each node, as observed between
    the steps; absent in a cluster of more than 100 nodes. quota_peaks: the most requests of one quota window (a
    minute), by group.
    """

    schema: str
    command: str
    cluster: ClusterName
    standing: Standing
    nodes: int
    nodes_with_alias: int
    routes: int
    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    outage_seconds: float = 0.0
    next_steps: tuple[str, ...] = ()
    began_at: str = ""
    course: tuple[StepTime, ...] = ()
    node_history: tuple[NodeHistory, ...] = ()
    quota_peaks: dict[str, int] = msgspec.field(default_factory=dict)

    def figures(self) -> str:
        """How long it took and what it cost."""
        took = f"{len(self.steps)} steps in {duration(self.seconds)}"
        return f"{took}; longest time without a path to a node: {self.outage_seconds:.0f} s"

    def describe(self) -> str:
        """As text."""
        alias = f"{self.nodes_with_alias} of {self.nodes} nodes have their alias"
        lines = [
            self.cluster.describe(),
            f"  {self.command}: {self.standing}; {alias}, {self.routes} routes",
            f"  {self.figures()}",
        ]
        return "\n".join([*lines, *bullets(self.next_steps)])


async def print_outcome(
    change: Change, command: str, output: str, *, triggered: bool = False, stopped: bool = False
) -> None:
    """Observe the cluster once more, and print the result. triggered: the Shoot was just edited. stopped: the route
    controller has stopped."""
    facts, cluster = await change.cut_over().observe(), change.cluster
    now = standing(facts)
    outcome = Outcome(
        schema="dualstack.change/v1",
        command=command,
        cluster=ClusterName.of(cluster),
        standing=now,
        nodes=len(facts.pod_cidr_of),
        nodes_with_alias=len(facts.pod_cidr_of) - len(facts.without_alias) if facts.range_present else 0,
        routes=len(facts.routes),
        steps=tuple(each.step for each in change.progress.finished),
        seconds=round(cluster.clock.now() - change.progress.origin, 1),
        outage_seconds=round(change.progress.outage, 1),
        next_steps=change.next_steps(facts, stopped=stopped, triggered=triggered),
        began_at=rfc3339(change.progress.origin),
        course=tuple(change.progress.finished),
        node_history=change.progress.history.nodes(),
        quota_peaks=cluster.compute.peaks(),
    )
    print_result(outcome, outcome.describe(), output)
