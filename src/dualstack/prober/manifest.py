"""The probing pods of the decoy check: a DaemonSet that may only write Leases in its own namespace."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.kinds import DAEMON_SET, NAMESPACE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.node_pods import LEASES, node_pods, rights
from dualstack.prober.report import NAME
from dualstack.prober.report import NAMESPACE as HOME

LABELS = {"app.kubernetes.io/name": NAME}


def prober(image: str, addresses: Iterable[str]) -> list[tuple[Kind, Manifest]]:
    """The objects that probe `addresses`, in the order of creation. Deleting the namespace removes all of them."""
    requests = {"cpu": "5m", "memory": "48Mi"}
    words = ["dualstack", "prober"]
    pods = node_pods(NAME, HOME, image, labels=LABELS, words=words, requests=requests, memory="128Mi")
    (container,) = pods["spec"]["template"]["spec"]["containers"]
    container["args"] = list(addresses)
    return [(NAMESPACE, manifest(NAMESPACE, HOME)), *rights(NAME, HOME, [LEASES]), (DAEMON_SET, pods)]


def addresses_of(daemon_set: Manifest) -> tuple[str, ...]:
    """The addresses that the pods of the DaemonSet probe."""
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    return tuple(container.get("args") or ())
