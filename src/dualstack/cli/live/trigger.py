"""`prepare --trigger`: the edit of the Shoot in the garden that starts Gardener's migration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dualstack.cli.live.shoot import find_shoot
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import OPERATION, RECONCILE
from dualstack.gardener.model.shoot import ShootView
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Invalid
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.maintenance import next_window

FAMILIES = ["IPv4", "IPv6"]
RUNS = "Gardener needs five to seven reconciles for the whole migration"
"""docs/reference/gardener.md#reconcile-triggers"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The Shoot of a cluster in its garden. now: request a reconcile with the edit."""

    kube: LightkubeKube
    namespace: str
    name: str
    now: bool = False

    @property
    def shoot(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    async def rehearse(self) -> None:
        """Try the edit without storing it. InvalidInput if the garden refuses it, or the Shoot is being deleted."""
        found = await self._read()
        if found["metadata"].get("deletionTimestamp"):
            raise InvalidInput(f"--trigger: Shoot {self.shoot} is being deleted")
        try:
            await self.kube.patch(SHOOT, self.name, self._edit(found), self.namespace, dry_run=True)
        except Invalid as error:
            if "dry run" not in str(error):  # a webhook that does not support it says nothing about the edit
                raise InvalidInput(f"--trigger: the garden refuses the edit of Shoot {self.shoot}: {error}") from error

    async def pull(self, at: float) -> str:
        """Request both families; what was done and what follows, as sentences. at: the present, in seconds since the
        epoch. Of a Shoot that has them already, nothing but the annotation of `now` is changed."""
        found = await self._read()
        edit = self._edit(found)
        if edit:
            await self.kube.patch(SHOOT, self.name, edit, self.namespace)
        families = ", ".join(FAMILIES)
        if "spec" in edit:
            return f"Shoot {self.shoot}: spec.networking.ipFamilies is now {families}; {self._follows(found, at)}"
        return f"Shoot {self.shoot} already has {families}" + (f"; {self._follows(found, at)}" if edit else ".")

    async def _read(self) -> Manifest:
        found = await self.kube.get(SHOOT, self.name, self.namespace)
        if found is None:
            raise InvalidInput(f"--trigger: the garden has no Shoot {self.shoot} any more")
        return found

    def _edit(self, found: Manifest) -> Manifest:
        """The merge patch; empty when there is nothing to change. The garden adds the task of the Infrastructure itself
        (docs/reference/gardener.md#infrastructure-task)."""
        edit: Manifest = {"metadata": {"annotations": {OPERATION: RECONCILE}}} if self.now else {}
        return edit if ShootView.of(found).dual_stack else {**edit, "spec": {"networking": {"ipFamilies": FAMILIES}}}

    def _follows(self, found: Manifest, at: float) -> str:
        """When Gardener acts on it (docs/reference/gardener.md#reconcile-triggers)."""
        confined = dig(found, "spec", "maintenance", "confineSpecUpdateRollout")
        if not confined:
            return f"Gardener reconciles it now. {RUNS}: it runs one each hour, unless they are requested."
        request = f"kubectl annotate shoot {self.name} -n {self.namespace} {OPERATION}={RECONCILE}"
        if self.now:
            return f"Gardener reconciles it now. {RUNS}, one in each maintenance window; request more: {request}"
        begin = next_window(str(dig(found, "spec", "maintenance", "timeWindow", "begin") or ""), at)
        window = f"which begins at {begin:%Y-%m-%d %H:%M} UTC" if begin else "whose time it does not show"
        return (
            "spec.maintenance.confineSpecUpdateRollout keeps it for the next maintenance window, "
            f"{window}. {RUNS}, one in each window; to begin now and for each further one: {request}"
        )


@asynccontextmanager
async def trigger_of(
    identity: Identity, kubeconfig: Path | None, shoot: str, *, now: bool = False
) -> AsyncIterator[Trigger]:
    """The trigger of the identified cluster. InvalidInput unless the garden has its Shoot. shoot: as `find_shoot` takes
    it."""
    if identity.platform != "gardener":
        raise InvalidInput(f"--trigger: this is no Gardener shoot but {identity.platform} ({identity.evidence})")
    if kubeconfig is None:
        raise InvalidInput("--trigger: it needs --garden-kubeconfig FILE, the kubeconfig of the garden's project")
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        metadata = (await find_shoot(kube, shoot, identity))["metadata"]
        yield Trigger(kube, metadata["namespace"], metadata["name"], now)
    finally:
        await kube.close()
