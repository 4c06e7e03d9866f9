"""What is created below an object and is no object itself: evictions, bindings, tokens; and access reviews."""

from __future__ import annotations

from typing import Any

from dualstack.clock import rfc3339
from dualstack_sim.kube.deletion import delete_options
from dualstack_sim.kube.records import Record
from dualstack_sim.kube.status import bad_request, conflict
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.trees import lookup
from dualstack_sim.kube.types import ResourceType
from dualstack_sim.kube.writes import Target, WriteOptions

_CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    """Answers POST to subresources."""

    def __init__(self, store: KubeStore) -> None:
        self._store = store
        self._posts = {"eviction": self._evict, "binding": self._bind, "token": self._token}

    def post(self, target: Target, body: Any, options: WriteOptions) -> dict[str, Any] | None:
        """The answer (201), or None if nothing can be created there."""
        names = {each.name for each in target.resource.subresources if "create" in each.verbs}
        action = self._posts.get(target.subresource or "")
        if action is None or target.subresource not in names:
            return None
        if not isinstance(body, dict):
            raise bad_request("the body must be a JSON object")
        return action(target, self._store.shelves.existing(*target.place), body, options)

    def _evict(self, target: Target, pod: Record, body: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
        given = lookup(body, ("metadata", "name"), target.name)
        if given != target.name:
            raise bad_request(f"name in URL does not match name in Eviction object: {target.name} != {given}")
        deletion = delete_options(body.get("deleteOptions") or {}, {"dryRun": "All"} if options.dry_run else {})
        self._store.disruption.check_eviction(pod)
        self._store.deletion.delete(target.resource, target.namespace, target.name, deletion)
        return _CREATED

    def _bind(self, target: Target, pod: Record, body: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
        node = lookup(body, ("target", "name"))
        if not isinstance(node, str) or not node:
            raise bad_request("Binding.target.name: Required value")
        spec = pod.manifest.get("spec") or {}
        if spec.get("nodeName"):
            why = f'pod {pod.name} is already assigned to node "{spec["nodeName"]}"'
            raise conflict("", "pods/binding", pod.name, why)
        status = pod.manifest.get("status") or {}
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": rfc3339(self._store.clock.now()),
        }
        others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
        new = {
            **pod.manifest,
            "spec": {**spec, "nodeName": node},
            "status": {**status, "conditions": [*others, scheduled]},
        }
        self._store.writer.commit(target, pod, new, options)
        return _CREATED

    def _token(self, target: Target, account: Record, body: dict[str, Any], _: WriteOptions) -> dict[str, Any]:
        seconds = lookup(body, ("spec", "expirationSeconds"), 3600)
        if not isinstance(seconds, int):
            raise bad_request("TokenRequest.spec.expirationSeconds must be an integer")
        expires = rfc3339(self._store.clock.now() + seconds)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": target.name, "namespace": target.namespace},
            "spec": {**(body.get("spec") or {}), "expirationSeconds": seconds},
            "status": {"token": f"simulated-token-of-{account.uid}", "expirationTimestamp": expires},
        }


_USER = {"username": "admin", "groups": ["system:masters", "system:authenticated"]}


def review(resource: ResourceType, body: Any) -> dict[str, Any]:
    """The answer to an access or token review: the server knows one user, who may do everything."""
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object")
    rules = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    statuses: dict[str, dict[str, Any]] = {
        "selfsubjectrulesreviews": {
            "resourceRules": [rules],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        },
        "selfsubjectreviews": {"userInfo": _USER},
        "tokenreviews": {"authenticated": True, "user": _USER},
    }
    status = statuses.get(resource.plural, {"allowed": True, "reason": "the simulated API server has no authorization"})
    return {**body, "kind": resource.kind, "apiVersion": resource.api_version(), "status": status}
