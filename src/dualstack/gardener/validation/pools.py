"""Validation of worker pools: by the API, and by provider gcp (docs/reference/gardener.md#worker-validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.gardener.validation.control_plane import config_type_faults
from dualstack.model.field_errors import (
    Fault,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
_SIZE = re.compile(r"\d+Gi")
_LONGEST_NAME = 15
_STRATEGIES = ("AutoInPlaceUpdate", "AutoRollingUpdate", "ManualInPlaceUpdate")
_ARCHITECTURES = ("amd64", "arm64")
_RUNTIMES = ("containerd",)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SCRATCH = "SCRATCH"
_WITH_IOPS = ("pd-extreme", "hyperdisk-extreme", "hyperdisk-balanced")
_WITH_THROUGHPUT = ("hyperdisk-balanced", "hyperdisk-throughput")
_TEXTS = {
    "acceleratorType": re.compile(r"[a-z0-9\-]+"),
    "minCpuPlatform": re.compile(r"[A-Za-z0-9\s]+"),
    "sourceImage": re.compile(r"[a-z0-9\-/]+"),
    "kmsKeyName": re.compile(r"[a-zA-Z0-9\-_/]+"),
    "kmsKeyServiceAccount": re.compile(r"[a-zA-Z0-9\-_.]+@[a-zA-Z0-9\-.]+\.gserviceaccount\.com"),
    "email": re.compile(r"[a-zA-Z0-9\-_.]+@[a-zA-Z0-9\-.]+\.gserviceaccount\.com"),
    "scopes": re.compile(r"https://www\.googleapis\.com/[a-z0-9\-./_]+"),
}
"""What the texts of a WorkerConfig must match, by the name of the field."""
_LONGEST_TEXT = 250


def validate_pools(shoot: Manifest) -> Iterator[Fault]:
    """The API's errors of the pools of a Shoot with defaults, whose types have been checked."""
    seen: set[str] = set()
    for field, pool in _pools(shoot):
        name = pool.get("name")
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name or "")
        yield from _identity_faults(field, pool)
        yield from _count_faults(field, pool)
        yield from _surge_faults(field, pool)
        yield from _disk_faults(field, pool)
        yield from _taint_faults(field, pool)
    yield from _spread_faults(shoot)


def validate_gcp_pools(shoot: Manifest) -> Iterator[Fault]:
    """The errors of provider gcp."""
    for field, pool in _pools(shoot):
        volume = pool.get("volume")
        if not volume:
            yield required(f"{field}.volume", "must not be nil")
        else:
            if not volume.get("type"):
                yield required(f"{field}.volume.type", "must not be empty")
            elif volume["type"] == _SCRATCH:
                yield invalid(f"{field}.volume.type", _SCRATCH, f"type {_SCRATCH} is not allowed as boot disk")
            if not volume.get("size"):
                yield required(f"{field}.volume.size", "must not be empty")
        for index, disk in enumerate(pool.get("dataVolumes") or ()):
            if not disk.get("type"):
                yield required(f"{field}.dataVolumes[{index}].type", "must not be empty")
        config = pool.get("providerConfig")
        if config:
            yield from _config_faults(f"{field}.providerConfig", pool, config)


def _pools(shoot: Manifest) -> Iterator[tuple[str, Manifest]]:
    for index, pool in enumerate(dig(shoot, "spec", "provider", "workers")):
        yield f"spec.provider.workers[{index}]", pool


def _identity_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    name = pool.get("name")
    if not name:
        yield required(f"{field}.name", "must specify a name")
    elif not _LABEL.fullmatch(name) or len(name) > _LONGEST_NAME:
        message = f"must consist of at most {_LONGEST_NAME} lower case letters, digits and hyphens"
        yield invalid(f"{field}.name", name, message)
    machine = pool.get("machine") or {}
    if not machine.get("type"):
        yield required(f"{field}.machine.type", "must specify a machine type")
    for key, supported, value in (
        ("machine.architecture", _ARCHITECTURES, machine.get("architecture")),
        ("updateStrategy", _STRATEGIES, pool.get("updateStrategy")),
        ("cri.name", _RUNTIMES, dig(pool, "cri", "name")),
    ):
        if value not in supported and (value is not None or (key == "cri.name" and pool.get("cri") is not None)):
            yield not_supported(f"{field}.{key}", value, supported)
    if not pool.get("zones"):
        yield required(f"{field}.zones", "at least one zone must be configured")
    for index, zone in enumerate(pool.get("zones") or ()):
        if zone in pool["zones"][:index]:
            yield duplicate(f"{field}.zones[{index}]", zone)


def _count_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    minimum, maximum = pool.get("minimum", 0), pool.get("maximum", 0)
    for key, value in (("minimum", minimum), ("maximum", maximum)):
        if value < 0:
            yield invalid(f"{field}.{key}", value, f"{key} value must not be negative")
    if maximum < minimum:
        yield forbidden(f"{field}.maximum", "maximum value must not be less than minimum value")
    if pool.get("priority", 0) < -1:
        yield invalid(f"{field}.priority", pool["priority"], "can not be less than -1")


def _spread_faults(shoot: Manifest) -> Iterator[Fault]:
    """Of the pools with the same zones that run system components, one may have a node in each zone."""
    pools = [
        (field, pool["maximum"], set(pool.get("zones") or ()))
        for field, pool in _pools(shoot)
        if pool.get("maximum") and dig(pool, "systemComponents", "allow") is not False
    ]
    for index, (field, _, zones) in enumerate(pools):
        alike = [maximum for _, maximum, others in pools if others == zones]
        if max(alike) < len(zones) and all(others != zones for _, _, others in pools[:index]):
            message = "maximum node count should be greater than or equal to the number of zones of the pool"
            yield forbidden(f"{field}.maximum", message)


def _surge_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    if pool.get("updateStrategy") == "ManualInPlaceUpdate":
        for key in ("maxSurge", "maxUnavailable"):
            if pool.get(key) is not None:
                message = "should not be set when `updateStrategy` is `ManualInPlaceUpdate`"
                yield invalid(f"{field}.{key}", pool[key], message)
        return
    usable = True
    for key in ("maxSurge", "maxUnavailable"):
        value = pool.get(key, 0)
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            usable = False
            yield invalid(f"{field}.{key}", value, "must be an integer or a percentage such as 25%")
        elif isinstance(value, int) and value < 0:
            usable = False
            yield invalid(f"{field}.{key}", value, "must not be negative")
        elif key == "maxUnavailable" and isinstance(value, str) and int(value[:-1]) > 100:
            yield invalid(f"{field}.{key}", value, "must not be greater than 100%")
    if usable and pool.get("maxSurge") in (0, "0%") and pool.get("maxUnavailable") in (0, "0%"):
        yield invalid(
            f"{field}.maxUnavailable",
            pool["maxUnavailable"],
            "may not be 0 when both `maxSurge` and `maxUnavailable` are 0",
        )


def _disk_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    volume, disks = pool.get("volume"), pool.get("dataVolumes") or []
    if disks and not volume:
        yield required(f"{field}.volume", "a worker volume must be defined if data volumes are defined")
    named = [(f"{field}.dataVolumes[{index}]", disk) for index, disk in enumerate(disks)]
    if volume and volume.get("size") is not None:
        yield from _size_faults(f"{field}.volume", volume)
    for where, disk in named:
        yield from _size_faults(where, disk)
        name = disk.get("name")
        if not name or not _LABEL.fullmatch(name) or len(name) > _LONGEST_NAME:
            message = f"must consist of at most {_LONGEST_NAME} lower case letters, digits and hyphens"
            yield invalid(f"{where}.name", name, message)
    names = [disk.get("name") for disk in disks]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield duplicate(f"{field}.dataVolumes[{index}].name", name)
    kubelet = pool.get("kubeletDataVolumeName")
    if kubelet is not None and kubelet not in names:
        yield invalid(f"{field}.kubeletDataVolumeName", kubelet, "refers to a data volume that does not exist")


def _size_faults(field: str, disk: Manifest) -> Iterator[Fault]:
    if not _SIZE.fullmatch(disk.get("size") or ""):
        yield invalid(f"{field}.size", disk.get("size"), f"volume size must match the regex ^{_SIZE.pattern}$")


def _taint_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    seen: list[tuple[str, str]] = []
    for index, taint in enumerate(pool.get("taints") or ()):
        where, key, effect = f"{field}.taints[{index}]", taint.get("key") or "", taint.get("effect") or ""
        if not key:
            yield required(f"{where}.key", "must specify a key")
        if not effect:
            yield required(f"{where}.effect", "must specify an effect")
        elif effect not in _EFFECTS:
            yield not_supported(f"{where}.effect", effect, _EFFECTS)
        if (key, effect) in seen:
            yield duplicate(where, taint)
        seen.append((key, effect))


def _config_faults(field: str, pool: Manifest, config: Manifest) -> Iterator[Fault]:
    """Errors of a WorkerConfig."""
    yield from config_type_faults(field, config, API_VERSION, "WorkerConfig")
    yield from _text_faults(field, config, "minCpuPlatform")
    gpu = config.get("gpu")
    if gpu is not None:
        yield from _text_faults(f"{field}.gpu", gpu, "acceleratorType", needed=True)
        if (gpu.get("count") or 0) <= 0:
            yield forbidden(f"{field}.gpu.count", "must be > 0 when providing gpu")
    account = config.get("serviceAccount")
    if account is not None:
        yield from _text_faults(f"{field}.serviceAccount", account, "email", needed=True)
        yield from _scope_faults(f"{field}.serviceAccount.scopes", account.get("scopes") or [])
    yield from _local_disk_faults(f"{field}.volume", pool, config.get("volume") or {})
    yield from _data_volume_faults(f"{field}.dataVolumes", pool, config.get("dataVolumes") or ())
    boot = dig(pool, "volume", "type")
    if boot:
        yield from _provisioned_faults(f"{field}.bootVolume", config.get("bootVolume") or {}, boot)


def _scope_faults(field: str, scopes: list[str]) -> Iterator[Fault]:
    if not scopes:
        yield required(field, "must have at least one scope")
    for index, scope in enumerate(scopes):
        if not _TEXTS["scopes"].fullmatch(scope):
            message = f"does not match expected regex ^{_TEXTS['scopes'].pattern}$"
            yield invalid(f"{field}[{index}]", scope, message)
        if scope in scopes[:index]:
            yield duplicate(f"{field}[{index}]", scope)


def _local_disk_faults(field: str, pool: Manifest, volume: Manifest) -> Iterator[Fault]:
    interface, encryption = volume.get("interface"), volume.get("encryption")
    if interface is not None and interface not in ("NVME", "SCSI"):
        yield not_supported(f"{field}.interface", interface, ("NVME", "SCSI"))
    if encryption is not None:
        if not (encryption.get("kmsKeyName") or "").strip():
            message = "must be specified when configuring disk encryption"
            yield required(f"{field}.encryption.kmsKeyName", message)
        else:
            yield from _text_faults(f"{field}.encryption", encryption, "kmsKeyName")
            yield from _text_faults(f"{field}.encryption", encryption, "kmsKeyServiceAccount")
    for kind in (disk["type"] for disk in pool.get("dataVolumes") or () if disk.get("type")):
        if kind != _SCRATCH and interface is not None:
            yield invalid(f"{field}.interface", interface, f"is only allowed for type {_SCRATCH}")
        elif kind == _SCRATCH and interface is None:
            yield required(f"{field}.interface", f"must be set when using {_SCRATCH} volumes")
        if kind == _SCRATCH and encryption is not None:
            message = f"must not be set in combination with {_SCRATCH} volumes"
            yield invalid(f"{field}.encryption", encryption, message)


def _data_volume_faults(field: str, pool: Manifest, settings: list[Manifest] | tuple[()]) -> Iterator[Fault]:
    kinds = {disk.get("name"): disk.get("type") for disk in pool.get("dataVolumes") or ()}
    names = [setting.get("name") for setting in settings]
    for index, setting in enumerate(settings):
        where, name = f"{field}[{index}]", setting.get("name")
        yield from _text_faults(where, setting, "sourceImage")
        if name not in kinds:
            yield invalid(field, name, f"could not find dataVolume with name {name}")
        elif name in names[:index]:
            yield duplicate(where, name)
        elif kinds[name]:
            yield from _provisioned_faults(where, setting, str(kinds[name]))


def _provisioned_faults(field: str, settings: Manifest, kind: str) -> Iterator[Fault]:
    for key, kinds in (("provisionedIops", _WITH_IOPS), ("provisionedThroughput", _WITH_THROUGHPUT)):
        if settings.get(key) is not None and kind not in kinds:
            yield forbidden(f"{field}.{key}", f"is only allowed for types: {', '.join(kinds)}")


def _text_faults(field: str, holder: Manifest, key: str, *, needed: bool = False) -> Iterator[Fault]:
    text = holder.get(key)
    if text is None and not needed:
        return
    text = text or ""
    if not text:
        yield invalid(f"{field}.{key}", text, "must not be fewer than 1 characters, got 0")
    elif not _TEXTS[key].fullmatch(text):
        yield invalid(f"{field}.{key}", text, f"does not match expected regex ^{_TEXTS[key].pattern}$")
    if len(text) > _LONGEST_TEXT:
        yield invalid(f"{field}.{key}", text, f"must not be more than {_LONGEST_TEXT} characters, got {len(text)}")
