"""Gardener's network problem detector: a Node condition names the nodes whose pods its own pods do not reach.

Its agents connect to each other, which needs connectivity in both directions. A Node reports a problem when a fifth of
the other nodes is out of reach: one unreachable node among many reports a problem, the others do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dualstack.model.conditions import HEARTBEAT_TIME, find_condition, with_condition
from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.refusals import KubeRefusal

CONDITION = "ClusterNetworkProblem"
PERIOD = 10.0
"""Seconds between two rounds."""

SHARE = 0.2
"""The share of the other nodes that must be out of reach before a node reports a problem."""

_NAMED = 5
"""The number of nodes that a message names."""


class NetworkProblemDetector:
    """Evaluates the traffic of all nodes; every Node has the condition, which is written when it changes."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._endpoints = context.endpoints
        self._kube, _ = context.named("network-problem-detector")
        self._informers = context.informers
        self._nodes = context.informers.of(NODE)
        self._reported: dict[str, str] = {}
        """The message of each Node with a problem."""

    async def run(self) -> None:
        """Until cancelled."""
        await self._informers.synced(NODE)
        while True:
            pairs = self._endpoints.unreachable_pairs(self._clock.now())
            found = problems(pairs, [_name(node) for node in self._nodes.all()])
            silent = {_name(node) for node in self._nodes.all() if not _has_condition(node)}
            for name in sorted(found.keys() | self._reported.keys() | silent):
                if name in silent or found.get(name) != self._reported.get(name):
                    await self._report(name, found.get(name))
            await self._clock.sleep(PERIOD)

    async def _report(self, name: str, message: str | None) -> None:
        """Write the condition of the Node. A write that fails is repeated in the next round."""
        node = self._nodes.get(name)
        if node is not None:
            conditions = (node.get("status") or {}).get("conditions") or []
            status, reason = ("True", "FailedNetworkChecks") if message else ("False", "NoNetworkProblems")
            text = message or "no cluster network problems"
            changed = with_condition(
                conditions, CONDITION, status, reason, text, now=self._clock.now(), update_key=HEARTBEAT_TIME
            )
            body = {"status": {"conditions": [find_condition(changed, CONDITION)]}}
            try:
                await self._kube.patch(NODE, name, body, patch_type="strategic", subresource="status")
            except KubeRefusal:
                return
        if message is None:
            self._reported.pop(name, None)
        else:
            self._reported[name] = message


def problems(pairs: Iterable[tuple[str, str]], nodes: Sequence[str]) -> dict[str, str]:
    """The condition message of each node that has a problem, given the unreachable (source, destination) pairs."""
    unreached: dict[str, set[str]] = defaultdict(set)
    for source, destination in pairs:
        unreached[source].add(destination)
        unreached[destination].add(source)
    enough = SHARE * (len(nodes) - 1)
    return {name: _message(unreached[name]) for name in nodes if name in unreached and len(unreached[name]) >= enough}


def _message(unreached: set[str]) -> str:
    named = sorted(unreached)[:_NAMED]
    more = f" and {len(unreached) - len(named)} more" if len(unreached) > len(named) else ""
    return f"pods do not reach {', '.join(named)}{more}"


def _name(node: Manifest) -> str:
    return str(node["metadata"]["name"])


def _has_condition(node: Manifest) -> bool:
    return find_condition((node.get("status") or {}).get("conditions") or [], CONDITION) is not None
