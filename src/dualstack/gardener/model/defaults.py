"""Gardener's defaults for a Shoot (docs/reference/gardener.md#shoot-fields), and its infrastructure tasks.

Functions return a new manifest that shares the unchanged parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dualstack.gardener.model.names import TASKS
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

DEFAULT_PODS = "100.96.0.0/11"
DEFAULT_SERVICES = "100.64.0.0/13"
DEFAULT_MAX_PODS = 110
DEFAULT_MASK_IPV4 = 24
DEFAULT_MASK_IPV6 = 64


def is_workerless(shoot: Manifest) -> bool:
    """Whether the Shoot has no worker pools, hence no nodes and no networks of its own."""
    return not dig(shoot, "spec", "provider", "workers")


def with_defaults(shoot: Manifest) -> Manifest:
    """The Shoot as the garden API stores it: families, pod and service CIDR, mask sizes, surge of the pools.

    The update that adds IPv6 also sets `nodeCIDRMaskSizeIPv6` to 64 (docs/reference/gardener.md#node-cidr-mask-sizes).
    A workerless Shoot gets only the families.
    """
    families = dig(shoot, "spec", "networking", "ipFamilies") or ["IPv4"]
    result = _put(shoot, families, "spec", "networking", "ipFamilies")
    if is_workerless(shoot):
        return result
    if "IPv4" in families:
        result = _default(result, DEFAULT_PODS, "spec", "networking", "pods")
        result = _default(result, DEFAULT_SERVICES, "spec", "networking", "services")
        manager = ("spec", "kubernetes", "kubeControllerManager")
        result = _default(result, mask_for(max_pods(shoot)), *manager, "nodeCIDRMaskSize")
        if "IPv6" in families:
            result = _default(result, DEFAULT_MASK_IPV6, *manager, "nodeCIDRMaskSizeIPv6")
    if dig(result, "spec", "kubernetes", "kubeProxy"):
        result = _default(result, "IPTables", "spec", "kubernetes", "kubeProxy", "mode")
    pools = [_complete_pool(pool) for pool in dig(result, "spec", "provider", "workers")]
    return _put(result, pools, "spec", "provider", "workers")


def with_overlay(new: Manifest, old: Manifest | None = None) -> Manifest:
    """The Shoot after the mutator of provider-gcp, on creation or, with `old`, on an update.

    By default a new Shoot has no overlay and an update keeps the old setting; without overlay there is no SNAT to DNS
    (docs/reference/gardener.md#provider-mutator).
    """
    networking: dict[str, Any] = dig(new, "spec", "networking") or {}
    if dig(new, "spec", "provider", "type") != "gcp" or is_workerless(new):
        return new
    config = dict(networking.get("providerConfig") or {})
    if config.get("overlay") is None:
        overlay = dig(old, "spec", "networking", "providerConfig", "overlay") if old else {"enabled": False}
        if overlay is not None:
            config["overlay"] = overlay
    if dig(config, "overlay", "enabled") is False:
        config["snatToUpstreamDNS"] = {**(config.get("snatToUpstreamDNS") or {}), "enabled": False}
    return _put(new, config, "spec", "networking", "providerConfig") if config else new


def _complete_pool(pool: Manifest) -> Manifest:
    given = {key: value for key, value in pool.items() if value is not None}
    manual = given.get("updateStrategy") == "ManualInPlaceUpdate"
    return given if manual else {"maxSurge": 1, "maxUnavailable": 0, **given}


def max_pods(shoot: Manifest) -> int:
    """The largest `kubelet.maxPods` of the cluster and its pools; 110 by default."""
    cluster = dig(shoot, "spec", "kubernetes", "kubelet", "maxPods")
    pools = (dig(pool, "kubernetes", "kubelet", "maxPods") for pool in dig(shoot, "spec", "provider", "workers") or ())
    given = [value for value in (cluster, *pools) if value]
    return max(given, default=DEFAULT_MAX_PODS)


def mask_for(pods: int) -> int:
    """The IPv4 mask of a node's pod range, with room for twice its pods: 32 - ceil(log2(2 * pods))."""
    return 32 - (2 * max(pods, 1) - 1).bit_length()


def tasks_of(shoot: Manifest) -> tuple[str, ...]:
    """The tasks in the annotation `shoot.gardener.cloud/tasks`."""
    text = dig(shoot, "metadata", "annotations", TASKS) or ""
    return tuple(task.strip() for task in str(text).split(",") if task.strip())


def add_task(shoot: Manifest, task: str) -> Manifest:
    """The Shoot with `task` in its tasks annotation, once."""
    tasks = tasks_of(shoot)
    return shoot if task in tasks else _put(shoot, ",".join((*tasks, task)), "metadata", "annotations", TASKS)


def remove_tasks(shoot: Manifest, tasks: Iterable[str]) -> str | None:
    """The value of the tasks annotation without `tasks`; None to remove the annotation."""
    gone = set(tasks)
    return ",".join(task for task in tasks_of(shoot) if task not in gone) or None


def _put(value: Manifest | None, leaf: Any, *path: str) -> Manifest:
    key, *rest = path
    mapping = value or {}
    return {**mapping, key: _put(mapping.get(key), leaf, *rest) if rest else leaf}


def _default(shoot: Manifest, leaf: Any, *path: str) -> Manifest:
    return shoot if dig(shoot, *path) is not None else _put(shoot, leaf, *path)
