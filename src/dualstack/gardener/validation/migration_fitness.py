"""What a migration requires of a Shoot beyond the API's validation (docs/reference/gardener.md#not-validated).

An IPv4-only Shoot is checked as the dual-stack Shoot that it is to become.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.cni import network_types
from dualstack.gardener.model.defaults import DEFAULT_MASK_IPV4, is_workerless
from dualstack.gardener.model.names import firewall_internal_ipv6
from dualstack.gardener.model.pools import ROLLING, Pool
from dualstack.gardener.render import kube_proxy
from dualstack.gardener.validation.networking import family_update_fault, infrastructure_ranges
from dualstack.model import cidr
from dualstack.model.field_errors import Fault, forbidden, invalid, not_supported, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_OVERLAY = "overlay must be set to false in conjunction with IPv6"
_LONGEST_RESOURCE_NAME = 63
_RESOURCE_NAME = re.compile(r"[a-z][-a-z0-9]{0,61}[a-z0-9]")
_RESERVED_ADDRESSES = 4
"""GCP reserves the first two and the last two addresses of a primary range."""


def fitness_faults(shoot: Manifest, node_count: int | None) -> Iterator[Fault]:
    """Errors of a Shoot with defaults; `node_count` as in `validate_shoot`."""
    provider = dig(shoot, "spec", "provider", "type")
    if provider and provider != "gcp":
        yield not_supported("spec.provider.type", provider, ("gcp",))
    if is_workerless(shoot):
        yield required("spec.provider.workers", "a workerless Shoot has no nodes that could become dual-stack")
        return
    yield from _name_faults(shoot)
    networking = dig(shoot, "spec", "networking")
    if networking.get("type") and networking["type"] not in network_types():
        yield not_supported(f"{_NETWORKING}.type", networking["type"], tuple(network_types()))
    families = networking["ipFamilies"]
    if families == ["IPv6", "IPv4"]:
        yield family_update_fault(["IPv4"], families)
    if dig(shoot, "metadata", "deletionTimestamp"):
        yield forbidden("metadata.deletionTimestamp", "the Shoot is being deleted")
    for path in (("spec", "hibernation", "enabled"), ("status", "hibernated")):
        if dig(shoot, *path):
            message = "a hibernated Shoot has no nodes that could become dual-stack; wake it up first"
            yield invalid(".".join(path), True, message)
    yield from _strategy_faults(shoot)
    yield from _overlay_faults(shoot)
    yield from _data_plane_faults(shoot)
    yield from _zone_faults(shoot)
    yield from _room_faults(shoot, node_count)


def _name_faults(shoot: Manifest) -> Iterator[Fault]:
    """The technical ID must leave room for the longest name of a resource that the migration adds."""
    given = dig(shoot, "status", "technicalID")
    if given and not _RESOURCE_NAME.fullmatch(firewall_internal_ipv6(given)):
        longest = _LONGEST_RESOURCE_NAME - len(firewall_internal_ipv6(""))
        message = f"must be at most {longest} lower case letters, digits and hyphens, because resource names contain it"
        yield invalid("status.technicalID", given, message)


def _overlay_faults(shoot: Manifest) -> Iterator[Fault]:
    """Native routing must be explicit: an overlay has no routes to convert (docs/reference/weaknesses.md#w24)."""
    networking = dig(shoot, "spec", "networking")
    stated = dig(networking, "providerConfig", "overlay", "enabled")
    if stated is not False:
        yield invalid(f"{_NETWORKING}.providerConfig.overlay.enabled", stated, _OVERLAY)


def _data_plane_faults(shoot: Manifest) -> Iterator[Fault]:
    """Modes of kube-proxy and of Calico with which a migration is not known to work (docs/preflight.md#objects)."""
    mode = dig(shoot, "spec", "kubernetes", "kubeProxy", "mode")
    if mode is not None and mode not in kube_proxy.MODES:
        yield not_supported("spec.kubernetes.kubeProxy.mode", mode, tuple(kube_proxy.MODES))
    config = dig(shoot, "spec", "networking", "providerConfig")
    for path, untested, what in (
        ("ebpfDataplane.enabled", True, "the eBPF data plane"),
        ("vxlan.enabled", True, "VXLAN, which selects another IPAM,"),
        ("backend", "vxlan", "the VXLAN back end"),
    ):
        if dig(config, *path.split(".")) == untested:
            message = f"{what} has not been tested with a migration"
            yield invalid(f"{_NETWORKING}.providerConfig.{path}", untested, message)


def _strategy_faults(shoot: Manifest) -> Iterator[Fault]:
    """A node keeps its NIC and its pod CIDRs for life, so it is replaced (docs/reference/gardener.md#in-place)."""
    for index, pool in enumerate(dig(shoot, "spec", "provider", "workers")):
        if pool.get("controlPlane") is not None:
            message = "the control plane of a self-hosted Shoot runs on its nodes, which a migration replaces"
            yield forbidden(f"spec.provider.workers[{index}].controlPlane", message)
        strategy = pool.get("updateStrategy") or ROLLING
        if strategy != ROLLING:
            message = (
                "nodes of the pool would never become dual-stack, because this strategy never replaces them; move the "
                f"workload to a pool with {ROLLING}, then remove this pool"
            )
            yield invalid(f"spec.provider.workers[{index}].updateStrategy", strategy, message)


def _zone_faults(shoot: Manifest) -> Iterator[Fault]:
    """Zones must be in the region of the nodes subnet (docs/reference/cut-over.md#r6)."""
    region = dig(shoot, "spec", "region")
    for index, pool in enumerate(dig(shoot, "spec", "provider", "workers")):
        for position, zone in enumerate(pool.get("zones") or ()):
            if region and not zone.startswith(f"{region}-"):
                field = f"spec.provider.workers[{index}].zones[{position}]"
                yield invalid(field, zone, f"must be a zone of the region {region}")


def _room_faults(shoot: Manifest, node_count: int | None) -> Iterator[Fault]:
    """The pod and worker ranges must have room for the nodes and for the surge during their replacement."""
    try:
        pools = [Pool.of(pool) for pool in dig(shoot, "spec", "provider", "workers")]
        surge = sum(pool.max_surge for pool in pools)
        nodes = sum(pool.minimum for pool in pools) if node_count is None else max(node_count, len(pools))
    except (KeyError, TypeError, ValueError):
        return  # other rules report an unreadable pool
    if nodes == 0:
        message = "the minimum of all pools is 0, but a migration needs at least one node"
        yield invalid("spec.provider.workers", 0, message)
    wanted = f"the worker pools need {nodes + surge} ({nodes} nodes and {surge} more while they are replaced)"
    pods = dig(shoot, "spec", "networking", "pods")
    mask = dig(shoot, "spec", "kubernetes", "kubeControllerManager", "nodeCIDRMaskSize") or DEFAULT_MASK_IPV4
    if cidr.is_cidr(pods) and cidr.family(pods) == "IPv4" and 0 < mask <= 32:
        room = cidr.blocks(pods, mask)
        if room < nodes + surge:
            yield invalid(f"{_NETWORKING}.pods", pods, f"has room for {room} nodes with a /{mask} each, but {wanted}")
    for field, text in infrastructure_ranges(shoot).items():
        if cidr.family(text) != "IPv4":
            yield invalid(field, text, "must be an IPv4 range, because it is the primary range of a subnet")
        if field.endswith("internal") or cidr.family(text) != "IPv4":
            continue
        room = max(0, cidr.parse_loosely(text).num_addresses - _RESERVED_ADDRESSES)
        if room < nodes + surge:
            yield invalid(field, text, f"has room for {room} nodes, but {wanted}")
