"""The status of the Infrastructure: what the product publishes there, and what it must remember across restarts.

Saved routes are written, read back, and removed only when they are done. Every write to `status.state` is against the
version that was read (docs/reference/weaknesses.md#w11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.model.infrastructure import (
    API_VERSION,
    NODES_SUBNET_IPV6,
    RESOURCES_EXIST,
    SERVICE_ACCOUNT_EMAIL,
    SERVICES_SUBNET_IPV6,
    InfrastructureState,
    InfrastructureStatus,
    NatIP,
    NetworkStatus,
    SavedRoute,
    StatusRouter,
    StatusVPC,
    Subnet,
    has_flow_state,
    state_of,
)
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.names import EXTENSION_PREFIX, PREPARED
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.apply import until_current
from dualstack.kube.interface import Kube, NotFound
from dualstack.model import cidr
from dualstack.model.conditions import with_condition, without_condition
from dualstack.model.errors import GateFailed, InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

PREPARED_CONDITION = "DualStackPrepared"
"""A condition of the Infrastructure; its status is Progressing, True, or False after an error."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The /64 of the nodes subnet and of the services subnet in the cloud's spelling; None until it is assigned."""

    nodes: str | None = None
    services: str | None = None

    @property
    def complete(self) -> bool:
        return self.nodes is not None and self.services is not None


def provider_status(
    desired: Desired, shoot: ShootView, *, nat_ips: tuple[str, ...], state: InfrastructureState
) -> Fields:
    """`status.providerStatus`; subnets in the order nodes, internal, services."""
    subnets = [Subnet(desired.nodes_subnet, "nodes")]
    if desired.config.networks.internal:
        subnets.append(Subnet(desired.internal_subnet, "internal"))
    if desired.dual:
        subnets.append(Subnet(desired.services_subnet, "services"))
    return InfrastructureStatus(
        networks=NetworkStatus(
            vpc=StatusVPC(desired.vpc, StatusRouter(desired.router)),
            subnets=tuple(subnets),
            nat_ips=tuple(NatIP(ip) for ip in nat_ips),
            ipfamilies=families(shoot),
        ),
        service_account_email=state.data.get(SERVICE_ACCOUNT_EMAIL, ""),
    ).to_raw()


def families(shoot: ShootView) -> tuple[str, ...]:
    """`networks.ipfamilies`: the families of the nodes' ranges if there are two, else those of the spec."""
    status = shoot.status_networking
    found = cidr.families(status.nodes) if status else ()
    return found if len(found) > 1 else shoot.families


def networking(shoot: ShootView, prefixes: Prefixes) -> Fields:
    """`status.networking`, IPv4 first, all in canonical spelling (docs/reference/gardener.md#published-status).

    Pods share the nodes' /64, services get the first /108 of theirs. Raises InvalidInput without a nodes CIDR.
    """
    if not shoot.nodes:
        raise InvalidInput("spec.networking.nodes: Required value: a nodes CIDR must be provided for GCP shoots")
    nodes, pods, services = [shoot.nodes], [shoot.pods], [shoot.services]
    if prefixes.nodes:
        nodes.append(cidr.canonical(prefixes.nodes))
        pods.append(cidr.canonical(prefixes.nodes))
    if prefixes.services:
        services.append(cidr.services_range(prefixes.services))
    return {"nodes": nodes, "pods": pods, "services": services}


def egress(nat_ips: tuple[str, ...], prefixes: Prefixes) -> list[str]:
    """`status.egressCIDRs`: the user's NAT addresses as /32 and the nodes' /64; empty without such addresses."""
    ranges = [f"{ip}/32" for ip in nat_ips]
    return [*ranges, cidr.canonical(prefixes.nodes)] if ranges and prefixes.nodes else ranges


def state_data(prefixes: Prefixes) -> dict[str, str]:
    """The keys of `status.state.data` that are known to be true now."""
    data = {RESOURCES_EXIST: "true"}
    if prefixes.nodes:
        data[NODES_SUBNET_IPV6] = prefixes.nodes
    if prefixes.services:
        data[SERVICES_SUBNET_IPV6] = prefixes.services
    return data


class InfrastructureRecord:
    """One Infrastructure. Every method raises a `KubeError`, or GateFailed when a write had no effect."""

    def __init__(self, kube: Kube, name: str, namespace: str) -> None:
        self._kube = kube
        self._name = name
        self._namespace = namespace

    async def read(self) -> Manifest:
        """The object; raises NotFound when it is gone."""
        found = await self._kube.get(INFRASTRUCTURE, self._name, self._namespace)
        if found is None:
            raise NotFound(f"Infrastructure {self._namespace}/{self._name} is gone")
        return found

    async def annotation(self, name: str) -> str | None:
        """The value of an annotation, or None."""
        value: str | None = dig(await self.read(), "metadata", "annotations", name)
        return value

    async def annotate(self, name: str, value: str | None) -> None:
        """Set an annotation, or remove it."""
        change = {"metadata": {"annotations": {name: value}}}
        await self._kube.patch(INFRASTRUCTURE, self._name, change, self._namespace)

    async def report(self, condition: str, status: str, reason: str, message: str, *, now: float) -> bool:
        """Set a condition of the status; whether that changed it."""
        before = ((await self.read()).get("status") or {}).get("conditions") or []
        after = with_condition(before, condition, status, reason, message, now=now)
        await self.publish({"conditions": after})
        return after != before

    async def forget_preparation(self) -> None:
        """Remove the note and the condition of a preparation, if there are any."""
        found = await self.read()
        if PREPARED in (found["metadata"].get("annotations") or {}):
            await self.annotate(PREPARED, None)
        conditions = (found.get("status") or {}).get("conditions") or []
        if (left := without_condition(conditions, PREPARED_CONDITION)) != conditions:
            await self.publish({"conditions": left or None})

    async def state(self) -> InfrastructureState:
        """`status.state`; empty when there is none."""
        return state_in(await self.read())

    async def publish(self, fields: Fields) -> None:
        """Merge the fields that differ into the status."""
        status = (await self.read()).get("status") or {}
        changed = {name: value for name, value in fields.items() if status.get(name) != value}
        if changed:
            await self._patch_status({"status": changed})

    async def merge_data(self, data: dict[str, str]) -> None:
        """Add keys to `state.data`; other keys stay."""
        found = await self.read()
        known = state_in(found).data
        if any(known.get(key) != value for key, value in data.items()) or _is_foreign(_raw_state(found)):
            await self._write(lambda _: {"data": data})

    async def add_routes(self, routes: tuple[SavedRoute, ...]) -> None:
        """Add routes to the saved ones and read them back (docs/reference/weaknesses.md#w12).

        Raises GateFailed when they are missing then.
        """

        def union(state: InfrastructureState) -> Fields:
            return {"routes": [_raw(route) for route in dict.fromkeys((*state.routes, *routes))]}

        await self._write(union)
        kept = set((await self.state()).routes)
        missing = [route.instance_name for route in routes if route not in kept]
        if missing:
            raise GateFailed(f"the saved routes of {', '.join(missing)} were missing when read back")

    async def remove_routes(self, done: Callable[[SavedRoute], bool]) -> None:
        """Remove the saved routes that were observed to be done (docs/reference/weaknesses.md#w13)."""

        def rest(state: InfrastructureState) -> Fields:
            return {"routes": [_raw(route) for route in state.routes if not done(route)] or None}

        await self._write(rest)

    async def _write(self, change: Callable[[InfrastructureState], Fields]) -> None:
        async def write(found: Manifest) -> None:
            known = state_in(found)
            state = {"kind": InfrastructureState.__name__, "apiVersion": API_VERSION, **change(known)}
            state = _without_terraform(_raw_state(found), known) | state | _data(known, state)
            version = {"resourceVersion": found["metadata"].get("resourceVersion")}
            await self._patch_status({"metadata": version, "status": {"state": state}})

        await until_current(self.read, write)

    async def _patch_status(self, body: Fields) -> None:
        await self._kube.patch(INFRASTRUCTURE, self._name, body, self._namespace, subresource="status")


def state_in(infrastructure: Manifest) -> InfrastructureState:
    """`status.state` of an Infrastructure."""
    return state_of(_raw_state(infrastructure))


def other_controller(infrastructure: Manifest) -> str | None:
    """The extension that was the last to write `status.lastOperation`, if any.

    A reconcile begins by writing it, so during one this is a controller that reconciles the same object.
    """
    for entry in dig(infrastructure, "metadata", "managedFields") or ():
        written = dig(entry, "fieldsV1", "f:status", "f:lastOperation", "f:lastUpdateTime")
        if written is not None and str(entry.get("manager")).startswith(EXTENSION_PREFIX):
            return str(entry["manager"])
    return None


def _raw_state(infrastructure: Manifest) -> Any:
    return dig(infrastructure, "status", "state")


def _is_foreign(raw: Any) -> bool:
    return bool(raw) and not has_flow_state(raw)


def _without_terraform(raw: Any, known: InfrastructureState) -> Fields:
    """Remove Terraform's keys from the state and keep its facts (docs/reference/gardener.md#terraform-state)."""
    if not _is_foreign(raw):
        return {}
    return dict.fromkeys(raw if isinstance(raw, dict) else ()) | {"data": known.data}


def _data(known: InfrastructureState, change: Fields) -> Fields:
    """All keys at once, because the present value may not be a map."""
    return {"data": known.data | change["data"]} if "data" in change else {}


def _raw(route: SavedRoute) -> Fields:
    return {
        "instanceName": route.instance_name,
        "destinationCIDR": route.destination_cidr,
        "zone": route.zone,
    }
