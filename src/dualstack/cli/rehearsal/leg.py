"""One way of a rehearsal, from the edit that started it to what was verified at its end."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.cli.rehearsal.record import Record
from dualstack.cli.rehearsal.result import Change, Check, Nodes, WayBack
from dualstack.model.kinds import Manifest


@dataclass(frozen=True, slots=True)
class Leg:
    """What one way came to; `reason` is None when it ended well. `simulated` is in seconds."""

    record: Record
    nodes: Nodes
    changed: tuple[Change, ...]
    checks: tuple[Check, ...]
    reason: str | None
    simulated: float

    def way_back(self) -> WayBack:
        """This leg as the result shows the way back."""
        return WayBack(
            simulated_seconds=self.simulated,
            phases=tuple(self.record.phases),
            constraints=tuple(self.record.constraints),
            notices=tuple(self.record.notices),
            nodes=self.nodes,
            changes=self.changed,
            checks=self.checks,
        )


def count_nodes(before: list[str], nodes: list[Manifest]) -> Nodes:
    """`before`: the UIDs of the nodes that were there when the way began."""
    left = {node["metadata"]["uid"] for node in nodes}
    return Nodes(
        at_start=len(before),
        at_end=len(nodes),
        replaced=len(set(before) - left),
        dual_stack=sum(len(node["spec"].get("podCIDRs", [])) == 2 for node in nodes),
    )
