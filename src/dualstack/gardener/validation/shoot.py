"""What the garden API and its plug-ins refuse in a Shoot, in their words (gardener-behaviour.md 1.2 to 1.8).

`validate_spec` and `validate_update` are the API's own rules. `validate_shoot` adds what a migration needs and nobody
validates upstream; its messages say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.gardener.model.defaults import is_workerless, with_defaults
from dualstack.gardener.validation.families import family_faults, family_update_faults, mask_faults, mask_update_faults
from dualstack.gardener.validation.field_errors import Fault, forbidden, invalid, required
from dualstack.gardener.validation.infrastructure import validate_infrastructure, validate_infrastructure_update
from dualstack.gardener.validation.migration_fitness import fitness_faults
from dualstack.gardener.validation.pools import pool_faults
from dualstack.gardener.validation.ranges import range_faults
from dualstack.gardener.validation.shoot_shape import shape_faults
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_MANAGER = "spec.kubernetes.kubeControllerManager"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAMES = 21
_WORKERLESS = "this field should not be set for workerless Shoot clusters"
_OVERLAY = "overlay must be set to false in conjunction with IPv6"


def validate_shoot(shoot: Manifest, *, node_count: int | None = None) -> tuple[Fault, ...]:
    """Everything for which a migration of this Shoot is not even begun; empty when there is nothing.

    `node_count` is the number of nodes when it is not the sum of the pools' minimum.
    """
    shape = shape_faults(shoot)
    if shape:
        return shape
    complete = with_defaults(shoot)
    to_be = _network_plugin_faults(complete, ["IPv4", "IPv6"])
    return _once((*validate_spec(shoot), *fitness_faults(complete, node_count), *to_be))


def validate_spec(shoot: Manifest) -> tuple[Fault, ...]:
    """What the API refuses on create and on update, for provider gcp."""
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
            *pool_faults(complete),
            *_network_plugin_faults(complete, complete["spec"]["networking"]["ipFamilies"]),
        ]
        if dig(complete, "spec", "provider", "type") == "gcp":
            faults += [*_provider_faults(complete), *validate_infrastructure(complete)]
    return _once(faults)


def validate_update(old: Manifest, new: Manifest, *, mask_may_leave: bool = False) -> tuple[Fault, ...]:
    """What the API refuses because of what the Shoot was before; `old` and `new` are complete manifests.

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


def _network_plugin_faults(shoot: Manifest, families: list[str]) -> Iterator[Fault]:
    """Section 1.8, for the families that the Shoot has or is about to have."""
    networking = dig(shoot, "spec", "networking")
    kind = dig(networking, "providerConfig", "ipam", "type")
    if dig(networking, "type") == "calico" and kind == "calico-ipam" and families != ["IPv4"]:
        yield invalid(
            f"{_NETWORKING}.providerConfig.ipam.type",
            kind,
            'IPAM type "calico-ipam" is only supported for IPv4 single-stack shoots, use "host-local" instead',
        )


def _provider_faults(shoot: Manifest) -> Iterator[Fault]:
    """Section 1.7."""
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


def _once(faults: Iterator[Fault] | list[Fault] | tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults without repetition, in their order."""
    unique: dict[str, Fault] = {}
    for fault in faults:
        unique.setdefault(str(fault), fault)
    return tuple(unique.values())
