"""What a cut-over must remember, in a ConfigMap of the cluster: saved routes and notes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from dualstack.kube.interface import Kube
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import CONFIG_MAP
from dualstack.model.manifests import config_map
from dualstack.model.names import KUBE_SYSTEM
from dualstack.plan.facts import SavedRoute

T = TypeVar("T")

NAME = "dualstack-cut-over"
"""The ConfigMap in kube-system. It exists from the first change until nothing is left to remember."""

PROVEN = "prepared"
"""The note that every host knows the alias of every node."""

ROUTES, NOTES = "routes.json", "notes.json"


@dataclass(frozen=True, slots=True)
class Record:
    """Reads and writes the ConfigMap. before_change: raises unless this process may write (`dualstack.live.lease`)."""

    kube: Kube
    before_change: Callable[[], Awaitable[None]]

    async def routes(self) -> tuple[SavedRoute, ...]:
        """The saved routes. GateFailed when the ConfigMap is not as this program writes it."""
        return await self._part(ROUTES, tuple[SavedRoute, ...], ())

    async def notes(self) -> Mapping[str, str]:
        """The notes by name."""
        return await self._part(NOTES, dict[str, str], {})

    async def change_routes(self, change: Callable[[tuple[SavedRoute, ...]], Iterable[SavedRoute]]) -> None:
        """Replace the saved routes, and read them back."""
        wanted = tuple(change(await self.routes()))
        await self._write(ROUTES, [msgspec.to_builtins(route) for route in wanted])
        if await self.routes() != wanted:
            raise GateFailed(f"ConfigMap {KUBE_SYSTEM}/{NAME} does not have the routes that were written to it")

    async def note(self, name: str, value: str | None) -> None:
        """Set a note, or remove it for None."""
        notes = {key: text for key, text in (await self.notes()).items() if key != name}
        await self._write(NOTES, notes if value is None else {**notes, name: value})

    async def clear(self) -> None:
        """Forget everything: nothing is left to be done."""
        await self.before_change()
        await self.kube.delete(CONFIG_MAP, NAME, KUBE_SYSTEM)

    async def _part(self, key: str, shape: type[T], default: T) -> T:
        found = await self.kube.get(CONFIG_MAP, NAME, KUBE_SYSTEM)
        text = ((found or {}).get("data") or {}).get(key)
        if text is None:
            return default
        try:
            return msgspec.json.decode(text, type=shape)
        except msgspec.DecodeError as error:
            raise GateFailed(
                f"ConfigMap {KUBE_SYSTEM}/{NAME}: {key} cannot be read: {error}; restore it, or delete the ConfigMap "
                "if no route was deleted yet"
            ) from error

    async def _write(self, key: str, value: object) -> None:
        await self.before_change()
        data = {key: msgspec.json.encode(value).decode()}
        found = await self.kube.get(CONFIG_MAP, NAME, KUBE_SYSTEM)
        if found is None:
            if value:
                await self.kube.create(CONFIG_MAP, config_map(NAME, KUBE_SYSTEM, data))
            return
        left = {name: text for name, text in {**(found.get("data") or {}), **data}.items() if text not in ("[]", "{}")}
        if left:
            await self.kube.patch(CONFIG_MAP, NAME, {"data": data}, KUBE_SYSTEM)
        else:
            await self.kube.delete(CONFIG_MAP, NAME, KUBE_SYSTEM)
