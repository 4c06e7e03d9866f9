"""The controller that creates a route for each node, as far as the cluster and its project show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dualstack.cutover.route_ownership import FIELDS
from dualstack.gce import ComputeClient
from dualstack.gce.resources import last_segment
from dualstack.kube.interface import Kube
from dualstack.model import names
from dualstack.model.cluster import Cluster
from dualstack.model.kinds import POD, Manifest
from dualstack.model.workloads import flags_of, is_cloud_controller_manager

ENDED = ("Succeeded", "Failed")


class RouteController(Protocol):
    """It belongs to another program; it can only be observed."""

    @property
    def remedy(self) -> str:
        """What stops it, as a clause."""
        ...

    async def running(self) -> list[str]:
        """Why it must be taken to create routes, one clause each; empty when it is known that it does not."""
        ...


@dataclass(frozen=True, slots=True)
class CloudControllerManagerPods:
    """The pods of cloud-controller-manager in kube-system. They create routes only with both `--allocate-node-cidrs`
    and `--configure-cloud-routes` (docs/reference/cut-over.md#route-controller-creates)."""

    kube: Kube
    remedy: str

    async def running(self) -> list[str]:
        pods = [pod for pod in await self.kube.list(POD, names.KUBE_SYSTEM) if is_cloud_controller_manager(pod)]
        if not pods:
            return [f"kube-system has no pod of {names.CLOUD_CONTROLLER_MANAGER}: whether it creates routes is unknown"]
        return [
            f"pod {pod['metadata']['name']} runs with --configure-cloud-routes={flags_of(pod).get(_ROUTES, 'true')}"
            for pod in pods
            if (pod.get("status") or {}).get("phase") not in ENDED and creates_routes(pod)
        ]


@dataclass(frozen=True, slots=True)
class GardenerRoutes:
    """A shoot's cloud-controller-manager runs in the seed. Gardener stops its route controller before it deletes the
    routes (docs/reference/gardener.md#route-controller), so no route is left once it is stopped."""

    compute: ComputeClient
    cluster: Cluster
    remedy: str

    async def running(self) -> list[str]:
        found = await self.compute.list("global/routes", fields=FIELDS)
        left = [route for route in found if is_node_route(route, self.cluster)]
        return [f"{len(left)} routes to nodes are left, among them {left[0]['name']}"] if left else []


_ROUTES = "configure-cloud-routes"
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
"""How Go's flags spell false."""


def creates_routes(workload: Manifest) -> bool:
    """Whether cloud-controller-manager with these flags creates routes; a missing flag has its default."""
    flags = flags_of(workload)
    return _FALSE.isdisjoint((flags.get(_ROUTES, "true"), flags.get("allocate-node-cidrs", "false")))


def is_node_route(route: Manifest, cluster: Cluster) -> bool:
    """Whether cloud-controller-manager has created the route for a node of the cluster."""
    named = str(route["name"]).startswith(names.route_prefix(cluster.name))
    inside = last_segment(route.get("network") or "") == cluster.network
    return named and inside and route.get("description") == names.ROUTE_DESCRIPTION
