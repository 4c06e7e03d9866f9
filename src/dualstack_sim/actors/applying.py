"""How gardenlet and the extensions apply what they render: objects of the seed, and ManagedResources."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.render import managed_resource
from dualstack.model.json_path import dig
from dualstack.model.kinds import SECRET, Kind, Manifest
from dualstack.model.parts import Part, rendered
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import Conflict, NotFound

_ATTEMPTS = 5


async def apply(kube: KubeApi, kind: Kind, part: Part) -> Manifest:
    """Create the object, or write its edit; returns it. Conflict after five attempts."""
    name, namespace = part.new["metadata"]["name"], part.new["metadata"].get("namespace")
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _apply(kube, kind, part, name, namespace)
        except Conflict:
            continue
    return await _apply(kube, kind, part, name, namespace)


async def _apply(kube: KubeApi, kind: Kind, part: Part, name: str, namespace: str | None) -> Manifest:
    live = await kube.get(kind, name, namespace)
    if live is None:
        return await kube.create(kind, part.new)
    wanted = part.edit(live)
    return live if wanted == live else await kube.replace(kind, wanted)


async def apply_managed(kube: KubeApi, name: str, namespace: str, parts: Sequence[Part], *, seed: bool = False) -> None:
    """Write the ManagedResource and its Secrets, which the resource manager applies."""
    resource = await kube.get(MANAGED_RESOURCE, name, namespace)
    if resource is None:
        await apply(kube, SECRET, Part(managed_resource.secret(name, namespace, rendered(parts))))
        await apply(kube, MANAGED_RESOURCE, Part(managed_resource.managed_resource(name, namespace, seed=seed)))
        return
    secrets = []
    for reference in dig(resource, "spec", "secretRefs") or ():
        found = await kube.get(SECRET, reference["name"], namespace)
        if found is None:
            raise NotFound(404, "NotFound", f'secrets "{reference["name"]}" not found')
        secrets.append(found)
    for before, after in zip(secrets, managed_resource.edited(resource, secrets, parts), strict=True):
        if before != after:
            await kube.replace(SECRET, after)
