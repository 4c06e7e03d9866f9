"""Upstream's migration on a scene: its own flow, whole or killed anywhere, and single states that it may leave behind.

`migrate` is the program as recorded (`dualstack_sim.actors.provider_gcp`). The other functions make states for which it
would have to be killed at a certain instant, or which were repaired in part since.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import aiohttp

from dualstack.clock import rfc3339
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import API_VERSION
from dualstack.gardener.model.shoot import ShootView
from dualstack.model import kinds, names
from dualstack_sim.actors.compute_api import ComputeApi
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.provider_gcp.reconcile import Reconcile
from tests.sim.infrastructure.scene import SUBNET, ZONE, Scene

PODS = "100.96.0.0/11"
POD_RANGE = {"rangeName": "ipv4-pod-cidr", "ipCidrRange": PODS}
DUAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}


async def stop_controller(made: Scene) -> None:
    annotations = {"metadata": {"annotations": {gardener_names.REMOVE_IGNORE: "true", gardener_names.IGNORE: "true"}}}
    made.store.patch(
        gardener_kinds.MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, annotations, made.namespace
    )
    body = {"spec": {"replicas": 0}}
    made.store.patch(kinds.DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, body, made.namespace)


async def delete_routes(made: Scene, *, left: int = 0) -> None:
    """All but so many."""
    for route in (await made.node_routes())[left:]:
        await made.change("routes.delete", "global", route["name"])


async def patch_nodes_subnet(made: Scene, **body: Any) -> None:
    subnet = await made.subnet()
    await made.change("subnetworks.patch", SUBNET, subnet["name"], fingerprint=subnet["fingerprint"], **body)


async def put_alias(made: Scene, name: str, text: str) -> None:
    interface = (await made.resource("instances.get", ZONE, name))["networkInterfaces"][0]
    await made.change(
        "instances.updateNetworkInterface",
        ZONE,
        name,
        query={"networkInterface": "nic0"},
        aliasIpRanges=[{"ipCidrRange": text, "subnetworkRangeName": "ipv4-pod-cidr"}],
        fingerprint=interface["fingerprint"],
    )


def write_state(made: Scene, *, routes: bool, succeeded: bool = False, **data: str) -> None:
    """`status.state` as upstream writes it, with the saved routes of all nodes or without."""
    saved = [{"instanceName": n.name, "destinationCIDR": n.pod_cidr, "zone": n.zone} for n in made.world.nodes]
    state: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "InfrastructureState",
        "data": {"resources_exist": "true", **data},
        **({"routes": saved} if routes else {}),
    }
    last = {"state": "Succeeded" if succeeded else "Error"}
    made.store.patch(
        gardener_kinds.INFRASTRUCTURE,
        made.shoot,
        {"status": {"state": state, "lastOperation": last}},
        made.namespace,
        subresource="status",
    )


class KilledClient(ComputeApi):
    """Makes `changes` changing requests; before the next one `reached` is set, and no further request is answered."""

    def __init__(self, url: str, session: aiohttp.ClientSession, project: str, changes: float) -> None:
        super().__init__(url, session, project, user_agent="gardener-extension-provider-gcp")
        self._left = changes
        self.reached = asyncio.Event()

    async def call(self, method: str, path: str, body: Any = None, **params: str | None) -> Any:
        if method != "GET":
            if self._left <= 0:
                self.reached.set()
            self._left -= 1
        if self.reached.is_set():
            await asyncio.Event().wait()
        return await super().call(method, path, body, **params)


async def migrate(made: Scene, *, changes: float = math.inf) -> bool:
    """Upstream's own reconcile of the migration, killed before the request after so many changes; whether it was.

    The Cluster has the constraint, as in the run of gardenlet in which upstream deletes the routes.
    """
    made.trigger()
    constraint = {"type": gardener_names.NODES_MIGRATION, "status": "Progressing"}
    cluster = {"spec": {"shoot": {"status": {"constraints": [constraint]}}}}
    made.store.patch(gardener_kinds.CLUSTER, made.namespace, cluster)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        compute = KilledClient(made.compute_url, session, made.compute.project.name, changes)
        kube, view = KubeApi(made.kubernetes_url, session), ShootView.of(_shoot_of_cluster(made))
        # The wrapper removes the annotation before the flow begins (docs/reference/gardener.md#operation-annotation).
        annotations = {"metadata": {"annotations": {gardener_names.OPERATION: None}}}
        made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, annotations, made.namespace)
        flow = Reconcile(compute, kube, made.clock, made.infrastructure(), view)
        run, reached = asyncio.create_task(flow.run()), asyncio.create_task(compute.reached.wait())
        await asyncio.wait({run, reached}, return_when=asyncio.FIRST_COMPLETED)
        killed = not run.done()
        for task in (run, reached):
            task.cancel()
        ended = await asyncio.gather(run, reached, return_exceptions=True)
        if not killed and isinstance(ended[0], dict):
            _publish(made, ended[0])
    return killed


def _publish(made: Scene, fields: dict[str, Any]) -> None:
    """What the wrapper writes after a success."""
    last = {"type": "Reconcile", "state": "Succeeded", "progress": 100, "lastUpdateTime": rfc3339(made.clock.now())}
    status = {"status": {**fields, "lastError": None, "lastOperation": last}}
    made.store.patch(gardener_kinds.INFRASTRUCTURE, made.shoot, status, made.namespace, subresource="status")


def _shoot_of_cluster(made: Scene) -> Any:
    cluster = made.store.get(gardener_kinds.CLUSTER, made.namespace)
    assert cluster is not None
    return cluster["spec"]["shoot"]
