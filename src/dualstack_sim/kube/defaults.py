"""Defaults of the real API server that clients and controllers rely on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from dualstack_sim.kube.types import ResourceType

Tree = dict[str, Any]


def _with_defaults(tree: Tree | None, **defaults: Any) -> Tree:
    """`tree` with `defaults` for fields that are missing or null."""
    tree = tree or {}
    missing = {key: value for key, value in defaults.items() if tree.get(key) is None}
    return {**tree, **missing} if missing else tree


def _container(container: Tree) -> Tree:
    image = str(container.get("image") or "")
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    result = _with_defaults(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest and "@" not in image else "IfNotPresent",
    )
    if result.get("ports"):
        result = {**result, "ports": [_with_defaults(port, protocol="TCP") for port in result["ports"]]}
    return result


def _pod_spec(spec: Tree | None) -> Tree:
    result = _with_defaults(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for field in ("containers", "initContainers"):
        if result.get(field):
            result = {**result, field: [_container(container) for container in result[field]]}
    return result


def _template(template: Tree | None) -> Tree:
    template = template or {}
    return {**template, "metadata": template.get("metadata") or {}, "spec": _pod_spec(template.get("spec"))}


def _with_tolerations(spec: Tree) -> Tree:
    """Add the tolerations of the DefaultTolerationSeconds admission plugin: five minutes for an unreachable node."""
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            (each.get("key") == key or not each.get("key")) and each.get("effect") in (None, "", "NoExecute")
            for each in tolerations
        ):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    return {**spec, "tolerations": tolerations}


def _pod(pod: Tree) -> Tree:
    spec = _with_defaults(_pod_spec(pod.get("spec")), enableServiceLinks=True, serviceAccountName="default", priority=0)
    spec = _with_defaults(spec, preemptionPolicy="PreemptLowerPriority", serviceAccount=spec["serviceAccountName"])
    return {**pod, "spec": _with_tolerations(spec), "status": _pod_addresses(pod.get("status") or {})}


def _pod_addresses(status: Tree) -> Tree:
    """podIP is the first of podIPs; if they differ, podIP takes precedence."""
    single, several = status.get("podIP"), status.get("podIPs")
    if single and (not several or several[0].get("ip") != single):
        return {**status, "podIPs": [{"ip": single}]}
    if several and not single:
        return {**status, "podIP": several[0].get("ip")}
    return status


def _node(node: Tree) -> Tree:
    """podCIDR is the first of podCIDRs; if they differ, podCIDR takes precedence."""
    spec = node.get("spec") or {}
    single, several = spec.get("podCIDR"), spec.get("podCIDRs")
    if single and (not several or several[0] != single):
        spec = {**spec, "podCIDRs": [single]}
    elif several and not single:
        spec = {**spec, "podCIDR": several[0]}
    return {**node, "spec": spec, "status": _node_status(node.get("status"))}


_NODE_INFO = dict.fromkeys(
    (
        *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"),
        *("kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"),
    ),
    "",
)


def _node_status(status: Tree | None) -> Tree:
    """Fields that Go writes also when they are empty."""
    result = _with_defaults(status, daemonEndpoints={"kubeletEndpoint": {"Port": 0}})
    result = {**result, "nodeInfo": _with_defaults(result.get("nodeInfo"), **_NODE_INFO)}
    if not result.get("conditions"):
        return result
    times = ("lastHeartbeatTime", "lastTransitionTime")
    return {**result, "conditions": [dict.fromkeys(times) | each for each in result["conditions"]]}


def _event(event: Tree) -> Tree:
    """Fields that Go writes also when they are empty."""
    empty: Tree = {"reportingComponent": "", "reportingInstance": "", "source": {}}
    return {**dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")), **empty, **event}


def _deployment(deployment: Tree) -> Tree:
    spec = _with_defaults(
        deployment.get("spec"),
        replicas=1,
        strategy={"type": "RollingUpdate"},
        revisionHistoryLimit=10,
        progressDeadlineSeconds=600,
    )
    strategy = _with_defaults(spec["strategy"], type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = _with_defaults(strategy.get("rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
        strategy = {**strategy, "rollingUpdate": rolling}
    return {**deployment, "spec": {**spec, "strategy": strategy, "template": _template(spec.get("template"))}}


def _replica_set(replica_set: Tree) -> Tree:
    spec = _with_defaults(replica_set.get("spec"), replicas=1)
    spec = {**spec, "template": _template(spec.get("template"))}
    return {**replica_set, "spec": spec, "status": _with_defaults(replica_set.get("status"), replicas=0)}


def _daemon_set(daemon_set: Tree) -> Tree:
    spec = _with_defaults(daemon_set.get("spec"), updateStrategy={"type": "RollingUpdate"}, revisionHistoryLimit=10)
    update = _with_defaults(spec["updateStrategy"], type="RollingUpdate")
    if update["type"] == "RollingUpdate":
        update = {**update, "rollingUpdate": _with_defaults(update.get("rollingUpdate"), maxUnavailable=1, maxSurge=0)}
    status = _with_defaults(
        daemon_set.get("status"),
        currentNumberScheduled=0,
        desiredNumberScheduled=0,
        numberMisscheduled=0,
        numberReady=0,
    )
    spec = {**spec, "updateStrategy": update, "template": _template(spec.get("template"))}
    return {**daemon_set, "spec": spec, "status": status}


def _stateful_set(stateful_set: Tree) -> Tree:
    spec = _with_defaults(
        stateful_set.get("spec"),
        replicas=1,
        podManagementPolicy="OrderedReady",
        revisionHistoryLimit=10,
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    )
    spec = {**spec, "template": _template(spec.get("template"))}
    return {**stateful_set, "spec": spec, "status": _with_defaults(stateful_set.get("status"), replicas=0)}


def _service_port(port: Tree) -> Tree:
    """Go's clients send 0 or an empty text for a targetPort that is not set."""
    given = {key: value for key, value in port.items() if key != "targetPort" or value not in (0, "")}
    return _with_defaults(given, protocol="TCP", targetPort=port.get("port"))


def _service(service: Tree) -> Tree:
    spec = _with_defaults(service.get("spec"), type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        spec = _with_defaults(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec = _with_defaults(spec, externalTrafficPolicy="Cluster")
    if spec.get("ports"):
        ports = [_service_port(port) for port in spec["ports"]]
        spec = {**spec, "ports": ports}
    return {**service, "spec": spec, "status": _with_defaults(service.get("status"), loadBalancer={})}


def _namespace(namespace: Tree) -> Tree:
    name = namespace["metadata"].get("name")
    labels = {**(namespace["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}
    return {
        **namespace,
        "metadata": {**namespace["metadata"], "labels": labels},
        "spec": _with_defaults(namespace.get("spec"), finalizers=["kubernetes"]),
        "status": _with_defaults(namespace.get("status"), phase="Active"),
    }


def _secret(secret: Tree) -> Tree:
    secret = _with_defaults(secret, type="Opaque")
    plain = secret.get("stringData")
    if not plain:
        return secret
    data = {key: b64encode(str(value).encode()).decode() for key, value in plain.items()}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **data}}


_DEFAULTS: dict[tuple[str, str], Callable[[Tree], Tree]] = {
    ("", "events"): _event,
    ("", "namespaces"): _namespace,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
    ("", "secrets"): _secret,
    ("", "services"): _service,
    ("apps", "deployments"): _deployment,
    ("apps", "replicasets"): _replica_set,
    ("apps", "daemonsets"): _daemon_set,
    ("apps", "statefulsets"): _stateful_set,
}


def with_defaults(resource: ResourceType, manifest: Tree) -> Tree:
    """`manifest` with the defaults of its type."""
    default = _DEFAULTS.get(resource.key)
    return default(manifest) if default else manifest
