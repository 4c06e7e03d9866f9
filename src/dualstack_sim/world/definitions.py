"""CustomResourceDefinitions: how they are built, and those of the CNIs."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.model.kinds import CRD, Kind, Manifest
from dualstack_sim.actors.cni import CNIS

Column = tuple[str, str]
"""Name and JSON path of a column that `kubectl get` prints."""

AGE: Column = ("Age", ".metadata.creationTimestamp")


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """The properties in which the definitions differ."""

    short_names: tuple[str, ...] = ()
    status: bool = True
    scale: bool = False
    columns: tuple[Column, ...] = (AGE,)


def cni_definitions() -> list[Manifest]:
    """One CustomResourceDefinition for each type that a CNI brings along."""
    return [
        definition(kind, TypeFacts(status=False, columns=columns))
        for cni in CNIS.values()
        for kind, columns in cni.custom_resources
    ]


def definition(kind: Kind, facts: TypeFacts) -> Manifest:
    """The definition of `kind`, whose schema keeps unknown fields."""
    subresources: Manifest = {"status": {}} if facts.status else {}
    if facts.scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
        }
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                **({"shortNames": list(facts.short_names)} if facts.short_names else {}),
            },
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    "subresources": subresources,
                    "additionalPrinterColumns": [_column(name, path) for name, path in facts.columns],
                }
            ],
        },
    }


def _column(name: str, path: str) -> Manifest:
    kind = "date" if path.endswith("creationTimestamp") else "string"
    return {"name": name, "type": kind, "jsonPath": path}
