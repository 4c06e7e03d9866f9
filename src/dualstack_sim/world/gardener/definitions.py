"""CustomResourceDefinitions for the types of Gardener, of the machine controller and of the CNIs."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.gardener.model.kinds import (
    CLOUD_PROFILE,
    CLUSTER,
    CONTROL_PLANE,
    INFRASTRUCTURE,
    MACHINE,
    MACHINE_CLASS,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MANAGED_RESOURCE,
    NETWORK,
    OPERATING_SYSTEM_CONFIG,
    SHOOT,
    WORKER,
)
from dualstack.model.kinds import CRD, Kind, Manifest
from dualstack_sim.actors.cni.registry import CNIS

Column = tuple[str, str]
"""Name and JSON path of a column that `kubectl get` prints."""

_STATE: tuple[Column, ...] = (("Status", ".status.lastOperation.state"),)
_TYPE: Column = ("Type", ".spec.type")
_AGE: Column = ("Age", ".metadata.creationTimestamp")


@dataclass(frozen=True, slots=True)
class _Facts:
    """The properties in which the definitions differ."""

    short_names: tuple[str, ...] = ()
    status: bool = True
    scale: bool = False
    columns: tuple[Column, ...] = (_AGE,)


_REPLICAS: tuple[Column, ...] = (
    ("Ready", ".status.readyReplicas"),
    ("Desired", ".spec.replicas"),
    ("Up-to-date", ".status.updatedReplicas"),
    ("Available", ".status.availableReplicas"),
    _AGE,
)

_FACTS: dict[Kind, _Facts] = {
    SHOOT: _Facts(
        columns=(
            ("Provider", ".spec.provider.type"),
            ("Region", ".spec.region"),
            ("K8S Version", ".spec.kubernetes.version"),
            ("Last Operation", ".status.lastOperation.state"),
            _AGE,
        )
    ),
    CLOUD_PROFILE: _Facts(status=False, columns=(_TYPE, _AGE)),
    CLUSTER: _Facts(status=False),
    INFRASTRUCTURE: _Facts(("infra",), columns=(_TYPE, ("Region", ".spec.region"), *_STATE, _AGE)),
    NETWORK: _Facts(columns=(_TYPE, ("Pod CIDR", ".spec.podCIDR"), *_STATE, _AGE)),
    CONTROL_PLANE: _Facts(("cp",), columns=(_TYPE, *_STATE, _AGE)),
    WORKER: _Facts(columns=(_TYPE, ("Region", ".spec.region"), *_STATE, _AGE)),
    OPERATING_SYSTEM_CONFIG: _Facts(("osc",), columns=(_TYPE, ("Purpose", ".spec.purpose"), *_STATE, _AGE)),
    MANAGED_RESOURCE: _Facts(
        ("mr",),
        columns=(
            ("Class", ".spec.class"),
            ("Applied", '.status.conditions[?(@.type=="ResourcesApplied")].status'),
            ("Healthy", '.status.conditions[?(@.type=="ResourcesHealthy")].status'),
            ("Progressing", '.status.conditions[?(@.type=="ResourcesProgressing")].status'),
            _AGE,
        ),
    ),
    MACHINE_CLASS: _Facts(("mcc",), status=False),
    MACHINE_DEPLOYMENT: _Facts(("mcd",), scale=True, columns=_REPLICAS),
    MACHINE_SET: _Facts(("mcs",), scale=True, columns=(*_REPLICAS[:2], _AGE)),
    MACHINE: _Facts(
        ("mc",), columns=(("Status", ".status.currentStatus.phase"), ("Node", ".metadata.labels.node"), _AGE)
    ),
}


def definitions() -> list[Manifest]:
    """One CustomResourceDefinition for each custom type; schemas keep unknown fields."""
    of_cnis = {
        kind: _Facts(status=False, columns=columns) for cni in CNIS.values() for kind, columns in cni.custom_resources
    }
    return [_definition(kind, facts) for kind, facts in (_FACTS | of_cnis).items()]


def _definition(kind: Kind, facts: _Facts) -> Manifest:
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
