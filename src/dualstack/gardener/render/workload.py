"""Deployments of the control plane, and tolerations for the pools' taints."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import from_migration_on
from dualstack.model.kinds import DEPLOYMENT, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.parts import Edit, Part
from dualstack.model.workloads import with_replicas


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


def seed_part(shoot: ShootView, single_stack: Manifest, edit: Edit) -> Part:
    """A Deployment of the control plane, which has no replicas while the Shoot hibernates."""
    usual = single_stack["spec"]["replicas"]
    edited = from_migration_on(shoot, edit)
    return Part.of(single_stack, lambda live: with_replicas(edited(live), usual, stopped=shoot.hibernated))


def seed_deployment(
    namespace: str,
    name: str,
    image: str,
    words: list[str],
    *,
    replicas: int = 1,
    role: str | None = None,
) -> Manifest:
    """A Deployment of the control plane, with Gardener's labels. role: the label; the name without it."""
    labels = {"app": "kubernetes", "role": role or name}
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
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{"name": name, "image": image, "command": words}],
                },
            },
        },
    )
    result["metadata"]["labels"] = labels
    return result
