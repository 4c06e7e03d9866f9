"""The objects of a measurement: a namespace with all that is in it. Deleting the namespace removes everything."""

from __future__ import annotations

from dualstack.model.kinds import DAEMON_SET, NAMESPACE, SERVICE, Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.node_pods import LEASES, node_pods, rights
from dualstack.traffic.node_report import NAME, PORT
from dualstack.traffic.node_report import NAMESPACE as HOME
from dualstack.traffic.pairs import PLAN

LABELS = {"app.kubernetes.io/name": NAME}
OWNED = {**LABELS, "app.kubernetes.io/managed-by": "dualstack"}
"""Labels of the namespace, which show that it is ours."""


def namespace() -> Manifest:
    result = manifest(NAMESPACE, HOME)
    result["metadata"]["labels"] = dict(OWNED)
    return result


def contents(image: str) -> list[tuple[Kind, Manifest]]:
    """What is in the namespace, in the order of creation, without the plan. image: of this program."""
    plan = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [PLAN], "verbs": ["get"]}
    return [*rights(NAME, HOME, [LEASES, plan]), (SERVICE, _service()), (DAEMON_SET, _daemon_set(image))]


def _service() -> Manifest:
    ports = [{"name": name.lower(), "protocol": name, "port": PORT, "targetPort": PORT} for name in ("TCP", "UDP")]
    return manifest(SERVICE, NAME, HOME, spec={"selector": LABELS, "ipFamilyPolicy": "PreferDualStack", "ports": ports})


def _daemon_set(image: str) -> Manifest:
    requests = {"cpu": "100m", "memory": "64Mi"}
    words = ["dualstack", "prober", "--traffic"]
    result = node_pods(NAME, HOME, image, labels=LABELS, words=words, requests=requests, memory="256Mi")
    pod = result["spec"]["template"]["spec"]
    del pod["priorityClassName"]  # a measurement must not evict a workload
    (container,) = pod["containers"]
    container["ports"] = [{"containerPort": PORT, "protocol": "TCP"}, {"containerPort": PORT, "protocol": "UDP"}]
    return result
