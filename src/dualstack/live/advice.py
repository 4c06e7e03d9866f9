"""What the owner of a cluster does between `prepare` and `finish`, on each platform."""

from __future__ import annotations

from dualstack.live.identify import Identity, PlatformName
from dualstack.live.state import Standing

_FLAGS = (
    "--configure-cloud-routes=false and --cidr-allocator-type=CloudAllocator (with node-ipam-controller among its "
    "--controllers)"
)
"""The allocator of this type reads the pod CIDR of a new node from its alias range, and tells the scheduler that its
network works (docs/reference/cut-over.md#cidr-allocator)."""

_AGAIN = (
    "annotate it with shoot.gardener.cloud/tasks=deployInfrastructure and gardener.cloud/operation=reconcile, before "
    "nodes are replaced"
)
MIGRATING = f"Gardener deletes them when it next reconciles the Shoot's infrastructure; to request that, {_AGAIN}"
"""What a prepared shoot waits for once its ipFamilies were edited, as a clause
(docs/reference/gardener.md#prepared-first-run)."""

STOP_ROUTES: dict[PlatformName, str] = {
    "gardener": "set spec.networking.ipFamilies of the Shoot to [IPv4, IPv6]; Gardener then stops the route controller "
    f"and deletes the routes; if routes are left once the Shoot has been reconciled, {_AGAIN}",
    "kops": f"set {_FLAGS} on cloud-controller-manager with `kops edit cluster`, then run `kops update cluster --yes` "
    "and `kops rolling-update cluster --yes`",
    "kubeadm": f"set {_FLAGS} in the DaemonSet or Deployment of cloud-controller-manager, or in its static pod "
    "manifest on every control plane node",
    "other": f"set {_FLAGS} on every cloud-controller-manager",
}
"""What stops the route controller, as a clause."""

_ROUTES_AGAIN = (
    "set --configure-cloud-routes=true, and the allocator that it had before, on every cloud-controller-manager"
)


def next_steps(
    identity: Identity, now: Standing, *, stopped: bool = False, subnet_dual_stack: bool, nodes: int, dual_stack: int
) -> tuple[str, ...]:
    """What to do next, one sentence each. stopped: the route controller has stopped.

    subnet_dual_stack: of a shoot, whether Gardener has begun to migrate it. dual_stack: how many of the Nodes have a
    pod CIDR of each family.
    """
    gardener = identity.platform == "gardener"
    match now:
        case "prepared" if stopped:
            return ("The route controller has stopped. Run `dualstack finish`.",)
        case "routes" if stopped and not gardener:
            return (
                f"The route controller has stopped, so nodes that join get no route: {_ROUTES_AGAIN}.",
                "Then run `dualstack verify`.",
            )
        case "routes":
            image = " --prober-image IMAGE" if gardener else ""
            return (f"Run `dualstack preflight`, then `dualstack prepare{image}`.",)
        case "preparing":
            return ("Run the same `dualstack prepare` to continue, or `dualstack prepare --undo` to return to routes.",)
        case "prepared" if gardener and subnet_dual_stack:
            return (
                f"Gardener migrates the Shoot. Routes are left: {MIGRATING}.",
                "Run `dualstack finish`, which waits until the routes are gone.",
            )
        case "prepared":
            stop = STOP_ROUTES[identity.platform]
            return (
                *_reconcile(identity),
                f"{stop[0].upper()}{stop[1:]}.",
                "Until then, `dualstack prepare --watch` gives nodes that join their alias.",
                "Then run `dualstack finish`. To return to routes, run `dualstack prepare --undo`.",
            )
        case "cutting-over" | "finishing":
            return ("Run `dualstack finish`.",)
        case "finished" if 0 < nodes <= dual_stack:
            if not gardener:
                return ("Every node is dual-stack. Run `dualstack verify`, which shows what is left.",)
            request = "to request each, annotate the Shoot with gardener.cloud/operation=reconcile"
            return (
                f"Every node is dual-stack. Gardener updates control plane, CNI and DNS when it reconciles; {request}.",
                "Run `dualstack verify`, which shows what is left.",
            )
        case "finished" if gardener:
            return _roll_out(identity, nodes, dual_stack)
        case "finished":
            subnet = "the nodes subnet is dual-stack" if subnet_dual_stack else "`dualstack migrate` changes the subnet"
            return (
                f"The nodes are still IPv4: {subnet}; VMs, control plane and CNI are yours to change.",
                "Run `dualstack verify`.",
            )


def _roll_out(identity: Identity, nodes: int, dual_stack: int) -> tuple[str, ...]:
    """What follows for the nodes of a shoot (docs/reference/gardener.md#rollout-workers)."""
    window = f" ({identity.window})" if identity.window else ""
    now = "to replace them now, annotate the Shoot with gardener.cloud/operation=rollout-workers=*"
    begun = "The nodes are still IPv4. Gardener replaces them"
    if dual_stack:
        left = nodes - dual_stack
        begun = f"{left} of {nodes} nodes are still IPv4. If Gardener does not replace them already, it does so"
    return (
        f"{begun} in the next maintenance window{window}; {now}.",
        "Then Gardener updates the control plane, CNI and DNS; `dualstack verify` shows what is left.",
    )


def hand_over(identity: Identity) -> str:
    """Why this program does not migrate the infrastructure of a shoot by itself, and what to do instead."""
    return (
        f"this is a Gardener shoot ({identity.evidence}): gardenlet and provider-gcp reconcile its infrastructure, and "
        "two programs must not change it; run `dualstack prepare --trigger`, or `dualstack prepare` and then edit "
        "spec.networking.ipFamilies of the Shoot, and `dualstack finish` afterwards. The operator of the landscape can "
        "run `dualstack operator --controllers infrastructure` in place of provider-gcp's Infrastructure controller"
    )


def _reconcile(identity: Identity) -> tuple[str, ...]:
    """What a reconcile of a prepared IPv4 shoot does (docs/reference/gardener.md#prepared-ipv4-reconcile)."""
    if identity.platform != "gardener":
        return ()
    window = f" ({identity.window})" if identity.window else ""
    shows = "shows an error in the Shoot's status (the pod range is in use) and changes nothing"
    comes = f"in the maintenance window{window}, after a change of its configuration, or on request"
    return (f"While the Shoot is IPv4, a reconcile of its infrastructure {shows}; the next comes {comes}.",)
