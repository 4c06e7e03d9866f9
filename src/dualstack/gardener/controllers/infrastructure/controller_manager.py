"""Taking the cloud-controller-manager out of the way, and giving it back (gardener-behaviour.md 4.6, 4.8, W4 to W10).

It is stopped by the two annotations that the ControlPlane controller removes again, so that either side's controller
can bring it back; then it comes with the allocator that makes no routes.
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.kube.interface import Kube, NotFound
from dualstack.model import names
from dualstack.model.errors import GateFailed
from dualstack.model.kinds import DEPLOYMENT, POD, Manifest
from dualstack.plan.facts import ControllerFacts

POLL = 2.0
"""Seconds between looks at its pods."""

_IGNORED = "ManagedResourceIgnored"
"""The reason in the conditions of a ManagedResource that is ignored (gardener-behaviour.md 2.10)."""

PATIENCE = 180.0
"""Seconds until it counts as refusing to stop: a pod has a grace period of 30 s (W8)."""


@dataclass(frozen=True, slots=True)
class CloudControllerManager:
    """The cloud-controller-manager of the shoot whose technical ID is `namespace`."""

    kube: Kube
    clock: Clock
    namespace: str

    async def observe(self) -> ControllerFacts:
        """Replicas wanted, pods that exist, and whether its ManagedResource is ignored.

        Without a Deployment nothing runs and nothing will (gardener-behaviour.md 10).
        """
        deployment = await self.kube.get(DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace)
        if deployment is None:
            return ControllerFacts(replicas=0, pods=0, ignored=True, absent=True)
        resource = await self.kube.get(MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace)
        return ControllerFacts(
            replicas=deployment["spec"].get("replicas", 1),
            pods=await self._pods(deployment),
            ignored=resource is not None and _ignored(resource),
        )

    async def stop(self, *, wait: bool) -> None:
        """Annotate, scale to zero; with `wait` until its pods are gone, GateFailed if they stay (W8)."""
        if await self.kube.get(DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace) is None:
            return
        await self._annotate("true")
        # A merge patch needs no version, so it cannot lose against a concurrent writer (W9).
        await self.kube.patch(
            DEPLOYMENT,
            names.CLOUD_CONTROLLER_MANAGER,
            {"spec": {"replicas": 0}},
            self.namespace,
            subresource="scale",
        )
        deadline = self.clock.now() + PATIENCE
        while wait and (facts := await self.observe()).pods:
            if self.clock.now() >= deadline:
                raise GateFailed(f"cloud-controller-manager still has {facts.pods} pods after {PATIENCE:.0f} s")
            await self.clock.sleep(POLL)

    async def is_ours_to_give_back(self) -> bool:
        """Whether its ManagedResource carries both annotations, by which a cut-over has stopped it."""
        resource = await self.kube.get(MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace)
        return resource is not None and _ignored(resource)

    async def absence(self) -> str | None:
        """What a cut-over's stop means for the cluster, and since when it lasts; None when nobody has stopped it (W4).

        The time is that from which its ManagedResource has called itself ignored.
        """
        resource = await self.kube.get(MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace)
        if resource is None or not _ignored(resource):
            return None
        conditions = (resource.get("status") or {}).get("conditions") or ()
        times = [entry.get("lastUpdateTime", "") for entry in conditions if entry.get("reason") == _IGNORED]
        since = f" since {min(times)}" if times else ""
        return (
            f"cloud-controller-manager has been stopped{since} and stays so until the infrastructure is done: "
            "meanwhile no new node is initialised, no Node of a VM that has gone is removed, no load balancer changes"
        )

    async def give_back(self) -> None:
        """Remove both annotations; the resource manager then restores it as its chart says (W4)."""
        resource = await self.kube.get(MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, self.namespace)
        if resource is not None and _ignored(resource):
            await self._annotate(None)

    async def _annotate(self, value: str | None) -> None:
        body = {"metadata": {"annotations": {gardener_names.REMOVE_IGNORE: value, gardener_names.IGNORE: value}}}
        try:
            await self.kube.patch(MANAGED_RESOURCE, gardener_names.MANAGED_RESOURCE_CONTROL_PLANE, body, self.namespace)
        except NotFound as error:
            resource = f"{self.namespace}/{gardener_names.MANAGED_RESOURCE_CONTROL_PLANE}"
            raise NotFound(f"ManagedResource {resource} of the cloud-controller-manager is not there") from error

    async def _pods(self, deployment: Manifest) -> int:
        selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
        pods = await self.kube.list(POD, self.namespace, labels=selector)
        return sum(1 for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"))


def _ignored(resource: Manifest) -> bool:
    annotations = resource["metadata"].get("annotations") or {}
    return annotations.get(gardener_names.IGNORE) == "true" and annotations.get(gardener_names.REMOVE_IGNORE) == "true"
