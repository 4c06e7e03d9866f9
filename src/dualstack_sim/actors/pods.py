"""The state of a pod from its manifest, and pods from templates (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from dualstack.clock import parse_rfc3339
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.informer import owner_uid

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""The alphabet of generated names: no vowels, no look-alikes."""

BY_NODE = "node"
BY_OWNER = "owner"
"""Names of the indexes by node and by controlling owner."""


def by_node(pod: Manifest) -> Iterable[str]:
    """Index function: the node that a pod is bound to."""
    name = pod.get("spec", {}).get("nodeName")
    return (name,) if name else ()


def by_owner(manifest: Manifest) -> Iterable[str]:
    """Index function: the uid of the controlling owner."""
    uid = owner_uid(manifest)
    return (uid,) if uid else ()


def controller_of(manifest: Manifest) -> tuple[str, str]:
    """Kind and name of the controlling owner; empty strings when there is none."""
    for reference in manifest["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            return str(reference["kind"]), str(reference["name"])
    return "", ""


def condition(manifest: Manifest, kind: str) -> dict[str, Any] | None:
    """The status condition of that type."""
    for each in manifest.get("status", {}).get("conditions") or ():
        if each.get("type") == kind:
            found: dict[str, Any] = each
            return found
    return None


def is_true(manifest: Manifest, kind: str) -> bool:
    """Whether the status condition of that type is True."""
    found = condition(manifest, kind)
    return found is not None and found.get("status") == "True"


def is_terminating(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("deletionTimestamp"))


def is_active(pod: Manifest) -> bool:
    """Whether a controller counts the pod: it has not ended and is not terminating."""
    return not is_terminating(pod) and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Manifest) -> bool:
    return is_true(pod, "Ready")


def seconds_to_available(pod: Manifest, least_ready: float, now: float) -> float | None:
    """Seconds until the pod will have been ready for `least_ready` seconds; 0 if it has, None if it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    since = ready.get("lastTransitionTime")
    if not least_ready or not since:
        return 0.0
    return max(0.0, parse_rfc3339(since) + least_ready - now)


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return not toleration.get("key") or toleration["key"] == taint.get("key")
    return toleration.get("key") == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    taints: Iterable[Mapping[str, Any]], tolerations: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The taints that are not tolerated. PreferNoSchedule does not count."""
    taints = list(taints)
    if not taints:
        return []
    tolerations = list(tolerations)
    return [
        taint
        for taint in taints
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint)
    ]


def selected(labels: Mapping[str, str] | None, selector: Mapping[str, str] | None) -> bool:
    """Whether the labels match a nodeSelector or matchLabels."""
    return all((labels or {}).get(key) == value for key, value in (selector or {}).items())


def template_hash(template: Mapping[str, Any]) -> str:
    """Ten characters, equal for equal pod templates."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters = []
    for _ in range(10):
        number, digit = divmod(number, len(NAME_ALPHABET))
        letters.append(NAME_ALPHABET[digit])
    return "".join(letters)


def owner_reference(kind: Kind, owner: Manifest) -> dict[str, Any]:
    """A controlling owner reference."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_of(
    kind: Kind,
    owner: Manifest,
    *,
    name: str,
    labels: Mapping[str, str] | None = None,
    node: str | None = None,
    tolerations: Iterable[Mapping[str, Any]] = (),
) -> Manifest:
    """A pod from the template of `owner`, with additional labels and tolerations, bound to `node` if given."""
    template = owner["spec"]["template"]
    metadata = template.get("metadata") or {}
    spec = dict(template.get("spec") or {})
    more = list(tolerations)
    if more:
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *more]
    if node:
        spec["nodeName"] = node
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(metadata.get("labels") or {}), **(labels or {})},
            "ownerReferences": [owner_reference(kind, owner)],
        },
        "spec": spec,
    }
    if metadata.get("annotations"):
        manifest["metadata"]["annotations"] = dict(metadata["annotations"])
    return manifest
