"""The state of a Machine from its manifest and its Node, and the order of deletion (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.clock import parse_rfc3339
from dualstack.gardener.model.names import MACHINE_FINALIZER
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.pods import condition, is_terminating, owner_reference

HASH_LABEL = "machine-template-hash"
PRIORITY = "machinepriority.machine.sapcloud.io"
FORCE_DELETION = "force-deletion"
_MIDDLE_PRIORITY = 3
_FROM_WORST_TO_BEST = ("Terminating", "Failed", "CrashLoopBackOff", "Unknown", "", "Pending", "Available", "Running")
_MUST_BE_FALSE = ("KernelDeadlock", "ReadonlyFilesystem", "DiskPressure", "NetworkUnavailable")


def phase_of(machine: Manifest) -> str:
    """`status.currentStatus.phase`; empty for a new machine."""
    return str(machine.get("status", {}).get("currentStatus", {}).get("phase", ""))


def is_active(machine: Manifest) -> bool:
    """Whether it counts as a replica of its MachineSet."""
    return not is_terminating(machine) and phase_of(machine) not in ("Failed", "Terminating")


def is_running(machine: Manifest) -> bool:
    """Whether it is a ready replica: joined, healthy and not terminating."""
    return not is_terminating(machine) and phase_of(machine) == "Running"


def updated_at(machine: Manifest) -> float:
    """The time of the last phase change, or of the creation, in seconds since the epoch."""
    stamp = machine.get("status", {}).get("currentStatus", {}).get("lastUpdateTime")
    return parse_rfc3339(stamp or machine["metadata"]["creationTimestamp"])


def seconds_to_available(machine: Manifest, least_ready: float, now: float) -> float:
    """Seconds until the Node of a running machine will have been ready for `least_ready` seconds; 0 if it has.

    Without a copy of the Node's conditions, the time of the last phase change counts.
    """
    since = (condition(machine, "Ready") or {}).get("lastTransitionTime")
    start = parse_rfc3339(since) if since else updated_at(machine)
    return max(0.0, start + least_ready - now)


def deletion_order(machines: Iterable[Manifest]) -> list[Manifest]:
    """The order in which a MachineSet deletes machines: lowest priority, worst phase, youngest, then by name."""
    by_name = sorted(machines, key=lambda machine: str(machine["metadata"]["name"]))
    youngest_first = sorted(by_name, key=lambda machine: machine["metadata"].get("creationTimestamp", ""), reverse=True)
    return sorted(youngest_first, key=lambda machine: (_priority(machine), _rank(machine)))


def _priority(machine: Manifest) -> int:
    try:
        return int((machine["metadata"].get("annotations") or {}).get(PRIORITY, _MIDDLE_PRIORITY))
    except ValueError:
        return _MIDDLE_PRIORITY


def _rank(machine: Manifest) -> int:
    phase = phase_of(machine)
    return _FROM_WORST_TO_BEST.index(phase) if phase in _FROM_WORST_TO_BEST else len(_FROM_WORST_TO_BEST)


def node_problem(node: Manifest | None) -> str | None:
    """Why a machine with this Node is not healthy; None if it is.

    Ready must be True, and the conditions that the machine controller watches by default must be False, among them
    NetworkUnavailable: a failed route can cost the machine.
    """
    if node is None:
        return "the Node object is missing"
    ready = condition(node, "Ready")
    if ready is None or ready.get("status") != "True":
        return f"Ready is {(ready or {}).get('status', 'missing')}"
    for name in _MUST_BE_FALSE:
        found = condition(node, name)
        if found is not None and found.get("status") != "False":
            return f"{name} is {found.get('status')}"
    return None


def without_heartbeats(conditions: Iterable[Mapping[str, Any]] | None) -> list[tuple[Any, ...]]:
    """Conditions without their heartbeats, for comparison."""
    names = ("type", "status", "reason", "message", "lastTransitionTime")
    return sorted(tuple(str(each.get(name, "")) for name in names) for each in conditions or ())


def zone_of(provider_id: str) -> str:
    """The zone in `gce:///<project>/<zone>/<name>`; ValueError for anything else."""
    parts = provider_id.removeprefix("gce:///").split("/")
    if not provider_id.startswith("gce:///") or len(parts) != 3 or not all(parts):
        raise ValueError(f"{provider_id!r} is not a provider ID of the form gce:///<project>/<zone>/<name>")
    return parts[1]


def same_template(one: Manifest, other: Manifest) -> bool:
    """Whether two machine templates produce the same machines.

    The hash label does not count, nor does the node template, which is updated in place
    (docs/reference/gardener.md#node-replacement).
    """
    return bool(_comparable(one) == _comparable(other))


def _comparable(template: Manifest) -> Any:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    return stripped(
        {
            "labels": {key: text for key, text in (metadata.get("labels") or {}).items() if key != HASH_LABEL},
            "annotations": metadata.get("annotations"),
            "spec": {key: value for key, value in spec.items() if key not in ("nodeTemplate", "providerID")},
        }
    )


def stripped(value: Any) -> Any:
    """`value` without empty parts, so that absent and empty compare equal."""
    if isinstance(value, dict):
        kept = {key: stripped(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, {}, [], "")}
    if isinstance(value, list):
        return [stripped(each) for each in value]
    return value


def template_hash(template: Manifest, collisions: int = 0) -> str:
    """Five hexadecimal digits for a machine template, others for each number of collisions."""
    text = json.dumps([_comparable(template), collisions], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:5]


def is_orphan_of(manifest: Manifest, owner: Manifest) -> bool:
    """Whether it has no controller and matches the owner's selector."""
    metadata = manifest["metadata"]
    if any(reference.get("controller") for reference in metadata.get("ownerReferences") or ()):
        return False
    wanted = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = metadata.get("labels") or {}
    return (
        metadata["namespace"] == owner["metadata"]["namespace"]
        and bool(wanted)
        and all(labels.get(key) == text for key, text in wanted.items())
    )


def adoption(kind: Kind, owner: Manifest, orphan: Manifest) -> Manifest:
    """The patch that makes `owner` (of `kind`) the controller of the orphan."""
    references = orphan["metadata"].get("ownerReferences") or []
    return {
        "metadata": {"uid": orphan["metadata"]["uid"], "ownerReferences": [*references, owner_reference(kind, owner)]}
    }


def released(manifest: Manifest) -> Manifest | None:
    """The patch that removes the machine controller's finalizer; None if it is not set."""
    finalizers = manifest["metadata"].get("finalizers") or []
    if MACHINE_FINALIZER not in finalizers:
        return None
    return {"metadata": {"finalizers": [each for each in finalizers if each != MACHINE_FINALIZER]}}
