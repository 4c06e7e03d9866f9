"""The webhook of provider-gcp for Services of a shoot (docs/reference/gardener.md#service-webhook)."""

from __future__ import annotations

from dualstack.model.json_path import dig
from dualstack.model.kinds import SERVICE, Kind, Manifest
from dualstack.model.names import KUBE_DNS, KUBE_SYSTEM, L4_RBS
from dualstack_sim.actors.ingress_gce import INTERNAL
from dualstack_sim.kube.interface import ObjectStore
from dualstack_sim.kube.preparation import Operation


class ServiceWebhook:
    """Register with `store.admission.register("", "services", ServiceWebhook(store))`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """Mark a new external load balancer for ingress-gce once the DNS Service is dual-stack; change nothing else."""
        if operation != "CREATE" or dig(new, "spec", "type") != "LoadBalancer":
            return new
        annotations = new["metadata"].get("annotations") or {}
        dns = self._store.get(SERVICE, KUBE_DNS, KUBE_SYSTEM)
        if annotations.get(INTERNAL) != "Internal" and "IPv6" in (dig(dns, "spec", "ipFamilies") or ()):
            new["metadata"]["annotations"] = {**annotations, L4_RBS: "enabled"}
        return new
