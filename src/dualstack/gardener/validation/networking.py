"""Validation of the families, node masks and CIDRs of a Shoot (docs/reference/gardener.md#ip-family-validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualstack.gardener.model.defaults import max_pods
from dualstack.model import cidr
from dualstack.model.field_errors import Fault, duplicate, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_FAMILIES_FIELD = f"{_NETWORKING}.ipFamilies"
_MANAGER = "spec.kubernetes.kubeControllerManager"
_NETWORKS = "spec.provider.infrastructureConfig.networks"
_FAMILIES = ("IPv4", "IPv6")
_RANGES = ("pods", "services", "nodes")
_REPORTED_AT = {
    frozenset(("pods", "services")): ("services", "shoot pod network intersects with shoot service network"),
    frozenset(("pods", "nodes")): ("pods", "shoot pod network intersects with shoot node network"),
    frozenset(("services", "nodes")): ("services", "shoot service network intersects with shoot node network"),
}


def family_faults(shoot: Manifest) -> Iterator[Fault]:
    """Entries that are not a family or are repeated."""
    seen: set[str] = set()
    for index, family in enumerate(dig(shoot, "spec", "networking", "ipFamilies")):
        field = f"{_FAMILIES_FIELD}[{index}]"
        if family not in _FAMILIES:
            yield not_supported(field, family, _FAMILIES)
        elif family in seen:
            yield duplicate(field, family)
        seen.add(family)


def mask_faults(shoot: Manifest) -> Iterator[Fault]:
    """Masks that are out of range or of another family (docs/reference/gardener.md#node-cidr-mask-sizes).

    `shoot` has its defaults.
    """
    manager = dig(shoot, "spec", "kubernetes", "kubeControllerManager") or {}
    mask, mask_ipv6 = manager.get("nodeCIDRMaskSize"), manager.get("nodeCIDRMaskSizeIPv6")
    families = dig(shoot, "spec", "networking", "ipFamilies")
    if families == ["IPv4"]:
        if mask is not None and not 16 <= mask <= 28:
            yield invalid(f"{_MANAGER}.nodeCIDRMaskSize", mask, "nodeCIDRMaskSize must be between 16 and 28")
        if mask_ipv6 is not None:
            message = "nodeCIDRMaskSizeIPv6 cannot be set for IPv4 single-stack clusters"
            yield forbidden(f"{_MANAGER}.nodeCIDRMaskSizeIPv6", message)
    elif families == ["IPv6"] and mask is not None and mask_ipv6 is not None:
        message = "only one of nodeCIDRMaskSize or nodeCIDRMaskSizeIPv6 can be set for single-stack clusters"
        yield forbidden(f"{_MANAGER}.nodeCIDRMaskSizeIPv6", message)
    if "IPv6" in families and mask_ipv6 is not None and not 64 <= mask_ipv6 <= 124:
        yield invalid(f"{_MANAGER}.nodeCIDRMaskSizeIPv6", mask_ipv6, "nodeCIDRMaskSizeIPv6 must be between 64 and 124")
    if "IPv4" in families and mask is not None and 16 <= mask <= 28:
        yield from _max_pods_faults(shoot, mask)


def _max_pods_faults(shoot: Manifest, mask: int) -> Iterator[Fault]:
    free, wanted = 2 ** (32 - mask) - 2, max_pods(shoot)
    if free < wanted:
        yield invalid(
            f"{_MANAGER}.nodeCIDRMaskSize",
            mask,
            "kubelet or kube-controller-manager configuration incorrect. Please adjust the NodeCIDRMaskSize of the "
            "kube-controller-manager to support the highest maxPods on any worker pool. The NodeCIDRMaskSize of "
            f"'{mask} (default: 24)' of the kube-controller-manager only supports '{free}' ip addresses. Highest "
            f"maxPods setting on kubelet is '{wanted} (default: 110)'. Please choose a NodeCIDRMaskSize that at least "
            f"supports {wanted} ip addresses",
        )


def family_update_faults(old: Manifest, new: Manifest) -> Iterator[Fault]:
    """Changes of the families other than adding IPv6 and removing it again."""
    before = dig(old, "spec", "networking", "ipFamilies") or ["IPv4"]
    after = dig(new, "spec", "networking", "ipFamilies") or ["IPv4"]
    both = ["IPv4", "IPv6"]
    if before != after and (before, after) not in ((["IPv4"], both), (both, ["IPv4"])):
        yield family_update_fault(before, after)


def family_update_fault(before: list[str], after: list[str]) -> Fault:
    """The error for a change of families; lists in Go's format: `[IPv4 IPv6]`."""
    old, new = (f"[{' '.join(families)}]" for families in (before, after))
    return forbidden(_FAMILIES_FIELD, f"unsupported IP family update: oldIPFamilies={old}, newIPFamilies={new}")


def mask_update_faults(old: Manifest, new: Manifest, *, mask_may_leave: bool = False) -> Iterator[Fault]:
    """Masks are immutable; the IPv6 mask may be set once.

    This keeps a Shoot with the default mask from returning to [IPv4], for which the mask is forbidden
    (docs/reference/gardener.md#mask-blocks-rollback). With `mask_may_leave` it may be removed together with IPv6.
    """
    returns = dig(new, "spec", "networking", "ipFamilies") == ["IPv4"]
    for key in ("nodeCIDRMaskSize", "nodeCIDRMaskSizeIPv6"):
        before: Any = dig(old, "spec", "kubernetes", "kubeControllerManager", key)
        after: Any = dig(new, "spec", "kubernetes", "kubeControllerManager", key)
        if mask_may_leave and returns and key == "nodeCIDRMaskSizeIPv6" and after is None:
            continue
        if before is not None and before != after:
            yield invalid(f"{_MANAGER}.{key}", after, "field is immutable")


def range_faults(shoot: Manifest) -> Iterator[Fault]:
    """Errors of the pods, services and nodes CIDR in the spec, and of the lists in the status."""
    networking = dig(shoot, "spec", "networking") or {}
    families = networking.get("ipFamilies") or ["IPv4"]
    given = {key: networking[key] for key in _RANGES if networking.get(key)}
    for key in ("pods", "services"):
        if not given.get(key):
            yield required(f"{_NETWORKING}.{key}", f"{key} is required")
    for key, text in given.items():
        yield from cidr_faults(f"{_NETWORKING}.{key}", text)
        if len(families) < 2 and cidr.is_cidr(text) and cidr.family(text) != families[0]:
            yield invalid(f"{_NETWORKING}.{key}", text, f"must be a valid {families[0]} address")
    yield from _overlap_faults({key: text for key, text in given.items() if cidr.is_cidr(text)})
    yield from _status_faults(shoot)


def cidr_faults(field: str, text: str) -> Iterator[Fault]:
    """Errors of one CIDR: it does not parse, or has host bits."""
    if not cidr.is_cidr(text):
        yield invalid(field, text, f"invalid CIDR address: {text}")
    elif not cidr.is_canonical(text):
        yield invalid(field, text, "must be valid canonical CIDR")


def infrastructure_ranges(shoot: Manifest) -> dict[str, str]:
    """The valid CIDRs in the infrastructureConfig, by field path."""
    networks = dig(shoot, "spec", "provider", "infrastructureConfig", "networks") or {}
    keys = ("internal", "workers" if networks.get("workers") else "worker")
    return {f"{_NETWORKS}.{key}": networks[key] for key in keys if cidr.is_cidr(networks.get(key))}


def _overlap_faults(given: Mapping[str, str]) -> Iterator[Fault]:
    names = list(given)
    for left, right in cidr.overlaps(list(given.values())):
        key, message = _REPORTED_AT[frozenset((names[left], names[right]))]
        yield invalid(f"{_NETWORKING}.{key}", given[key], message)


def _status_faults(shoot: Manifest) -> Iterator[Fault]:
    for key, ranges in (dig(shoot, "status", "networking") or {}).items():
        if key in _RANGES and isinstance(ranges, list):
            for index, text in enumerate(ranges):
                yield from cidr_faults(f"status.networking.{key}[{index}]", text)
