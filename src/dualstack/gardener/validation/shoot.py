"""Validation of a Shoot as the garden API and its admission plug-ins do it (docs/reference/gardener.md#shoot-api).

`validate_spec` and `validate_update` are the API's rules. `validate_shoot` adds what a migration requires and upstream
does not validate. All errors are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dualstack.gardener.model.defaults import is_workerless, with_defaults
from dualstack.gardener.render.cni import CNIS
from dualstack.gardener.validation.field_errors import Fault, duplicate, forbidden, invalid, required
from dualstack.gardener.validation.infrastructure import validate_infrastructure, validate_infrastructure_update
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.gardener.validation.networking import (
    family_faults,
    family_update_faults,
    mask_faults,
    mask_update_faults,
    range_faults,
)
from dualstack.gardener.validation.shoot_shape import shape_faults
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_MANAGER = "spec.kubernetes.kubeControllerManager"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
_LONGEST_POOL_NAME = 15
_LONGEST_NAMES = 21
_WORKERLESS = "this field should not be set for workerless Shoot clusters"
_OVERLAY = "overlay must be set to false in conjunction with IPv6"


def validate_shoot(shoot: Manifest, *, node_count: int | None = None) -> tuple[Fault, ...]:
    """All errors that prevent a migration of this Shoot; empty if there are none.

    `node_count` is the number of nodes when it is not the sum of the pools' minimum.
    """
    shape = shape_faults(shoot)
    if shape:
        return shape
    complete = with_defaults(shoot)
    planned = _cni_faults(complete, ["IPv4", "IPv6"])
    return _once((*validate_spec(shoot), *fitness_faults(complete, node_count), *planned))


def validate_spec(shoot: Manifest) -> tuple[Fault, ...]:
    """The API's errors on create and on update, for provider gcp."""
    shape = shape_faults(shoot)
    if shape:
        return shape
    complete = with_defaults(shoot)
    faults = [*_metadata_faults(complete), *family_faults(complete)]
    if is_workerless(complete):
        faults += _workerless_faults(shoot)
    else:
        faults += [
            *_networking_faults(shoot),
            *mask_faults(complete),
            *range_faults(complete),
            *_pool_faults(complete),
            *_cni_faults(complete, complete["spec"]["networking"]["ipFamilies"]),
        ]
        if dig(complete, "spec", "provider", "type") == "gcp":
            faults += [*_provider_faults(complete), *validate_infrastructure(complete)]
    return _once(faults)


def validate_update(old: Manifest, new: Manifest, *, mask_may_leave: bool = False) -> tuple[Fault, ...]:
    """The API's errors of a change; `old` and `new` are complete manifests.

    `mask_may_leave` as in `mask_update_faults`.
    """
    if shape_faults(new):
        return ()
    before, after = dig(old, "spec", "networking"), dig(new, "spec", "networking")
    faults: list[Fault] = []
    if before and not after:
        faults.append(forbidden(_NETWORKING, "networking cannot be set to nil if it's already set"))
    for key in ("type", "pods", "services"):
        value = dig(before, key)
        if after and value and dig(after, key) != value:
            faults.append(invalid(f"{_NETWORKING}.{key}", dig(after, key), "field is immutable"))
    faults += [*family_update_faults(old, new), *mask_update_faults(old, new, mask_may_leave=mask_may_leave)]
    if dig(new, "spec", "provider", "type") == "gcp":
        faults += validate_infrastructure_update(old, new)
    return _once(faults)


def _metadata_faults(shoot: Manifest) -> Iterator[Fault]:
    for key in ("name", "namespace"):
        if not dig(shoot, "metadata", key):
            yield required(f"metadata.{key}", f"{key} is required")
    name = str(dig(shoot, "metadata", "name") or "")
    project = str(dig(shoot, "metadata", "namespace") or "").removeprefix("garden-")
    if "--" in name:
        yield invalid("metadata.name", name, "name may not contain two consecutive hyphens")
    elif name and not _DNS_LABEL.fullmatch(name):
        yield invalid("metadata.name", name, "must consist of lower case letters, digits and hyphens")
    if name and len(name) + len(project) > _LONGEST_NAMES:
        message = f"the length of the shoot name and the project name must not exceed {_LONGEST_NAMES} characters"
        yield invalid("metadata.name", name, f"{message} (project: {project}; shoot: {name})")
    for path, message in (
        (("provider", "type"), "must specify a provider type"),
        (("region",), "must specify a region"),
        (("kubernetes", "version"), "must specify a version"),
    ):
        if not dig(shoot, "spec", *path):
            yield required(".".join(("spec", *path)), message)


def _workerless_faults(shoot: Manifest) -> Iterator[Fault]:
    for key in ("type", "providerConfig", "pods", "nodes"):
        if dig(shoot, "spec", "networking", key) is not None:
            yield forbidden(f"{_NETWORKING}.{key}", _WORKERLESS)
    for key in ("nodeCIDRMaskSize", "nodeCIDRMaskSizeIPv6"):
        if dig(shoot, "spec", "kubernetes", "kubeControllerManager", key) is not None:
            yield forbidden(f"{_MANAGER}.{key}", _WORKERLESS)


def _networking_faults(shoot: Manifest) -> Iterator[Fault]:
    if not dig(shoot, "spec", "networking"):
        yield required(_NETWORKING, "networking should not be nil for a Shoot with workers")
    elif not dig(shoot, "spec", "networking", "type"):
        yield required(f"{_NETWORKING}.type", "networking type must be provided")


def _cni_faults(shoot: Manifest, families: Sequence[str]) -> Iterable[Fault]:
    """Faults of the CNI's configuration for the families that the Shoot has or is about to have."""
    networking = dig(shoot, "spec", "networking")
    cni = CNIS.get(dig(networking, "type") or "")
    return cni.validate(dig(networking, "providerConfig") or {}, families) if cni else ()


def _provider_faults(shoot: Manifest) -> Iterator[Fault]:
    """Errors that provider gcp reports (docs/reference/gardener.md#provider-admission)."""
    networking = dig(shoot, "spec", "networking")
    families = networking["ipFamilies"]
    if not networking.get("nodes"):
        yield required(f"{_NETWORKING}.nodes", "a nodes CIDR must be provided for GCP shoots")
    if families == ["IPv6"]:
        yield invalid(f"{_NETWORKING}.ipFamilies", families, "IPv6 single-stack networking is not supported")
    if "IPv6" in families:
        overlay = dig(networking, "providerConfig", "overlay")
        if overlay is None:
            yield invalid(f"{_NETWORKING}.ipFamilies", families, _OVERLAY)
        elif overlay.get("enabled") is True:
            yield invalid(f"{_NETWORKING}.providerConfig.overlay.enabled", True, _OVERLAY)


def _pool_faults(shoot: Manifest) -> Iterator[Fault]:
    """Errors of the worker pools: names, counts, surge, zones."""
    seen: set[str] = set()
    for index, pool in enumerate(dig(shoot, "spec", "provider", "workers")):
        field = f"spec.provider.workers[{index}]"
        name = pool.get("name")
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name or "")
        yield from _one_pool(field, pool)


def _one_pool(field: str, pool: Manifest) -> Iterator[Fault]:
    name = pool.get("name")
    if not name:
        yield required(f"{field}.name", "must specify a name")
    elif not _DNS_LABEL.fullmatch(name) or len(name) > _LONGEST_POOL_NAME:
        message = f"must consist of at most {_LONGEST_POOL_NAME} lower case letters, digits and hyphens"
        yield invalid(f"{field}.name", name, message)
    if not dig(pool, "machine", "type"):
        yield required(f"{field}.machine.type", "must specify a machine type")
    if not pool.get("zones"):
        yield required(f"{field}.zones", "at least one zone must be configured")
    for index, zone in enumerate(pool.get("zones") or ()):
        if zone in pool["zones"][:index]:
            yield duplicate(f"{field}.zones[{index}]", zone)
    minimum, maximum = pool.get("minimum", 0), pool.get("maximum", 0)
    for key, value in (("minimum", minimum), ("maximum", maximum)):
        if value < 0:
            yield invalid(f"{field}.{key}", value, f"{key} value must not be negative")
    if maximum < minimum:
        yield forbidden(f"{field}.maximum", "maximum value must not be less than minimum value")
    yield from _surge_faults(field, pool)


def _surge_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    usable = True
    for key in ("maxSurge", "maxUnavailable"):
        value = pool.get(key, 0)
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            usable = False
            yield invalid(f"{field}.{key}", value, "must be an integer or a percentage such as 25%")
        elif isinstance(value, int) and value < 0:
            usable = False
            yield invalid(f"{field}.{key}", value, "must not be negative")
    if usable and pool.get("maxSurge") in (0, "0%") and pool.get("maxUnavailable") in (0, "0%"):
        yield invalid(
            f"{field}.maxUnavailable",
            pool["maxUnavailable"],
            "may not be 0 when both `maxSurge` and `maxUnavailable` are 0",
        )


def _once(faults: Iterator[Fault] | list[Fault] | tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The errors without repetition, in their order."""
    unique: dict[str, Fault] = {}
    for fault in faults:
        unique.setdefault(str(fault), fault)
    return tuple(unique.values())
