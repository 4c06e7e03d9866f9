"""What the user of the kubeconfig needs to be allowed, and what of it is missing."""

from __future__ import annotations

from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.kube.interface import Kube
from dualstack.model.kinds import (
    ACCESS_REVIEW,
    CONFIG_MAP,
    DAEMON_SET,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    Kind,
)
from dualstack.model.manifests import manifest
from dualstack.model.names import KUBE_SYSTEM
from dualstack.prober.report import NAMESPACE as PROBER_HOME

Needed = tuple[Kind, str, tuple[str, ...]]
"""A kind, its namespace (empty for a kind without) and verbs."""

CHANGES: tuple[Needed, ...] = (
    (NODE, "", ("list",)),
    (POD, KUBE_SYSTEM, ("list",)),
    (CONFIG_MAP, KUBE_SYSTEM, ("get", "create", "patch", "delete")),
    (LEASE, KUBE_SYSTEM, ("get", "create", "patch")),
)
"""What each change needs (docs/live-clusters.md#rights)."""

DECOYS: tuple[Needed, ...] = (
    (NAMESPACE, "", ("get", "create", "delete")),
    *((kind, PROBER_HOME, ("get", "create")) for kind in (SERVICE_ACCOUNT, ROLE, ROLE_BINDING, DAEMON_SET)),
    (LEASE, PROBER_HOME, ("list", "get", "create", "patch")),
    (POD, PROBER_HOME, ("list",)),
)
"""What the decoy check needs besides; the API server lets a user grant only rights that it has."""


async def missing_rights(kube: Kube, *, decoys: bool) -> list[Resource]:
    """`{"object", "missing"}` for each kind that is needed: the verbs that the user may not use."""
    needed = (*CHANGES, *(DECOYS if decoys else ()))
    pairs = [(kind, namespace, verb) for kind, namespace, verbs in needed for verb in verbs]
    allowed = await gather_all(*(_allowed(kube, *pair) for pair in pairs))
    refused = [pair for pair, granted in zip(pairs, allowed, strict=True) if not granted]
    return [
        {
            "object": f"{kind.plural} in {namespace}" if namespace else kind.plural,
            "missing": [verb for each, home, verb in refused if (each, home) == (kind, namespace)],
        }
        for kind, namespace, _ in needed
    ]


async def _allowed(kube: Kube, kind: Kind, namespace: str, verb: str) -> bool:
    """Whether the API server allows it; it stores nothing (docs/reference/kubernetes.md#access-reviews)."""
    attributes = {"verb": verb, "group": kind.group, "resource": kind.plural}
    if namespace:
        attributes["namespace"] = namespace
    review = manifest(ACCESS_REVIEW, "", spec={"resourceAttributes": attributes})
    answer = await kube.create(ACCESS_REVIEW, review)
    return bool((answer.get("status") or {}).get("allowed"))
