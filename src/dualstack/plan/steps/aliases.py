"""The steps on VMs: add and remove the alias range for the pod CIDR."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dualstack.model.cidr import overlap
from dualstack.plan.facts import AliasFacts, CutoverFacts
from dualstack.plan.steps.base import Transition


@dataclass(frozen=True)
class AddAliases(Transition):
    """Add the pod CIDR of the VMs `targets` as their first alias range; other aliases stay
    (docs/reference/gardener.md#interop-alias-is-pod-cidr)."""

    canary: bool = False
    changes = ("aliases",)
    method = "instances.updateNetworkInterface"

    @property
    def id(self) -> str:
        return "add-alias-canary" if self.canary else "add-aliases"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        if not facts.range_present:
            return [f"subnet {facts.subnet.name} has no range {facts.range_name}"]
        return [
            problem for name in self.targets if name in facts.pod_cidr_of for problem in alias_obstacles(facts, name)
        ]

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        nodes, targets = list(facts.nodes), set(self.targets)
        for index, node in enumerate(nodes):
            if node.name in targets and node.name in facts.pod_cidr_of:
                ours = AliasFacts(facts.pod_cidr_of[node.name], facts.range_name)
                others = tuple(alias for alias in node.aliases if alias != ours)
                nodes[index] = replace(node, aliases=(ours, *others))
        return replace(facts, nodes=tuple(nodes)).with_changed(*self.changes)


@dataclass(frozen=True)
class RemoveAliases(Transition):
    """Remove the alias ranges of the VMs `targets`. Safe only while their routes exist and the overlap flag is set.

    without_traffic: their aliases carry no traffic, so removing them loses nothing.
    """

    canary: bool = False
    without_traffic: bool = False
    changes = ("aliases",)
    method = "instances.updateNetworkInterface"

    @property
    def id(self) -> str:
        return "remove-alias-canary" if self.canary else "remove-aliases"

    def precondition(self, facts: CutoverFacts) -> list[str]:
        bare = () if self.without_traffic else facts.unrouted
        problems = [f"VM {name} has no route to replace its alias" for name in self.targets if name in bare]
        if facts.range_present and not facts.subnet.overlap_flag and not self.without_traffic:
            problems.append("the overlap flag is off, so routes inside the range carry no traffic")
        return problems

    def effect(self, facts: CutoverFacts) -> CutoverFacts:
        targets = set(self.targets)
        nodes = tuple(
            replace(node, aliases=tuple(alias for alias in node.aliases if alias.range_name != facts.range_name))
            if node.name in targets
            else node
            for node in facts.nodes
        )
        return replace(facts, nodes=nodes).with_changed(*self.changes)


def alias_obstacles(facts: CutoverFacts, name: str) -> list[str]:
    """Why the VM cannot get its pod CIDR as an alias, one sentence each (docs/reference/cut-over.md#r12)."""
    node, cidr = facts.node_of[name], facts.pod_cidr_of[name]
    problems = []
    if not node.subnet_ok:
        problems.append(f"nic0 of VM {name} is not in subnet {facts.subnet.name}")
    if not overlap(cidr, facts.pods_cidr):
        problems.append(f"pod CIDR {cidr} of VM {name} lies outside {facts.pods_cidr}")
    problems += [
        f"VM {other} holds {cidr}, the pod CIDR of VM {name}, as an alias"
        for other in sorted(facts.holders.get(cidr, ()))
        if other != name
    ]
    problems += [
        f"VM {name} holds {alias.cidr} in range {alias.range_name}, but its pod CIDR is {cidr}"
        for alias in node.aliases
        if alias.range_name == facts.range_name and alias.cidr != cidr
    ]
    return problems
