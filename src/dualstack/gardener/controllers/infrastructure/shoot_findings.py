"""Findings about the Shoot itself, which stop its migration like those of the project (docs/preflight.md#the-shoot)."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gardener.model.annotations import infrastructure_faults, shoot_faults
from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.plan.facts import CutoverFacts
from dualstack.preflight.finding import Finding

SPEC, ANNOTATION = "shoot-spec", "shoot-annotations"


def shoot_findings(shoot: ShootView, annotations: Mapping[str, str], facts: CutoverFacts) -> list[Finding]:
    """One blocker for each fault in the spec or in an annotation of the product; `annotations`: the Infrastructure's.

    facts: what the cut-over observes; the nodes that exist are counted, not the minimum of the pools.
    """
    nodes = len(facts.nodes) or None
    spec = [_finding(SPEC, str(fault)) for fault in fitness_faults(with_defaults(shoot.manifest), nodes)]
    texts = (*shoot_faults(shoot.annotations), *infrastructure_faults(shoot.name, annotations))
    return [*spec, *(_finding(ANNOTATION, text) for text in texts)]


def _finding(check: str, text: str) -> Finding:
    """A field error, `<field>: <what is wrong>`, as a finding."""
    field, _, evidence = text.partition(": ")
    return Finding(
        id=check, status="problem", severity="blocker", object=field, evidence=evidence, cause="configuration"
    )
