"""ingress-gce: external passthrough load balancers for Services that are marked for it, in both families.

It runs while a pod of its Deployment is ready, with the network and subnet of its ConfigMap
(docs/reference/gardener.md#ingress-gce). Load balancers of other Services belong to cloud-controller-manager, which
uses target pools; those are not simulated, so such Services stay without an address.
"""

from __future__ import annotations

import asyncio

from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, NODE, POD, SERVICE, Manifest
from dualstack.model.names import L4_RBS
from dualstack_sim.actors.cloud_nodes import zone_and_name
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.passthrough_balancer import Balancer, Configuration
from dualstack_sim.actors.pods import is_ready
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import ComputeRefusal, OperationFailed

COMPONENT = "ingress-gce"
ROLE = "glbc"
"""The label `role` of its pods."""
CONFIGURATION = "cloud-provider-config-ingress-gce"
FINALIZER = "gke.networking.io/l4-netlb-v2"
INTERNAL = "networking.gke.io/load-balancer-type"
"""`Internal` on a Service: an internal load balancer, which stays with cloud-controller-manager."""
_RETRY_SECONDS = 15.0


class IngressGce:
    """One worker: a load balancer is made, and removed, step by step."""

    def __init__(self, context: ActorContext) -> None:
        self._context = context
        self._kube, self._compute = context.named(COMPONENT)
        self._services, self._nodes = context.informers.of(SERVICE), context.informers.of(NODE)
        of_seed = context.seed.informers
        self._pods, self._config_maps = of_seed.of(POD), of_seed.of(CONFIG_MAP)
        self._queue = context.queue("load balancers")
        self._recorder = Recorder(context, "l4netlb-controller")
        self._failures: dict[ObjectKey, str] = {}

    async def run(self) -> None:
        await self._context.informers.synced(SERVICE, NODE)
        await self._context.seed.informers.synced(POD, CONFIG_MAP)
        self._services.subscribe(self._service_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self._queue.serve(self._reconcile))

    def _service_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and is_ours(new):
            self._queue.add(key_of(new))

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if old is None or new is None or is_ready(old) != is_ready(new):
            self._queue_all()

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new is not None and _is_own_pod(new) and is_ready(new) and not (old is not None and is_ready(old)):
            self._queue_all()

    def _queue_all(self) -> None:
        for service in self._services.all():
            if is_ours(service):
                self._queue.add(key_of(service))

    def _configuration(self) -> Configuration | None:
        """None while no pod of it is ready."""
        pods = self._pods.all(self._context.namespace)
        config_map = self._config_maps.get(CONFIGURATION, self._context.namespace)
        if config_map is None or not any(_is_own_pod(pod) and is_ready(pod) for pod in pods):
            return None
        return Configuration.of(config_map)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        service, configuration = self._services.get(key[1], key[0]), self._configuration()
        if service is None or configuration is None:
            return None
        balancer = Balancer(self._compute, self._context.namespace, configuration, service)
        try:
            gone = bool(service["metadata"].get("deletionTimestamp")) or service["spec"].get("type") != "LoadBalancer"
            if gone:
                await balancer.delete(sorted(self._vms()))
            else:
                await self._set_finalizers(service, present=True)
            addresses = [] if gone else await balancer.ensure(self._vms())
        except (ComputeRefusal, OperationFailed) as refusal:
            self._report_failure(service, str(refusal))
            return _RETRY_SECONDS
        self._failures.pop(key, None)
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        if (dig(service, "status", "loadBalancer", "ingress") or []) != ingress:
            body = {"status": {"loadBalancer": {"ingress": ingress or None}}}
            namespace, name = key
            written = await self._kube.patch(SERVICE, name, body, namespace, patch_type="merge", subresource="status")
            self._services.observe(written)
            if not gone:
                self._recorder.record(
                    written, "SyncLoadBalancerSuccessful", "Successfully ensured L4 External LoadBalancer resources"
                )
        if gone:
            await self._set_finalizers(service, present=False)
        return None

    def _report_failure(self, service: Manifest, problem: str) -> None:
        """An Event for each new problem; upstream repeats it, and the API server counts."""
        if self._failures.get(key_of(service)) != problem:
            self._failures[key_of(service)] = problem
            message = f"Error syncing load balancer: {problem}"
            self._recorder.record(service, "SyncLoadBalancerFailed", message, warning=True)

    async def _set_finalizers(self, service: Manifest, *, present: bool) -> None:
        before: list[str] = service["metadata"].get("finalizers") or []
        after = [*before, FINALIZER] if present else [each for each in before if each != FINALIZER]
        if present != (FINALIZER in before):
            namespace, name = key_of(service)
            body = {"metadata": {"finalizers": after or None}}
            await self._kube.patch(SERVICE, name, body, namespace, patch_type="merge")

    def _vms(self) -> dict[str, list[str]]:
        """The names of the VMs of all ready Nodes, by zone."""
        found: dict[str, list[str]] = {}
        for node in self._nodes.all():
            if is_ready(node) and (text := node["spec"].get("providerID")):
                zone, name = zone_and_name(text)
                found.setdefault(zone, []).append(name)
        return {zone: sorted(names) for zone, names in found.items()}


def is_ours(service: Manifest) -> bool:
    """Whether ingress-gce manages the load balancer: by its annotation, or because it has begun to
    (docs/reference/gardener.md#load-balancer-split)."""
    metadata, annotations = service["metadata"], service["metadata"].get("annotations") or {}
    begun = FINALIZER in (metadata.get("finalizers") or ())
    wanted = annotations.get(L4_RBS) == "enabled" and annotations.get(INTERNAL) != "Internal"
    return begun or (service["spec"].get("type") == "LoadBalancer" and wanted)


def _is_own_pod(pod: Manifest) -> bool:
    return bool(dig(pod, "metadata", "labels", "role") == ROLE)
