"""Validation of a Shoot as the garden API and its admission plug-ins do it (docs/reference/gardener.md#shoot-api).

`validate_spec` and `validate_update` are the API's rules. `validate_shoot` adds what a migration requires and upstream
does not validate. All errors are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from dualstack.cni import network_types
from dualstack.gardener.model.defaults import is_workerless, with_defaults, with_overlay
from dualstack.gardener.validation.control_plane import config_type_faults, validate_control_plane
from dualstack.gardener.validation.infrastructure import validate_infrastructure, validate_infrastructure_update
from dualstack.gardener.validation.known_fields import CONFIGURATIONS, SHOOT, unknown_fields
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.gardener.validation.networking import (
    family_faults,
    family_update_faults,
    mask_faults,
    mask_update_faults,
    range_faults,
)
from dualstack.gardener.validation.pools import validate_gcp_pools, validate_pools
from dualstack.gardener.validation.shoot_shape import shape_faults
from dualstack.gardener.validation.syntax import syntax_faults
from dualstack.model.field_errors import Fault, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_MANAGER = "spec.kubernetes.kubeControllerManager"
_KUBERNETES = "spec.kubernetes"
_VERSION = re.compile(r"(\d+)\.(\d+)(\.\d+)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAMES = 21
_NETWORK_API = "networking.extensions.gardener.cloud/v1alpha1"
_WORKERLESS = "this field should not be set for workerless Shoot clusters"
_OVERLAY = "overlay must be set to false in conjunction with IPv6"

SUPPORTED_MINORS = range(32, 37)
"""Minor versions of Kubernetes 1 (docs/reference/gardener.md#kubernetes-versions-and-feature-gates)."""

PROXY_MODES = ("IPTables", "IPVS", "NFTables")


def validate_shoot(shoot: Manifest, *, node_count: int | None = None) -> tuple[Fault, ...]:
    """All errors that prevent a migration of this Shoot; empty if there are none.

    `node_count` is the number of nodes when it is not the sum of the pools' minimum.
    """
    shape = shape_faults(shoot)
    if shape:
        return shape
    created = with_overlay(shoot)
    complete = with_defaults(created)
    planned = _cni_faults(complete, ["IPv4", "IPv6"])
    return _once(
        (
            *unknown_fields(shoot, SHOOT),
            *validate_spec(created),
            *fitness_faults(complete, node_count),
            *planned,
        )
    )


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
            *_kubernetes_faults(complete),
            *validate_pools(complete),
            *syntax_faults(complete),
            *_cni_faults(complete, complete["spec"]["networking"]["ipFamilies"]),
        ]
        if dig(complete, "spec", "provider", "type") == "gcp":
            faults += [
                *_provider_faults(complete),
                *validate_infrastructure(complete),
                *validate_control_plane(complete),
                *validate_gcp_pools(complete),
                *unknown_fields(complete, CONFIGURATIONS),
            ]
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
    cni = network_types().get(dig(networking, "type") or "")
    if cni is None:
        return ()
    proxy = dig(shoot, "spec", "kubernetes", "kubeProxy", "enabled") is not False
    config, version = dig(networking, "providerConfig") or {}, f"{cni.network_type}.{_NETWORK_API}"
    return (
        *config_type_faults(f"{_NETWORKING}.providerConfig", config, version, "NetworkConfig"),
        *cni.validate(config, families, proxy),
        *unknown_fields(shoot, cni.fields),
    )


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


def _kubernetes_faults(shoot: Manifest) -> Iterator[Fault]:
    version = dig(shoot, "spec", "kubernetes", "version")
    parsed = _VERSION.fullmatch(version or "")
    supported = tuple(f"1.{minor}" for minor in SUPPORTED_MINORS)
    if version and parsed is None:
        yield invalid(f"{_KUBERNETES}.version", version, "must be a version such as 1.33.4")
    elif parsed and (parsed[1] != "1" or int(parsed[2]) not in SUPPORTED_MINORS):
        yield not_supported(f"{_KUBERNETES}.version", version, supported)
    proxy = dig(shoot, "spec", "kubernetes", "kubeProxy") or {}
    if proxy.get("mode") is not None and proxy["mode"] not in PROXY_MODES:
        yield not_supported(f"{_KUBERNETES}.kubeProxy.mode", proxy["mode"], PROXY_MODES)
    elif proxy.get("mode") == "NFTables" and dig(proxy, "featureGates", "NFTablesProxyMode") is False:
        message = "NFTables mode cannot be used when feature gate NFTablesProxyMode is explicitly set to false"
        yield invalid(f"{_KUBERNETES}.kubeProxy.mode", proxy["mode"], message)


def _once(faults: Iterator[Fault] | list[Fault] | tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The errors without repetition, in their order."""
    unique: dict[str, Fault] = {}
    for fault in faults:
        unique.setdefault(str(fault), fault)
    return tuple(unique.values())
