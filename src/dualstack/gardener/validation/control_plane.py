"""Validation of a ControlPlaneConfig by provider gcp (docs/reference/gardener.md#control-plane-config)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.model.field_errors import Fault, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_CONFIG = "spec.provider.controlPlaneConfig"
_STORAGE = f"{_CONFIG}.storage"
_HYPER_DISKS = {
    "gce-sc-hd-balanced": ("hyperDiskBalanced", True, True),
    "gce-sc-hd-throughput": ("hyperDiskThroughput", False, True),
    "gce-sc-hd-extreme": ("hyperDiskExtreme", True, False),
}
"""Storage class: its field, whether it has IOPS, whether it has throughput."""
_STORAGE_CLASSES = ("default", "gce-sc-fast", *sorted(_HYPER_DISKS), "gce-sc-hdd")
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?")


def validate_control_plane(shoot: Manifest) -> Iterator[Fault]:
    """Errors of the ControlPlaneConfig of a Shoot with workers, whose types have been checked."""
    config = dig(shoot, "spec", "provider", "controlPlaneConfig")
    if not config:
        yield required(_CONFIG, "controlPlaneConfig must be set for GCP shoots")
        return
    yield from config_type_faults(_CONFIG, config, API_VERSION, "ControlPlaneConfig")
    zone = config.get("zone")
    zones = {zone for pool in dig(shoot, "spec", "provider", "workers") for zone in pool.get("zones") or ()}
    if not zone:
        yield required(f"{_CONFIG}.zone", "must provide the name of a zone in this region")
    elif zone not in zones:
        yield invalid(f"{_CONFIG}.zone", zone, "must be part of at least one worker zone")
    yield from _storage_faults(config.get("storage") or {})


def config_type_faults(field: str, config: Manifest, version: str, kind: str) -> Iterator[Fault]:
    """Errors of apiVersion and kind of a provider configuration, which may both be absent."""
    for key, wanted in (("apiVersion", version), ("kind", kind)):
        if config.get(key, wanted) != wanted:
            yield not_supported(f"{field}.{key}", config[key], (wanted,))


def _storage_faults(storage: Manifest) -> Iterator[Fault]:
    default = storage.get("defaultStorageClass")
    field = f"{_STORAGE}.defaultStorageClass"
    if default is not None and default not in _STORAGE_CLASSES:
        yield not_supported(field, default, _STORAGE_CLASSES)
    elif default in _HYPER_DISKS and not dig(storage, _HYPER_DISKS[default][0], "enabled"):
        yield invalid(field, default, "the corresponding StorageClass must have enabled set to true")
    for name, iops, throughput in _HYPER_DISKS.values():
        disk = storage.get(name) or {}
        if disk.get("enabled"):
            yield from _setting_faults(f"{_STORAGE}.{name}.provisionedIopsOnCreate", disk, iops)
            yield from _setting_faults(f"{_STORAGE}.{name}.provisionedThroughputOnCreate", disk, throughput)


def _setting_faults(field: str, disk: Manifest, applies: bool) -> Iterator[Fault]:
    key = field.rpartition(".")[2]
    value = disk.get(key)
    if applies and value is None:
        yield required(field, f"{key} is required when enabled")
    elif not applies and value is not None:
        yield forbidden(field, f"{key} is not supported for this hyperdisk type")
    elif isinstance(value, int) and value <= 0:
        yield invalid(field, value, "must be a positive integer")
    elif isinstance(value, str) and not _QUANTITY.fullmatch(value):
        yield invalid(field, value, 'must be a valid quantity string (e.g. "140Mi")')
