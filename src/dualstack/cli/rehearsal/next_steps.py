"""What the user of a live cluster does after such a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dualstack.cli.rehearsal.record import BACK, Direction
from dualstack.model.enumeration import listed
from dualstack.model.kinds import Manifest
from dualstack.verify.checks import ON_ALIASES, ON_ROUTES
from dualstack.verify.judging import Check


def after_success(direction: Direction, pods: Iterable[Manifest], services: Iterable[Manifest]) -> tuple[str, ...]:
    """The steps after a run that reached its end, one sentence each.

    pods: those of the cluster's Nodes. services: all Services of the cluster.
    """
    if direction is BACK:
        return ("Nothing: the cluster is IPv4 again, on alias ranges.",)
    steps = []
    if workloads := sorted({_workload(pod) for pod in pods if _is_old(pod)}):
        steps.append(
            f"Restart the workloads whose pods still have IPv4 only: {listed(workloads)} "
            "(kubectl -n NAMESPACE rollout restart KIND/NAME)."
        )
    single = [service for service in services if _may_become_dual_stack(service)]
    if names := [_name(service) for service in single if service["spec"].get("type") != "LoadBalancer"]:
        steps.append(f"Set `ipFamilyPolicy: PreferDualStack` on each Service that is to get IPv6: {listed(names)}.")
    if names := [_name(service) for service in single if service["spec"].get("type") == "LoadBalancer"]:
        steps.append(
            f"Load balancers that exist stay IPv4: {listed(names)}. For IPv6, create another Service with "
            "`ipFamilyPolicy: PreferDualStack` for each, publish its addresses (A and AAAA), then delete the old one."
        )
    return tuple(steps)


def after_failure(checks: Sequence[Check]) -> tuple[str, ...]:
    """The steps after a run that failed, by the state that it left."""
    passed = {check.id for check in checks if check.status == "passed"}
    if passed >= ON_ROUTES.keys():
        return ("Nothing to undo: the cluster is on routes, as before. Remove the cause above, and rehearse again.",)
    if passed >= ON_ALIASES.keys():
        return ("Remove the cause above; the operator resumes from here. Pods stay on alias ranges meanwhile.",)
    return ("Remove the cause above, and check the failed checks; on a live cluster the operator resumes from here.",)


def _is_old(pod: Manifest) -> bool:
    spec, status = pod["spec"], pod.get("status") or {}
    return not spec.get("hostNetwork") and len(status.get("podIPs") or ()) == 1


def _workload(pod: Manifest) -> str:
    """The workload as kubectl names it; a ReplicaSet stands for its Deployment."""
    metadata = pod["metadata"]
    owner = next(iter(metadata.get("ownerReferences") or ()), {"kind": "Pod", "name": metadata["name"]})
    kind, name = str(owner["kind"]), str(owner["name"])
    if kind == "ReplicaSet":
        kind, name = "Deployment", name.rpartition("-")[0]
    return f"{metadata['namespace']} {kind.lower()}/{name}"


def _may_become_dual_stack(service: Manifest) -> bool:
    spec, metadata = service["spec"], service["metadata"]
    if (metadata["namespace"], metadata["name"]) == ("default", "kubernetes") or spec.get("type") == "ExternalName":
        return False
    return bool(spec.get("ipFamilyPolicy", "SingleStack") == "SingleStack")


def _name(service: Manifest) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"
