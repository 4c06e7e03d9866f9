"""Whether every object that a migration changes has a place for the change (docs/preflight.md#objects).

Each edit is tried on the live object, for the Shoot as it will be at the end. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace

from dualstack.gardener.controllers.rollout import secrets_of
from dualstack.gardener.controllers.workers import PAUSED, is_paused
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import (
    INFRASTRUCTURE,
    MACHINE_CLASS,
    MACHINE_DEPLOYMENT,
    MANAGED_RESOURCE,
    OPERATING_SYSTEM_CONFIG,
)
from dualstack.gardener.model.names import (
    IGNORE,
    MANAGED_RESOURCE_CONTROL_PLANE,
    MANAGED_RESOURCE_COREDNS,
    MANAGED_RESOURCE_KUBE_PROXY,
    REMOVE_IGNORE,
    managed_resource_network,
)
from dualstack.gardener.model.networks import Networks, networks
from dualstack.gardener.model.shoot import NetworkingStatus, ShootView
from dualstack.gardener.render import (
    control_plane,
    coredns,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
    machine_class,
    managed_resource,
    network,
)
from dualstack.kube.interface import Invalid, Kube, NotFound
from dualstack.model.cidr import families
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, DEPLOYMENT
from dualstack.model.parts import Part, UnknownShape, unchanged

_UNKNOWN_RANGE = "2001:db8::/64"
"""Stands for a range that the cloud has yet to assign (RFC 3849)."""
_RESTART = "1970-01-01T00:00:00Z"
"""Stands for the time at which CoreDNS is restarted."""


async def require_known_shapes(kube: Kube, cluster: Kube, shoot: ShootView, further: Iterable[str] = ()) -> None:
    """Raise InvalidInput with a line for each object that a migration of the Shoot cannot change, or may not read.

    kube, cluster: the seed and the Shoot. further: lines about other obstacles, to be reported together. An API server
    that does not answer is an error of its own, so that the check is repeated.
    """
    faults = list(further)
    for attempt in _attempts(kube, cluster, _at_the_end(shoot)):
        try:
            await attempt
        except UnknownShape as unknown:
            faults += unknown.faults
        except (Invalid, NotFound) as error:
            faults.append(f"an object that the migration changes cannot be read: {error}")
    if faults:
        raise InvalidInput(*faults)


def _at_the_end(shoot: ShootView) -> ShootView:
    """The Shoot as it is when every component has become dual-stack."""
    found = shoot.status_networking or NetworkingStatus()

    def both(ranges: Sequence[str], of_spec: str | None) -> tuple[str, ...]:
        known = tuple(ranges) or ((of_spec,) if of_spec else ())
        return known if "IPv6" in families(known) else (*known, _UNKNOWN_RANGE)

    ranges = NetworkingStatus(
        pods=both(found.pods, shoot.pods),
        nodes=both(found.nodes, shoot.nodes),
        services=both(found.services, shoot.services),
    )
    return replace(shoot, families=("IPv4", "IPv6"), status_networking=ranges, constraints=())


def _attempts(kube: Kube, cluster: Kube, shoot: ShootView) -> Iterator[Coroutine[None, None, None]]:
    """One for each object or component."""
    current, ns = networks(shoot), shoot.technical_id
    yield _try_deployment(kube, kube_apiserver.deployment(shoot, current), ns)
    yield _try_deployment(kube, kube_controller_manager.deployment(shoot, current), ns)
    if shoot.workerless:
        return
    for name, parts in _components(shoot, current).items():
        yield _try_managed(kube, name, ns, parts)
        yield _try_config_maps(cluster, parts)
    yield _try_kubelets(kube, shoot, current)
    yield _try_machine_classes(kube, shoot)


def _components(shoot: ShootView, current: Networks) -> dict[str, list[Part]]:
    proxy = {MANAGED_RESOURCE_KUBE_PROXY: kube_proxy.objects(shoot, current)} if shoot.kube_proxy_enabled else {}
    return {
        MANAGED_RESOURCE_CONTROL_PLANE: control_plane.objects(shoot, InfrastructureStatus(), ""),
        managed_resource_network(shoot.cni): network.objects(shoot, current),
        **proxy,
        MANAGED_RESOURCE_COREDNS: coredns.objects(shoot, current, restarted_at=_RESTART),
    }


async def _try_deployment(kube: Kube, part: Part, namespace: str) -> None:
    live = await kube.get(DEPLOYMENT, part.new["metadata"]["name"], namespace)
    if live is not None:
        part.edit(live)


async def _try_managed(kube: Kube, name: str, namespace: str, parts: Sequence[Part]) -> None:
    resource = await kube.get(MANAGED_RESOURCE, name, namespace)
    if resource is not None:
        annotations = resource["metadata"].get("annotations") or {}
        # With both annotations it is a cut-over that has stopped the route controller.
        if annotations.get(IGNORE) == "true" and annotations.get(REMOVE_IGNORE) != "true":
            raise UnknownShape(resource, f"annotation {IGNORE} is true, so that no change takes effect; remove it")
        managed_resource.edited(resource, await secrets_of(kube, resource), parts)


async def _try_config_maps(cluster: Kube, parts: Sequence[Part]) -> None:
    """Immutable ConfigMaps of the cluster, which the resource manager could not change either."""
    for part in parts:
        if part.new["kind"] == CONFIG_MAP.kind and part.edit is not unchanged:
            live = await cluster.get(CONFIG_MAP, part.new["metadata"]["name"], part.new["metadata"]["namespace"])
            if dig(live, "immutable") and live is not None and part.edit(live) != live:
                raise UnknownShape(live, managed_resource.IMMUTABLE)


async def _try_kubelets(kube: Kube, shoot: ShootView, current: Networks) -> None:
    configs = await kube.list(OPERATING_SYSTEM_CONFIG, shoot.technical_id)
    for pool in shoot.pools:
        part = kubelet.operating_system_config(shoot, pool, current.dns_ips)
        for config in kubelet.of_pool(configs, pool.name):
            part.edit(config)


async def _try_machine_classes(kube: Kube, shoot: ShootView) -> None:
    """The classes of all machine deployments, for the infrastructure as it will be."""
    found = await kube.get(INFRASTRUCTURE, shoot.name, shoot.technical_id)
    status = InfrastructureStatus.from_raw(dig(found, "status", "providerStatus"))
    edit = machine_class.edited_interface(shoot, status.with_families(shoot.families))
    deployments = await kube.list(MACHINE_DEPLOYMENT, shoot.technical_id)
    for each in deployments:
        if is_paused(each):
            raise UnknownShape(each, PAUSED)
    used = set(map(machine_class.class_of, deployments))
    for live in await kube.list(MACHINE_CLASS, shoot.technical_id):
        if live["metadata"]["name"] in used:
            edit(live)
