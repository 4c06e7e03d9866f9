"""The static routes of nodes at rest, as cloud-controller-manager has made them."""

from __future__ import annotations

from dualstack.model import names
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest
from dualstack_sim.compute.api.backend import Compute


def check_routes_fit(compute: Compute, cluster: str, nodes: int) -> None:
    """InvalidInput if the VPC's quota of static routes is too small for one route for each node."""
    limit = compute.project.limits.static_routes_per_network
    most = limit - 1  # the default route to the internet is a static route, too
    if nodes > most:
        raise InvalidInput(
            f"{cluster}: {nodes} nodes need as many static routes before the migration, but the quota "
            f"STATIC_ROUTES_PER_NETWORK is {limit}; use at most {most} nodes"
        )


def place_route(compute: Compute, cluster: str, node_uid: str, vm: Manifest, pod_cidr: str) -> None:
    """Create the route to a node's pod CIDR (docs/reference/gardener.md#node-route). cluster: the `--cluster-name`."""
    compute.place(
        "routes",
        "global",
        {
            "name": names.route(cluster, node_uid),
            "destRange": pod_cidr,
            "nextHopInstance": vm["selfLink"],
            "network": vm["networkInterfaces"][0]["network"],
            "priority": names.ROUTE_PRIORITY,
            "description": names.ROUTE_DESCRIPTION,
        },
    )
