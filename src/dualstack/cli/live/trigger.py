"""`prepare --trigger`: the edit of the Shoot in the garden that starts Gardener's migration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput

FAMILIES = ["IPv4", "IPv6"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """The Shoot of a cluster in its garden."""

    kube: Kube
    namespace: str
    name: str

    @property
    def shoot(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    async def pull(self) -> str:
        """Request both families; what was done, as a sentence. Nothing is changed where the Shoot has them already."""
        if await self._dual_stack():
            return f"Shoot {self.shoot} already has {', '.join(FAMILIES)}."
        patch = {"spec": {"networking": {"ipFamilies": FAMILIES}}}
        await self.kube.patch(SHOOT, self.name, patch, self.namespace)
        return f"Shoot {self.shoot}: spec.networking.ipFamilies is now {', '.join(FAMILIES)}; Gardener migrates."

    async def _dual_stack(self) -> bool:
        found = await self.kube.get(SHOOT, self.name, self.namespace)
        return found is not None and ShootView.of(found).dual_stack


@asynccontextmanager
async def trigger_of(identity: Identity, kubeconfig: Path | None, shoot: str) -> AsyncIterator[Trigger]:
    """The trigger of the identified cluster. InvalidInput unless the garden has its Shoot.

    shoot: `namespace/name`; empty for the one that follows from the technical ID `shoot--<project>--<name>`.
    """
    if identity.platform != "gardener":
        raise InvalidInput(f"--trigger: this is no Gardener shoot but {identity.platform} ({identity.evidence})")
    if kubeconfig is None:
        raise InvalidInput("--trigger: it needs --garden-kubeconfig FILE, the kubeconfig of the garden's project")
    namespace, _, name = (shoot or _conventional(identity.cluster.name)).partition("/")
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        found = await kube.get(SHOOT, name, namespace) if name else None
        if found is None:
            raise InvalidInput(f"--trigger: the garden has no Shoot {namespace}/{name}; name it with --shoot")
        if (technical := ShootView.of(found).technical_id) != identity.cluster.name:
            raise InvalidInput(
                f"--trigger: Shoot {namespace}/{name} has the technical ID {technical}, but the cluster is "
                f"{identity.cluster.name}"
            )
        yield Trigger(kube, namespace, name)
    finally:
        await kube.close()


def _conventional(technical_id: str) -> str:
    _, project, name = (*technical_id.split("--", 2), "", "")[:3]
    return f"garden-{project}/{name}"
