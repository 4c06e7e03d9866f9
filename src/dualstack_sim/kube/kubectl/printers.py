"""The printed columns of the built-in types, as the printers of the real server define them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dualstack.clock import parse_rfc3339
from dualstack_sim.kube.objects import lookup
from dualstack_sim.kube.selectors import selector_text
from dualstack_sim.kube.types import PrinterColumn, ResourceType

_UNKNOWN = "<unknown>"


def duration(seconds: float) -> str:
    """`45s`, `5m12s`, `3h`, `12d`: kubectl's short form, with a second unit only while the first is small."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 2:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if days < 2:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365 if days < 2920 else 0, "d")


def _two(major: int, unit: str, minor: int, smaller: str) -> str:
    return f"{major}{unit}{minor}{smaller}" if minor else f"{major}{unit}"


def age(stamp: Any, now: float) -> str:
    """How long ago an RFC 3339 time stamp was."""
    if not stamp:
        return _UNKNOWN
    try:
        return duration(now - parse_rfc3339(stamp))
    except (AttributeError, TypeError, ValueError):
        return _UNKNOWN


Tree = dict[str, Any]


def _container_reason(state: Tree) -> str | None:
    """Why a container waits, or how it terminated; None while it runs."""
    if reason := lookup(state, ("waiting", "reason")):
        return str(reason)
    ended = state.get("terminated")
    if ended:
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}")
    return None


def pod_status(pod: Tree) -> str:
    """The value of the STATUS column."""
    status = pod.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    initialising = _initialisation(status, lookup(pod, ("spec", "initContainers"), []))
    if initialising:
        word = initialising
    else:
        for container in status.get("containerStatuses") or ():
            word = _container_reason(container.get("state") or {}) or word
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word


def _initialisation(status: Tree, containers: list[Any]) -> str | None:
    for at, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        if lookup(state, ("terminated", "exitCode")) == 0:
            continue
        reason = _container_reason(state)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{at}/{len(containers)}"
    return None


def pod_row(pod: Tree, now: float) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    containers = status.get("containerStatuses") or ()
    ready = sum(1 for each in containers if each.get("ready"))
    addresses = status.get("podIPs") or ()
    return [
        pod["metadata"]["name"],
        f"{ready}/{len(spec.get('containers') or ())}",
        pod_status(pod),
        str(sum(each.get("restartCount", 0) for each in containers)),
        age(pod["metadata"].get("creationTimestamp"), now),
        addresses[0].get("ip") if addresses else "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        "<none>",
    ]


Row = Callable[[Tree, float], list[Any]]
"""The cells of one object, at a time in seconds since the epoch."""

_NONE = "<none>"


def _columns(text: str) -> tuple[PrinterColumn, ...]:
    """Columns from a list of names; `*` marks columns of the wide output only, `#` numeric columns."""
    made = []
    for word in text.split("|"):
        name = word.strip("*# ")
        kind = "integer" if "#" in word else "string"
        made.append(PrinterColumn(name, "", kind, "name" if name == "Name" else "", priority=1 if "*" in word else 0))
    return tuple(made)


def _age(manifest: Tree, now: float) -> str:
    return age(manifest["metadata"].get("creationTimestamp"), now)


def _name(manifest: Tree) -> str:
    return str(manifest["metadata"]["name"])


def _containers(manifest: Tree) -> list[str]:
    containers = lookup(manifest, ("spec", "template", "spec", "containers"), [])
    names = ",".join(each.get("name", "") for each in containers)
    return [names, ",".join(each.get("image", "") for each in containers)]


def _selector(manifest: Tree) -> str:
    return selector_text(lookup(manifest, ("spec", "selector"), {})) or _NONE


def _node(node: Tree, now: float) -> list[Any]:
    status, spec = node.get("status") or {}, node.get("spec") or {}
    ready = next((each.get("status") for each in status.get("conditions") or () if each.get("type") == "Ready"), None)
    states = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if spec.get("unschedulable"):
        states.append("SchedulingDisabled")
    labels = node["metadata"].get("labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix) and key != prefix)
    addresses = status.get("addresses") or ()
    shown = {
        kind: next((each.get("address") for each in addresses if each.get("type") == kind), _NONE)
        for kind in ("InternalIP", "ExternalIP")
    }
    info = status.get("nodeInfo") or {}
    return [
        _name(node),
        ",".join(states),
        ",".join(roles) or _NONE,
        _age(node, now),
        info.get("kubeletVersion", ""),
        shown["InternalIP"],
        shown["ExternalIP"],
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _service(service: Tree, now: float) -> list[Any]:
    spec = service.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    ports = ",".join(
        f"{each.get('port')}{':' + str(each['nodePort']) if each.get('nodePort') else ''}/{each.get('protocol', 'TCP')}"
        for each in spec.get("ports") or ()
    )
    ingress = lookup(service, ("status", "loadBalancer", "ingress"), [])
    outside = [str(each.get("ip") or each.get("hostname")) for each in ingress] + list(spec.get("externalIPs") or ())
    external = ",".join(outside) or ("<pending>" if kind == "LoadBalancer" else _NONE)
    if kind == "ExternalName":
        external = spec.get("externalName", _NONE)
    address = spec.get("clusterIP") or _NONE
    return [_name(service), kind, address, external, ports or _NONE, _age(service, now), _selector(service)]


def _deployment(deployment: Tree, now: float) -> list[Any]:
    status = deployment.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{lookup(deployment, ('spec', 'replicas'), 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    rest = [*_containers(deployment), _selector(deployment)]
    return [_name(deployment), ready, *counts, _age(deployment, now), *rest]


def _replica_set(replica_set: Tree, now: float) -> list[Any]:
    status = replica_set.get("status") or {}
    counts = [
        lookup(replica_set, ("spec", "replicas"), 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
    ]
    return [_name(replica_set), *counts, _age(replica_set, now), *_containers(replica_set), _selector(replica_set)]


def _stateful_set(stateful_set: Tree, now: float) -> list[Any]:
    ready = lookup(stateful_set, ("status", "readyReplicas"), 0)
    wanted = lookup(stateful_set, ("spec", "replicas"), 0)
    return [_name(stateful_set), f"{ready}/{wanted}", _age(stateful_set, now), *_containers(stateful_set)]


def _daemon_set(daemon_set: Tree, now: float) -> list[Any]:
    status = daemon_set.get("status") or {}
    counts = [
        status.get(field, 0)
        for field in (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        )
    ]
    placed = selector_text(lookup(daemon_set, ("spec", "template", "spec", "nodeSelector"), {})) or _NONE
    rest = [_age(daemon_set, now), *_containers(daemon_set), _selector(daemon_set)]
    return [_name(daemon_set), *counts, placed, *rest]


def _event(event: Tree, now: float) -> list[Any]:
    about = event.get("involvedObject") or event.get("regarding") or {}
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = event.get("lastTimestamp") or lookup(event, ("series", "lastObservedTime")) or first
    count = event.get("count") or lookup(event, ("series", "count"), 1)
    source = event.get("source") or {}
    origin = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance")
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        f"{origin}, {host}" if host else origin,
        (event.get("message") or event.get("note") or "").strip(),
        age(first, now),
        count,
        _name(event),
    ]


def _lease(lease: Tree, now: float) -> list[Any]:
    return [_name(lease), lookup(lease, ("spec", "holderIdentity"), ""), _age(lease, now)]


def _namespace(namespace: Tree, now: float) -> list[Any]:
    return [_name(namespace), lookup(namespace, ("status", "phase"), ""), _age(namespace, now)]


def _config_map(config_map: Tree, now: float) -> list[Any]:
    count = len(config_map.get("data") or ()) + len(config_map.get("binaryData") or ())
    return [_name(config_map), count, _age(config_map, now)]


def _secret(secret: Tree, now: float) -> list[Any]:
    return [_name(secret), secret.get("type", ""), len(secret.get("data") or ()), _age(secret, now)]


def _endpoints(endpoints: Tree, now: float) -> list[Any]:
    shown = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in endpoints.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    more = f" + {len(shown) - 3} more..." if len(shown) > 3 else ""
    return [_name(endpoints), (",".join(shown[:3]) + more) or _NONE, _age(endpoints, now)]


def _endpoint_slice(piece: Tree, now: float) -> list[Any]:
    ports = ",".join(str(each.get("port")) for each in piece.get("ports") or ()) or "<unset>"
    addresses = [each for point in piece.get("endpoints") or () for each in point.get("addresses") or ()]
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    ends = (",".join(addresses[:3]) + more) or "<unset>"
    return [_name(piece), piece.get("addressType", ""), ports, ends, _age(piece, now)]


def _budget(budget: Tree, now: float) -> list[Any]:
    spec = budget.get("spec") or {}
    limits = [
        str(spec[field]) if spec.get(field) is not None else "N/A" for field in ("minAvailable", "maxUnavailable")
    ]
    return [_name(budget), *limits, lookup(budget, ("status", "disruptionsAllowed"), 0), _age(budget, now)]


def _definition(definition: Tree, now: float) -> list[Any]:
    return [_name(definition), definition["metadata"].get("creationTimestamp")]


def _service_account(account: Tree, now: float) -> list[Any]:
    return [_name(account), len(account.get("secrets") or ()), _age(account, now)]


_ROWS: dict[tuple[str, str], tuple[Sequence[PrinterColumn], Row]] = {
    ("", "nodes"): (
        _columns(
            "Name|Status|Roles|Age|Version|*Internal-IP|*External-IP|*OS-Image|*Kernel-Version|*Container-Runtime"
        ),
        _node,
    ),
    ("", "pods"): (
        _columns("Name|Ready|Status|Restarts|Age|*IP|*Node|*Nominated Node|*Readiness Gates"),
        pod_row,
    ),
    ("", "services"): (_columns("Name|Type|Cluster-IP|External-IP|Port(s)|Age|*Selector"), _service),
    ("apps", "deployments"): (
        _columns("Name|Ready|#Up-to-date|#Available|Age|*Containers|*Images|*Selector"),
        _deployment,
    ),
    ("apps", "replicasets"): (
        _columns("Name|#Desired|#Current|#Ready|Age|*Containers|*Images|*Selector"),
        _replica_set,
    ),
    ("apps", "statefulsets"): (_columns("Name|Ready|Age|*Containers|*Images"), _stateful_set),
    ("apps", "daemonsets"): (
        _columns(
            "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age|*Containers|*Images|*Selector"
        ),
        _daemon_set,
    ),
    ("", "events"): (
        _columns("Last Seen|Type|Reason|Object|*Subobject|*Source|Message|*First Seen|*#Count|*Name"),
        _event,
    ),
    ("coordination.k8s.io", "leases"): (_columns("Name|Holder|Age"), _lease),
    ("", "namespaces"): (_columns("Name|Status|Age"), _namespace),
    ("", "configmaps"): (_columns("Name|#Data|Age"), _config_map),
    ("", "secrets"): (_columns("Name|Type|#Data|Age"), _secret),
    ("", "endpoints"): (_columns("Name|Endpoints|Age"), _endpoints),
    ("", "serviceaccounts"): (_columns("Name|#Secrets|Age"), _service_account),
    ("discovery.k8s.io", "endpointslices"): (_columns("Name|AddressType|Ports|Endpoints|Age"), _endpoint_slice),
    ("policy", "poddisruptionbudgets"): (
        _columns("Name|Min Available|Max Unavailable|#Allowed Disruptions|Age"),
        _budget,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (_columns("Name|Created At"), _definition),
}


def printer(resource: ResourceType) -> tuple[Sequence[PrinterColumn], Row] | None:
    """The columns of a built-in type and the function that makes its cells; None for a type with default columns."""
    return _ROWS.get(resource.storage_key)
