"""Findings about the Shoot and its Nodes, which stop its migration like those of the project
(docs/preflight.md#the-shoot)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.annotations import infrastructure_faults, shoot_faults
from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.preflight.nodes import REMEDY
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.plan.facts import CutoverFacts
from dualstack.preflight.finding import Finding

SPEC, ANNOTATION, NODES = "shoot-spec", "shoot-annotations", "shoot-nodes"


def shoot_findings(
    shoot: ShootView, annotations: Mapping[str, str], facts: CutoverFacts, never_replaced: Mapping[str, str]
) -> list[Finding]:
    """One blocker for each fault in the spec or in an annotation of the product, and for each Node that can never
    become dual-stack; `annotations`: the Infrastructure's.

    facts: what the cut-over observes; the nodes that exist are counted, not the minimum of the pools. never_replaced:
    why no roll-out replaces a Node, by name.
    """
    nodes = len(facts.nodes) or None
    spec = [_finding(SPEC, str(fault)) for fault in fitness_faults(with_defaults(shoot.manifest), nodes)]
    texts = (*shoot_faults(shoot.annotations), *infrastructure_faults(shoot.name, annotations))
    left = [_finding(NODES, f"Node {name}: {why}; {REMEDY}") for name, why in never_replaced.items()]
    return [*spec, *(_finding(ANNOTATION, text) for text in texts), *left]


def _finding(check: str, text: str) -> Finding:
    """A field error, `<object>: <what is wrong>`, as a finding."""
    field, _, evidence = text.partition(": ")
    return Finding(
        id=check, status="problem", severity="blocker", object=field, evidence=evidence, cause="configuration"
    )
