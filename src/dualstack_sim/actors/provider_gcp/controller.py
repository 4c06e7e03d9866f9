"""provider-gcp's Infrastructure controller under the protocol of extension objects."""

from __future__ import annotations

from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.extension_library import ExtensionController, Handled
from dualstack_sim.actors.informer import ObjectKey
from dualstack_sim.actors.provider_gcp.bodies import Bodies
from dualstack_sim.actors.provider_gcp.deletion import Deletion
from dualstack_sim.actors.provider_gcp.reconcile import Reconcile, check_config
from dualstack_sim.actors.provider_gcp.requests import Requests

PROGRAM = "gardener-extension-provider-gcp"


class ProviderGcp:
    """provider-gcp's Infrastructure controller."""

    def __init__(self, context: ActorContext) -> None:
        self._clock = context.clock
        self._kube, self._compute = context.named(PROGRAM)
        handled = Handled(INFRASTRUCTURE, "infrastructure")
        self._protocol = ExtensionController(context, PROGRAM, handled, self._act, self._check)

    async def run(self) -> None:
        """Until cancelled."""
        await self._protocol.run()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One reconcile, as `ExtensionController.reconcile`."""
        return await self._protocol.reconcile(key)

    async def _check(self, view: ShootView) -> str | None:
        return await check_config(Requests(self._compute, self._clock), Bodies(view))

    async def _act(self, operation: str, found: Manifest, view: ShootView) -> Manifest:
        if operation == "Migrate":
            return {}
        action = Deletion if operation == "Delete" else Reconcile
        return await action(self._compute, self._kube, self._clock, found, view).run()
