"""Writing ManagedResources: manifests into a Secret, and the object that points to it (docs/objects.md, Seed)."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.render import managed_resource
from dualstack.kube.apply import apply
from dualstack.kube.interface import Kube
from dualstack.model.kinds import SECRET, Manifest


async def apply_managed(
    kube: Kube, name: str, namespace: str, objects: Sequence[Manifest], *, seed: bool = False
) -> bool:
    """Have the resource manager apply exactly these objects. True if something was written.

    The Secret comes first, so that the resource manager never sees a ManagedResource without its content.
    """
    changed = await apply(kube, SECRET, managed_resource.secret(name, namespace, objects))
    return await apply(kube, MANAGED_RESOURCE, managed_resource.managed_resource(name, namespace, seed=seed)) or changed


async def delete_managed(kube: Kube, name: str, namespace: str) -> None:
    """Have the resource manager delete what the ManagedResource holds; nothing to do when there is none."""
    for kind in (MANAGED_RESOURCE, SECRET):
        if await kube.get(kind, name, namespace) is not None:
            await kube.delete(kind, name, namespace)
