"""Validation of an InfrastructureConfig by provider gcp (docs/reference/gardener.md#infrastructure-config)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.gardener.validation.networking import cidr_faults
from dualstack.model import cidr
from dualstack.model.field_errors import Fault, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_CONFIG = "spec.provider.infrastructureConfig"
_NETWORKS = f"{_CONFIG}.networks"
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63
_INTERVALS = tuple(f"INTERVAL_{length}" for length in ("5_SEC", "30_SEC", "1_MIN", "5_MIN", "10_MIN", "15_MIN"))
_METADATA = ("CUSTOM_METADATA", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA")


def validate_infrastructure(shoot: Manifest) -> Iterator[Fault]:
    """Errors of the InfrastructureConfig of a Shoot with workers, whose types have been checked."""
    config = dig(shoot, "spec", "provider", "infrastructureConfig")
    if not config:
        yield required(_CONFIG, "InfrastructureConfig must be set for GCP shoots")
        return
    if config.get("apiVersion") != API_VERSION:
        yield not_supported(f"{_CONFIG}.apiVersion", config.get("apiVersion"), (API_VERSION,))
    if config.get("kind") != "InfrastructureConfig":
        yield not_supported(f"{_CONFIG}.kind", config.get("kind"), ("InfrastructureConfig",))
    networks = config.get("networks")
    if not networks:
        yield required(_NETWORKS, "must specify the networks")
        return
    yield from _worker_faults(shoot, networks)
    yield from _internal_faults(shoot, networks)
    yield from _vpc_faults(networks)
    yield from _nat_faults(networks.get("cloudNAT") or {})
    yield from _flow_log_faults(networks)
    yield from _mtu_faults(networks)


def validate_infrastructure_update(old: Manifest, new: Manifest) -> Iterator[Fault]:
    """Errors of a change to an InfrastructureConfig."""
    path = ("spec", "provider", "infrastructureConfig", "networks")
    before, after = dig(old, *path) or {}, dig(new, *path) or {}
    if before.get("vpc") and not after.get("vpc"):
        yield forbidden(f"{_NETWORKS}.vpc", "vpc cannot be removed")
    elif before.get("vpc"):
        for key in (("name",), ("cloudRouter", "name")):
            if dig(before["vpc"], *key) != dig(after["vpc"], *key):
                field = ".".join((_NETWORKS, "vpc", *key))
                yield invalid(field, dig(after["vpc"], *key), "field is immutable")
    if before.get("vpc") and before.get("internal") and before["internal"] != after.get("internal"):
        yield invalid(f"{_NETWORKS}.internal", after.get("internal"), "field is immutable")
    if before.get("mtu") != after.get("mtu"):
        yield invalid(f"{_NETWORKS}.mtu", after.get("mtu"), "field is immutable")
    old_workers, new_workers = _workers(before), _workers(after)
    if cidr.is_cidr(old_workers) and cidr.is_cidr(new_workers) and not cidr.contains(new_workers, old_workers):
        yield invalid(f"{_NETWORKS}.workers", new_workers, "worker CIDR blocks can only be expanded")


def _workers(networks: Manifest) -> str:
    return str(networks.get("workers") or networks.get("worker") or "")


def _worker_faults(shoot: Manifest, networks: Manifest) -> Iterator[Fault]:
    key = "workers" if networks.get("workers") else "worker"
    workers = networks.get(key)
    if not workers:
        yield required(f"{_NETWORKS}.workers", "must specify the network range for the worker network")
        return
    field = f"{_NETWORKS}.{key}"
    yield from cidr_faults(field, workers)
    nodes = dig(shoot, "spec", "networking", "nodes")
    if cidr.is_cidr(workers) and cidr.is_cidr(nodes) and not cidr.contains(nodes, workers):
        yield invalid(field, workers, f'must be a subset of "spec.networking.nodes" ("{nodes}")')
    for other in ("pods", "services"):
        yield from _overlap_fault(field, workers, f"spec.networking.{other}", dig(shoot, "spec", "networking", other))


def _internal_faults(shoot: Manifest, networks: Manifest) -> Iterator[Fault]:
    internal = networks.get("internal")
    if internal is None:
        return
    field = f"{_NETWORKS}.internal"
    yield from cidr_faults(field, internal)
    others = {f"spec.networking.{key}": dig(shoot, "spec", "networking", key) for key in ("pods", "services", "nodes")}
    others[f"{_NETWORKS}.workers"] = _workers(networks)
    for name, other in others.items():
        yield from _overlap_fault(field, internal, name, other)


def _overlap_fault(field: str, text: str, other_field: str, other: str | None) -> Iterator[Fault]:
    if cidr.is_cidr(text) and other and cidr.is_cidr(other) and cidr.overlap(text, other):
        yield invalid(field, text, f'must not overlap with "{other_field}" ("{other}")')


def _vpc_faults(networks: Manifest) -> Iterator[Fault]:
    vpc = networks.get("vpc")
    if vpc is None:
        return
    field, name, router = f"{_NETWORKS}.vpc", vpc.get("name"), vpc.get("cloudRouter")
    if not name:
        yield invalid(f"{field}.name", name or "", "vpc name must not be empty when vpc key is provided")
        if router is not None:
            yield forbidden(
                f"{field}.cloudRouter", "cloud router can not be configured when the VPC name is not specified"
            )
        return
    yield from _name_faults(f"{field}.name", name)
    if router is None:
        yield invalid(f"{field}.cloudRouter", None, "cloud router must be defined when reusing a VPC")
    elif not router.get("name"):
        message = "cloud router name must be specified when reusing a VPC"
        yield invalid(f"{field}.cloudRouter.name", router.get("name"), message)
    else:
        yield from _name_faults(f"{field}.cloudRouter.name", router["name"])


def _name_faults(field: str, name: str) -> Iterator[Fault]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield invalid(
            field, name, f"does not match expected regex ^{_NAME.pattern}$ with at most {_LONGEST_NAME} characters"
        )


def _nat_faults(nat: Manifest) -> Iterator[Fault]:
    field = f"{_NETWORKS}.cloudNAT"
    dynamic = nat.get("enableDynamicPortAllocation", False)
    minimum, maximum = nat.get("minPortsPerVM"), nat.get("maxPortsPerVM")
    if dynamic and dig(nat, "endpointIndependentMapping", "enabled"):
        message = "endpointIndependentMapping must not be enabled together with dynamic port allocation"
        yield forbidden(f"{field}.endpointIndependentMapping.enabled", message)
    if maximum is not None and not dynamic:
        message = "maxPortsPerVM may only be set with dynamic port allocation"
        yield forbidden(f"{field}.maxPortsPerVM", message)
    if dynamic:
        for key, value in (("minPortsPerVM", minimum), ("maxPortsPerVM", maximum)):
            if value is not None and (value < 0 or value & (value - 1)):  # 0 passes, as upstream
                yield invalid(f"{field}.{key}", value, "must be a power of two with dynamic port allocation")
        if minimum is not None and maximum is not None and minimum > maximum:
            yield invalid(f"{field}.minPortsPerVM", minimum, "must not be greater than maxPortsPerVM")
    if nat.get("natIPNames") == []:
        yield invalid(f"{field}.natIPNames", [], "nat IP names cannot be empty")
    for index, entry in enumerate(nat.get("natIPNames") or ()):
        yield from _name_faults(f"{field}.natIPNames[{index}].name", entry.get("name") or "")


def _flow_log_faults(networks: Manifest) -> Iterator[Fault]:
    logs = networks.get("flowLogs")
    if logs is None:
        return
    field = f"{_NETWORKS}.flowLogs"
    given: dict[str, Any] = {key: logs.get(key) for key in ("aggregationInterval", "flowSampling", "metadata")}
    if all(value is None for value in given.values()):
        yield required(
            field, "at least one VPC flow log parameter must be specified when VPC flow log section is provided"
        )
    if given["aggregationInterval"] not in (None, *_INTERVALS):
        yield not_supported(f"{field}.aggregationInterval", given["aggregationInterval"], _INTERVALS)
    if given["metadata"] not in (None, *_METADATA):
        yield not_supported(f"{field}.metadata", given["metadata"], _METADATA)
    if given["flowSampling"] is not None and not 0 <= given["flowSampling"] <= 1:
        yield invalid(f"{field}.flowSampling", given["flowSampling"], "must contain a valid value")


def _mtu_faults(networks: Manifest) -> Iterator[Fault]:
    mtu = networks.get("mtu")
    if mtu is None:
        return
    if networks.get("vpc"):
        yield forbidden(f"{_NETWORKS}.mtu", "mtu can only be set for a managed VPC")
    if not 1300 <= mtu <= 8896:
        yield invalid(f"{_NETWORKS}.mtu", mtu, "mtu must be between 1300 and 8896")
