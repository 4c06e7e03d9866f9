"""Checks over what the cut-over observes, and the state in which a live cluster is or should be. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.live.state import MEANING, standing
from dualstack.model.enumeration import listed
from dualstack.plan.facts import CutoverFacts
from dualstack.verify.expectations import Expected
from dualstack.verify.judging import Check


def expected_state(facts: CutoverFacts, ipv6_nodes: int) -> Expected:
    """The state in which the cluster is. ipv6_nodes: those with an IPv6 pod CIDR."""
    if ipv6_nodes:
        return "dual-stack"
    match standing(facts):
        case "routes" | "prepared" as state:
            return state
        case "finished":
            return "aliases"
        case _:
            return "unfinished"


def cut_over_checks(facts: CutoverFacts, expected: Expected, works: str) -> list[Check]:
    """What must hold of the cut-over itself. works: the process that changes the cluster now; empty without one."""
    temporary = [
        *(f"temporary route {name}" for name in facts.drill_routes),
        *(["the temporary VM and range of the decoy check"] if facts.decoys.present else []),
    ]
    saved = [f"{len(facts.saved_routes)} saved routes"] if facts.saved_routes else []
    left = [
        *(temporary if expected != "unfinished" else []),
        *(["a range of a trial"] if facts.left_over else []),
        *(saved if expected not in ("prepared", "unfinished") else []),
    ]
    now = standing(facts)
    unfinished = [f"{now} ({MEANING[now]}); `dualstack status` names the command that goes on"]
    foreign = [f"{route.name} to {route.destination}" for route in facts.foreign_routes]
    unknown = [f"{name}: {reason}" for name, reason in facts.unidentified.items()]
    return [
        _check("cut-over.reachable", facts.unreachable, "every pod CIDR has a path to its VM", "without a path: "),
        _check("cut-over.machines", unknown, f"{len(facts.node_of)} VMs and their Nodes belong together"),
        _check("cut-over.left-overs", left, "nothing temporary is left", "left: "),
        _check("cut-over.at-rest", [works] if works else [], "no process changes the cluster", "works now: "),
        *([_check("cut-over.finished", unfinished, "", risk=True)] if expected == "unfinished" else []),
        _check("compute.foreign-routes", foreign, "no other route leads into the pod range", risk=True),
    ]


def _check(name: str, wrong: Sequence[str], good: str, prefix: str = "", *, risk: bool = False) -> Check:
    evidence = f"{prefix}{listed(wrong)}" if wrong else good
    return Check(name, ("risk" if risk else "failed") if wrong else "passed", evidence)
