"""The Infrastructure object as a memory: what must survive a crash is written, read back, and never shrinks by itself.

`status.state` is written only here, one write at a time, each against the version that was read (W11 to W14).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualstack.gardener.model.infrastructure import (
    API_VERSION,
    InfrastructureState,
    SavedRoute,
    has_flow_state,
    state_of,
)
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.kube.interface import Conflict, Kube, NotFound
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import Manifest

ATTEMPTS = 5
"""How often a write is tried against the newest version."""

Fields = dict[str, Any]


class InfrastructureRecord:
    """One Infrastructure. Every method raises a `KubeError`, or GateFailed when a write did not take."""

    def __init__(self, kube: Kube, name: str, namespace: str) -> None:
        self._kube = kube
        self._name = name
        self._namespace = namespace

    async def read(self) -> Manifest:
        """The object; NotFound when it is gone."""
        found = await self._kube.get(INFRASTRUCTURE, self._name, self._namespace)
        if found is None:
            raise NotFound(f"Infrastructure {self._namespace}/{self._name} is gone")
        return found

    async def annotation(self, name: str) -> str | None:
        """The value of an annotation; None when it is not there."""
        value: str | None = ((await self.read())["metadata"].get("annotations") or {}).get(name)
        return value

    async def annotate(self, name: str, value: str) -> None:
        """Set an annotation."""
        await self._kube.patch(
            INFRASTRUCTURE, self._name, {"metadata": {"annotations": {name: value}}}, self._namespace
        )

    async def state(self) -> InfrastructureState:
        """`status.state`; empty when there is none."""
        return state_in(await self.read())

    async def publish(self, fields: Fields) -> None:
        """Merge `fields` into the status where they differ from what is there (W3)."""
        found = await self.read()
        status = found.get("status") or {}
        changed = {name: value for name, value in fields.items() if status.get(name) != value}
        if changed:
            await self._kube.patch(
                INFRASTRUCTURE, self._name, {"status": changed}, self._namespace, subresource="status"
            )

    async def merge_data(self, data: dict[str, str]) -> None:
        """Add keys to `state.data`; others stay."""
        found = await self.read()
        known = state_in(found).data
        if any(known.get(key) != value for key, value in data.items()) or _is_foreign(_raw_state(found)):
            await self._write(lambda _: {"data": data})

    async def add_routes(self, routes: tuple[SavedRoute, ...]) -> None:
        """Add to the saved list, keep what is in it, and read it back; GateFailed if it is not there then (W12)."""

        def union(state: InfrastructureState) -> Fields:
            return {"routes": [_raw(route) for route in dict.fromkeys((*state.routes, *routes))]}

        await self._write(union)
        kept = set((await self.state()).routes)
        missing = [route.instance_name for route in routes if route not in kept]
        if missing:
            raise GateFailed(f"the saved routes of {', '.join(missing)} were not there when read back")

    async def remove_routes(self, done: Callable[[SavedRoute], bool]) -> None:
        """Take those entries from the saved list that were observed to be done (W13)."""

        def rest(state: InfrastructureState) -> Fields:
            return {"routes": [_raw(route) for route in state.routes if not done(route)] or None}

        await self._write(rest)

    async def _write(self, change: Callable[[InfrastructureState], Fields]) -> None:
        for attempt in range(ATTEMPTS):
            found = await self.read()
            known = state_in(found)
            state = {"kind": InfrastructureState.__name__, "apiVersion": API_VERSION, **change(known)}
            state = _taken_over(_raw_state(found), known) | state | _data(known, state)
            body = {
                "metadata": {"resourceVersion": found["metadata"].get("resourceVersion")},
                "status": {"state": state},
            }
            try:
                await self._kube.patch(INFRASTRUCTURE, self._name, body, self._namespace, subresource="status")
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return


def state_in(infrastructure: Manifest) -> InfrastructureState:
    """`status.state` of an Infrastructure."""
    return state_of(_raw_state(infrastructure))


def _raw_state(infrastructure: Manifest) -> Any:
    return (infrastructure.get("status") or {}).get("state")


def _is_foreign(raw: Any) -> bool:
    return bool(raw) and not has_flow_state(raw)


def _taken_over(raw: Any, known: InfrastructureState) -> Fields:
    """Takes what Terraform had written out of the state, and keeps what it said (gardener-behaviour.md 10)."""
    if not _is_foreign(raw):
        return {}
    return dict.fromkeys(raw if isinstance(raw, dict) else ()) | {"data": known.data}


def _data(known: InfrastructureState, change: Fields) -> Fields:
    """All keys at once, because what is there may not be a map yet."""
    return {"data": known.data | change["data"]} if "data" in change else {}


def _raw(route: SavedRoute) -> Fields:
    return {
        "instanceName": route.instance_name,
        "destinationCIDR": route.destination_cidr,
        "zone": route.zone,
    }
