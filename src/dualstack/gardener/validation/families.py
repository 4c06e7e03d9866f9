"""IP families and node masks of a Shoot, and how they may change (gardener-behaviour.md 1.2, 1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dualstack.gardener.model.defaults import max_pods
from dualstack.gardener.validation.field_errors import Fault, duplicate, forbidden, invalid, not_supported
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_FAMILIES_FIELD = "spec.networking.ipFamilies"
_MANAGER = "spec.kubernetes.kubeControllerManager"
_FAMILIES = ("IPv4", "IPv6")


def family_faults(shoot: Manifest) -> Iterator[Fault]:
    """Entries that are no family, or twice there."""
    seen: set[str] = set()
    for index, family in enumerate(dig(shoot, "spec", "networking", "ipFamilies")):
        field = f"{_FAMILIES_FIELD}[{index}]"
        if family not in _FAMILIES:
            yield not_supported(field, family, _FAMILIES)
        elif family in seen:
            yield duplicate(field, family)
        seen.add(family)


def mask_faults(shoot: Manifest) -> Iterator[Fault]:
    """Masks out of range, or of a family that the Shoot has not; `shoot` has its defaults (1.3)."""
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
    """The table of section 1.2."""
    before = dig(old, "spec", "networking", "ipFamilies") or ["IPv4"]
    after = dig(new, "spec", "networking", "ipFamilies") or ["IPv4"]
    both = ["IPv4", "IPv6"]
    if before != after and (before, after) not in ((["IPv4"], both), (both, ["IPv4"])):
        yield family_update_fault(before, after)


def family_update_fault(before: list[str], after: list[str]) -> Fault:
    """The refusal of a change of families; lists are printed as Go prints them: `[IPv4 IPv6]`."""
    old, new = (f"[{' '.join(families)}]" for families in (before, after))
    return forbidden(_FAMILIES_FIELD, f"unsupported IP family update: oldIPFamilies={old}, newIPFamilies={new}")


def mask_update_faults(old: Manifest, new: Manifest, *, mask_may_leave: bool = False) -> Iterator[Fault]:
    """Section 1.3, immutability: the IPv6 mask may go from unset to set, once.

    With that no Shoot that got the default can return to [IPv4], for which the mask is forbidden. `mask_may_leave` is
    the garden in which it may leave together with IPv6.
    """
    returns = dig(new, "spec", "networking", "ipFamilies") == ["IPv4"]
    for key in ("nodeCIDRMaskSize", "nodeCIDRMaskSizeIPv6"):
        before: Any = dig(old, "spec", "kubernetes", "kubeControllerManager", key)
        after: Any = dig(new, "spec", "kubernetes", "kubeControllerManager", key)
        if mask_may_leave and returns and key == "nodeCIDRMaskSizeIPv6" and after is None:
            continue
        if before is not None and before != after:
            yield invalid(f"{_MANAGER}.{key}", after, "field is immutable")
