"""Deployments of the control plane, and tolerations for the pools' taints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dualstack.gardener.model.names import SEED_NODE
from dualstack.gardener.model.pools import Pool
from dualstack.model.kinds import DEPLOYMENT, Manifest
from dualstack.model.manifests import manifest


def tolerations(pools: Iterable[Pool]) -> list[Manifest]:
    """One toleration for each different taint of the pools."""
    result: list[Manifest] = []
    for taint in (taint for pool in pools for taint in pool.taints):
        value = {"operator": "Equal", "value": taint["value"]} if taint.get("value") else {"operator": "Exists"}
        toleration = {"key": taint.get("key", ""), **value}
        if taint.get("effect"):
            toleration["effect"] = taint["effect"]
        if toleration not in result:
            result.append(toleration)
    return result


def seed_deployment(
    namespace: str,
    name: str,
    image: str,
    words: list[str],
    *,
    replicas: int = 1,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Deployment of the control plane; its pods run on the node of the seed (docs/objects.md)."""
    labels = {"app": "kubernetes", "role": name}
    result = manifest(
        DEPLOYMENT,
        name,
        namespace,
        spec={
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels, **({"annotations": dict(annotations)} if annotations else {})},
                "spec": {
                    "nodeName": SEED_NODE,
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{"name": name, "image": image, "command": words}],
                },
            },
        },
    )
    result["metadata"]["labels"] = labels
    return result
