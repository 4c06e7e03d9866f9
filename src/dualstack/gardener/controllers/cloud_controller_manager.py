"""Stopping the route controller of cloud-controller-manager for a cut-over, and restoring it.

Its ManagedResource is ignored by the two annotations that upstream uses
(docs/reference/gardener.md#route-cleanup-annotations), and its flag `--configure-cloud-routes` becomes false, so that
everything else in it works on (docs/reference/cut-over.md#route-controller-stop). Where the flag cannot be set, or does
not take effect, it is scaled to zero as upstream does. Either ControlPlane controller, this one or upstream's, removes
the annotations again (docs/reference/gardener.md#ccm-returns).
"""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.clock import Clock
from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.gardener.model.names import IGNORE, MANAGED_RESOURCE_CONTROL_PLANE, REMOVE_IGNORE
from dualstack.kube.apply import edit
from dualstack.kube.interface import Conflict, Kube, NotFound
from dualstack.model.errors import GateFailed
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, POD, Manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER
from dualstack.model.parts import UnknownShape
from dualstack.model.workloads import flag_values, with_flags
from dualstack.plan.facts import ControllerFacts

POLL = 2.0
"""Seconds between two reads of its pods."""

_IGNORED = "ManagedResourceIgnored"
"""The condition reason of an ignored ManagedResource (docs/reference/gardener.md#ignored-managed-resources)."""

_KNOWN_FLAG, _ROUTES = "cluster-cidr", "configure-cloud-routes"

TIMEOUT = 180.0
"""Seconds until pods must be gone: a new pod starts within a minute, and the grace period of the old one is 30 s
(docs/reference/weaknesses.md#w8)."""


@dataclass(frozen=True, slots=True)
class CloudControllerManager:
    """The cloud-controller-manager of the shoot whose technical ID is `namespace`."""

    kube: Kube
    clock: Clock
    namespace: str

    async def observe(self) -> ControllerFacts:
        """Replicas and pods that create routes, and whether its ManagedResource is ignored.

        In the seed to which a control plane moves there is no Deployment yet
        (docs/reference/gardener.md#no-ccm-in-new-seed).
        """
        deployment = await self._deployment()
        if deployment is None:
            return ControllerFacts(replicas=0, pods=0, ignored=True, absent=True)
        return ControllerFacts(
            replicas=deployment["spec"].get("replicas", 1) if _creates_routes(deployment) else 0,
            pods=await self._pods(deployment),
            ignored=await self.is_stopped(),
        )

    async def stop(self) -> None:
        """Annotate its ManagedResource, stop its route controller and return when no pod runs one any more.

        No error when there is no Deployment. Raises GateFailed if such pods are not gone after `TIMEOUT` although it is
        scaled to zero.
        """
        deployment = await self._deployment()
        if deployment is None:
            return
        await self._annotate("true")
        if await self._stop_routes(deployment) and not await self._left(deployment):
            return
        # A merge patch has no resourceVersion, so no concurrent writer makes it fail (docs/reference/weaknesses.md#w9).
        change = {"spec": {"replicas": 0}}
        await self.kube.patch(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, change, self.namespace, subresource="scale")
        if pods := await self._left(deployment):
            raise GateFailed(f"cloud-controller-manager still has {pods} pods after {TIMEOUT:.0f} s")

    async def _stop_routes(self, deployment: Manifest) -> bool:
        """Set the flag; False where it cannot be set."""
        try:
            await edit(self.kube, DEPLOYMENT, deployment, _without_routes)
        except (UnknownShape, Conflict):
            return False
        return True

    async def _left(self, deployment: Manifest) -> int:
        """The pods that create routes, as soon as there are none, or after `TIMEOUT`."""
        deadline = self.clock.now() + TIMEOUT
        while (pods := await self._pods(deployment)) and self.clock.now() < deadline:
            await self.clock.sleep(POLL)
        return pods

    async def restore(self) -> None:
        """Remove both annotations if a cut-over set them; the resource manager then applies the chart again."""
        if await self.is_stopped():
            await self._annotate(None)

    async def is_stopped(self) -> bool:
        """Whether its ManagedResource has both annotations, as after `stop`."""
        return _is_stopped(await self._resource())

    async def is_ignored(self) -> bool:
        """Whether the resource manager ignores its ManagedResource, for whatever reason."""
        return _annotation(await self._resource(), IGNORE) == "true"

    async def stop_notice(self) -> str | None:
        """What a stop means for the cluster, and since when it lasts; None when `is_stopped` is false.

        A failed reconcile leaves cloud-controller-manager stopped (docs/reference/weaknesses.md#w4). The time is that
        of the ManagedResource's conditions.
        """
        resource = await self._resource()
        if not _is_stopped(resource):
            return None
        conditions = dig(resource, "status", "conditions") or ()
        times = [entry.get("lastUpdateTime", "") for entry in conditions if entry.get("reason") == _IGNORED]
        since = f" since {min(times)}" if times else ""
        stays = f"has been stopped{since} and stays stopped until the infrastructure is reconciled; meanwhile"
        deployment = await self._deployment()
        if deployment is not None and deployment["spec"].get("replicas", 1):
            return f"the route controller of cloud-controller-manager {stays} new nodes get no route"
        return (
            f"cloud-controller-manager {stays} no new node is initialised, Nodes of deleted VMs remain, and load "
            "balancers do not change"
        )

    async def _annotate(self, value: str | None) -> None:
        change = {"metadata": {"annotations": {REMOVE_IGNORE: value, IGNORE: value}}}
        try:
            await self.kube.patch(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, change, self.namespace)
        except NotFound as error:
            name = f"{self.namespace}/{MANAGED_RESOURCE_CONTROL_PLANE}"
            raise NotFound(f"ManagedResource {name} of cloud-controller-manager does not exist") from error

    async def _resource(self) -> Manifest | None:
        return await self.kube.get(MANAGED_RESOURCE, MANAGED_RESOURCE_CONTROL_PLANE, self.namespace)

    async def _deployment(self) -> Manifest | None:
        return await self.kube.get(DEPLOYMENT, CLOUD_CONTROLLER_MANAGER, self.namespace)

    async def _pods(self, deployment: Manifest) -> int:
        selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
        pods = await self.kube.list(POD, self.namespace, labels=selector)
        running = (pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"))
        return sum(_creates_routes({**pod, "spec": {"template": pod}}) for pod in running)


def _annotation(resource: Manifest | None, name: str) -> str | None:
    value: str | None = dig(resource, "metadata", "annotations", name)
    return value


def _is_stopped(resource: Manifest | None) -> bool:
    return _annotation(resource, IGNORE) == _annotation(resource, REMOVE_IGNORE) == "true"


def _creates_routes(workload: Manifest) -> bool:
    """Whether its pods run the route controller, which is the default; True also when that cannot be read."""
    try:
        return flag_values(workload, CLOUD_CONTROLLER_MANAGER, _KNOWN_FLAG).get(_ROUTES, "true") != "false"
    except UnknownShape:
        return True


def _without_routes(deployment: Manifest) -> Manifest:
    return with_flags(deployment, CLOUD_CONTROLLER_MANAGER, _KNOWN_FLAG, {_ROUTES: "false"})
