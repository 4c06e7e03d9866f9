"""The hash of a pool's settings that is part of the names of its machine classes, as Gardener computes it.

Only settings whose change replaces nodes count; networking is not one of them (docs/reference/gardener.md#pool-hash).
Each value is hashed, the hex digests are joined, and the result is hashed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.quantities import whole_number

IN_PLACE = ("AutoInPlaceUpdate", "ManualInPlaceUpdate")
_EXPLICIT_SINCE = (1, 35)
"""The Kubernetes version from which chosen fields of the WorkerConfig count instead of its JSON."""
_EVICTION = ("imageFSAvailable", "imageFSInodesFree", "memoryAvailable", "nodeFSAvailable", "nodeFSInodesFree")
_RESERVED = ("cpu", "memory", "pid", "ephemeralStorage")


def pool_hash(shoot: ShootView, pool: Pool, node_agent_secret: str | None = None) -> str:
    """Five hex digits. `node_agent_secret`: the name in the Worker, which gardenlet computes as the function below."""
    data = [node_agent_secret or node_agent_secret_of(shoot, pool)]
    if not is_in_place(pool):
        data += [*_data_volumes(pool), *_worker_config(shoot, pool)]
    return _digest(data)[:5]


def node_agent_secret_of(shoot: ShootView, pool: Pool) -> str:
    """The name of the Secret with the pool's OperatingSystemConfig (docs/reference/gardener.md#node-agent-secret)."""
    machine, in_place = pool.manifest.get("machine") or {}, is_in_place(pool)
    image = machine.get("image")
    data = [machine.get("type") or ""] if in_place else [minor_version(shoot, pool), machine.get("type") or ""]
    if image:
        data.append(image.get("name", "") + ("" if in_place else str(image.get("version") or "")))
    volume = pool.manifest.get("volume")
    if volume:
        data += [volume.get("size") or "", *([volume["type"]] if volume.get("type") else [])]
    if pool.manifest.get("cri"):
        data.append(pool.manifest["cri"].get("name") or "")
    if not in_place:
        data += _rotations(shoot.manifest, pool.name)
    if dig(shoot.manifest, "spec", "systemComponents", "nodeLocalDNS", "enabled"):
        data.append("node-local-dns")
    if not in_place:
        data += _kubelet(shoot, pool)
    return f"gardener-node-agent-{pool.name}-{_digest(data)[:16]}"


def is_in_place(pool: Pool) -> bool:
    """Whether nodes of the pool are updated without being replaced."""
    return str(pool.manifest.get("updateStrategy", "")) in IN_PLACE


def minor_version(shoot: ShootView, pool: Pool) -> str:
    """`1.33`: that of the pool, which may lag behind the Shoot's."""
    return ".".join(pool.version(shoot.kubernetes_version).split(".")[:2])


def _digest(values: Iterable[str]) -> str:
    return _sha256("".join(map(_sha256, values)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _data_volumes(pool: Pool) -> Iterator[str]:
    for volume in sorted(pool.manifest.get("dataVolumes") or (), key=lambda entry: str(entry.get("name"))):
        yield from (volume.get("name") or "", volume.get("size") or "")
        if volume.get("type"):
            yield volume["type"]


def _worker_config(shoot: ShootView, pool: Pool) -> list[str]:
    config = pool.manifest.get("providerConfig")
    if not config:
        return []
    if tuple(int(part) for part in minor_version(shoot, pool).split(".")) >= _EXPLICIT_SINCE:
        return list(_explicit(config))
    template = config.get("nodeTemplate") or {}
    if template.get("virtualCapacity") is not None:
        # A change of the virtual capacity must not replace nodes.
        rest = {key: value for key, value in template.items() if key != "virtualCapacity"}
        config = {**config, "nodeTemplate": rest}
    return [msgspec.json.encode(config, order="sorted").decode()]


def _explicit(config: Manifest) -> Iterator[str]:
    capacity = dig(config, "nodeTemplate", "capacity") or {}
    yield from (f"{name}={whole_number(str(capacity[name]))}" for name in sorted(capacity))
    if gpu := config.get("gpu"):
        yield from (str(gpu.get("acceleratorType", "")), str(gpu.get("count", 0)))
    if volume := config.get("volume"):
        yield volume.get("interface") or ""
        if encryption := volume.get("encryption"):
            yield from (encryption.get("kmsKeyName") or "", encryption.get("kmsKeyServiceAccount") or "")
    if boot := config.get("bootVolume"):
        yield from _performance(boot)
        yield boot.get("storagePool") or ""
    for volume in config.get("dataVolumes") or ():
        yield volume.get("name") or ""
        yield from _performance(volume)
        if volume.get("sourceImage"):
            yield volume["sourceImage"]
    if config.get("minCpuPlatform"):
        yield config["minCpuPlatform"]
    if account := config.get("serviceAccount"):
        yield from (account.get("email") or "", *(account.get("scopes") or ()))


def _performance(volume: Manifest) -> list[str]:
    return [str(volume[key]) for key in ("provisionedIops", "provisionedThroughput") if volume.get(key) is not None]


def _rotations(shoot: Manifest, pool: str) -> Iterator[str]:
    """When the rotations of CAs and of the service account key began for the pool, as Go prints times."""
    rotation = dig(shoot, "status", "credentials", "rotation")
    for kind in ("certificateAuthorities", "serviceAccountKey"):
        entry = dig(rotation, kind) or {}
        pending = {each.get("name"): each for each in entry.get("pendingWorkersRollouts") or ()}
        stamp = pending.get(pool, entry).get("lastInitiationTime")
        if stamp:
            yield datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def _kubelet(shoot: ShootView, pool: Pool) -> Iterator[str]:
    """The kubelet's settings: those of the pool if it has any, else the Shoot's."""
    settings: Any = dig(pool.manifest, "kubernetes", "kubelet") or dig(shoot.manifest, "spec", "kubernetes", "kubelet")
    reserved = [entry for key in ("kubeReserved", "systemReserved") if (entry := dig(settings, key)) is not None]
    if reserved:
        # Upstream adds them up; Gardener forbids systemReserved since Kubernetes 1.31, so there is one of them.
        yield "-".join(str(reserved[0].get(key, "<nil>")) for key in _RESERVED)
    eviction = dig(settings, "evictionHard")
    if eviction is not None:
        yield "-".join(str(eviction.get(key) or "") for key in _EVICTION)
    if dig(settings, "cpuManagerPolicy"):
        yield str(settings["cpuManagerPolicy"])
