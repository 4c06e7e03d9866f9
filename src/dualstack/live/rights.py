"""What the user of the kubeconfig needs to be allowed, and what of it is missing."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.kube.interface import Kube
from dualstack.model.kinds import ACCESS_REVIEW, CONFIG_MAP, LEASE, NODE, POD, Kind
from dualstack.model.manifests import manifest
from dualstack.model.names import KUBE_SYSTEM

NEEDED: Mapping[Kind, tuple[str, ...]] = {
    NODE: ("list",),
    POD: ("list",),
    CONFIG_MAP: ("get", "create", "patch", "delete"),
    LEASE: ("get", "create", "patch", "delete"),
}
"""The verbs that `prepare` and `finish` use; namespaced kinds in kube-system (docs/live-clusters.md#rights)."""


async def missing_rights(kube: Kube) -> list[Resource]:
    """`{"object", "missing"}` for each kind of `NEEDED`: the verbs that the user may not use."""
    pairs = [(kind, verb) for kind, verbs in NEEDED.items() for verb in verbs]
    allowed = await gather_all(*(_allowed(kube, kind, verb) for kind, verb in pairs))
    refused = [pair for pair, granted in zip(pairs, allowed, strict=True) if not granted]
    return [
        {
            "object": f"{kind.plural} in {KUBE_SYSTEM}" if kind.namespaced else kind.plural,
            "missing": [verb for each, verb in refused if each is kind],
        }
        for kind in NEEDED
    ]


async def _allowed(kube: Kube, kind: Kind, verb: str) -> bool:
    """Whether the API server allows it; it stores nothing (docs/reference/kubernetes.md#access-reviews)."""
    attributes = {"verb": verb, "group": kind.group, "resource": kind.plural}
    if kind.namespaced:
        attributes["namespace"] = KUBE_SYSTEM
    review = manifest(ACCESS_REVIEW, "", spec={"resourceAttributes": attributes})
    answer = await kube.create(ACCESS_REVIEW, review)
    return bool((answer.get("status") or {}).get("allowed"))
