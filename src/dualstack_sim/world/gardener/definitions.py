"""CustomResourceDefinitions for the types of Gardener, of the machine controller and of the CNIs."""

from __future__ import annotations

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
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.world.definitions import AGE, Column, TypeFacts, cni_definitions, definition

_STATE: tuple[Column, ...] = (("Status", ".status.lastOperation.state"),)
_TYPE: Column = ("Type", ".spec.type")


_REPLICAS: tuple[Column, ...] = (
    ("Ready", ".status.readyReplicas"),
    ("Desired", ".spec.replicas"),
    ("Up-to-date", ".status.updatedReplicas"),
    ("Available", ".status.availableReplicas"),
    AGE,
)

_FACTS: dict[Kind, TypeFacts] = {
    SHOOT: TypeFacts(
        columns=(
            ("Provider", ".spec.provider.type"),
            ("Region", ".spec.region"),
            ("K8S Version", ".spec.kubernetes.version"),
            ("Last Operation", ".status.lastOperation.state"),
            AGE,
        )
    ),
    CLOUD_PROFILE: TypeFacts(status=False, columns=(_TYPE, AGE)),
    CLUSTER: TypeFacts(status=False),
    INFRASTRUCTURE: TypeFacts(("infra",), columns=(_TYPE, ("Region", ".spec.region"), *_STATE, AGE)),
    NETWORK: TypeFacts(columns=(_TYPE, ("Pod CIDR", ".spec.podCIDR"), *_STATE, AGE)),
    CONTROL_PLANE: TypeFacts(("cp",), columns=(_TYPE, *_STATE, AGE)),
    WORKER: TypeFacts(columns=(_TYPE, ("Region", ".spec.region"), *_STATE, AGE)),
    OPERATING_SYSTEM_CONFIG: TypeFacts(("osc",), columns=(_TYPE, ("Purpose", ".spec.purpose"), *_STATE, AGE)),
    MANAGED_RESOURCE: TypeFacts(
        ("mr",),
        columns=(
            ("Class", ".spec.class"),
            ("Applied", '.status.conditions[?(@.type=="ResourcesApplied")].status'),
            ("Healthy", '.status.conditions[?(@.type=="ResourcesHealthy")].status'),
            ("Progressing", '.status.conditions[?(@.type=="ResourcesProgressing")].status'),
            AGE,
        ),
    ),
    MACHINE_CLASS: TypeFacts(("mcc",), status=False),
    MACHINE_DEPLOYMENT: TypeFacts(("mcd",), scale=True, columns=_REPLICAS),
    MACHINE_SET: TypeFacts(("mcs",), scale=True, columns=(*_REPLICAS[:2], AGE)),
    MACHINE: TypeFacts(
        ("mc",), columns=(("Status", ".status.currentStatus.phase"), ("Node", ".metadata.labels.node"), AGE)
    ),
}


def definitions() -> list[Manifest]:
    """One CustomResourceDefinition for each custom type; schemas keep unknown fields."""
    return [*(definition(kind, facts) for kind, facts in _FACTS.items()), *cni_definitions()]
