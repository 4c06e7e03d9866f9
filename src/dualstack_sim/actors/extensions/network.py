"""networking-calico's and networking-cilium's Network controller (docs/reference/gardener.md#network-extensions)."""

from __future__ import annotations

from dualstack.cni import network_types
from dualstack.gardener.model.kinds import NETWORK
from dualstack.gardener.model.names import managed_resource_network
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import network
from dualstack.model.cidr import families
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.applying import apply_managed
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.extension_library import ExtensionController, Handled

PROGRAM = "gardener-extension-networking"


class Networks:
    """Writes the chart of the CNI with the families that the constraint allows, and reports them at once: it does not
    wait for the DaemonSet (docs/reference/weaknesses.md#w43)."""

    def __init__(self, context: ActorContext) -> None:
        self._kube, _ = context.named(PROGRAM)
        handled = Handled(NETWORK, "network", tuple(network_types()))
        self._protocol = ExtensionController(context, PROGRAM, handled, self._act)

    async def run(self) -> None:
        """Until cancelled."""
        await self._protocol.run()

    async def _act(self, operation: str, found: Manifest, view: ShootView) -> Manifest:
        current = networks(view)
        objects = network.objects(view, current)
        await apply_managed(self._kube, managed_resource_network(view.cni), found["metadata"]["namespace"], objects)
        return {"ipFamilies": list(families(current.pods))}
