"""Health checks, global and regional (docs/reference/compute-engine.md#health-checks)."""

from __future__ import annotations

from dualstack_sim.compute.api.bodies import Schema, accept, echoed, refuse_changes
from dualstack_sim.compute.api.errors import Json, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.resource_changes import Replaced, insertion, new_key
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

_PORT_SPECIFICATIONS = ("USE_FIXED_PORT", "USE_NAMED_PORT", "USE_SERVING_PORT")
_PROXY = ("NONE", "PROXY_V1")
_HTTP: Schema = {
    "host": str, "port": int, "portName": str, "portSpecification": _PORT_SPECIFICATIONS, "proxyHeader": _PROXY,
    "requestPath": str, "response": str,
}  # fmt: skip
_TCP: Schema = {
    "port": int, "portName": str, "portSpecification": _PORT_SPECIFICATIONS, "proxyHeader": _PROXY, "request": str,
    "response": str,
}  # fmt: skip
_GRPC: Schema = {"grpcServiceName": str, "port": int, "portName": str, "portSpecification": _PORT_SPECIFICATIONS}
_PROTOCOLS: dict[str, tuple[str, Schema]] = {
    "GRPC": ("grpcHealthCheck", _GRPC),
    "GRPC_WITH_TLS": ("grpcTlsHealthCheck", {field: kind for field, kind in _GRPC.items() if field != "portName"}),
    "HTTP": ("httpHealthCheck", _HTTP),
    "HTTP2": ("http2HealthCheck", _HTTP),
    "HTTPS": ("httpsHealthCheck", _HTTP),
    "SSL": ("sslHealthCheck", _TCP),
    "TCP": ("tcpHealthCheck", _TCP),
}
_LIMITS = {
    "checkIntervalSec": (5, 1, 300),
    "timeoutSec": (5, 1, 300),
    "healthyThreshold": (2, 1, 10),
    "unhealthyThreshold": (2, 1, 10),
}
"""Field -> default, smallest and largest value."""
SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "description": str, "region": str,
    "type": tuple(_PROTOCOLS), "logConfig": {"enable": bool}, "sourceRegions": [str], **dict.fromkeys(_LIMITS, int),
    **dict(_PROTOCOLS.values()),
}  # fmt: skip
_ECHOED = ("description", "logConfig", "sourceRegions")
_CHANGED = ("type", *_ECHOED, *_LIMITS, *(field for field, _ in _PROTOCOLS.values()))


class HealthChecks(Replaced):
    """healthChecks and regionHealthChecks: insert, patch, update, delete."""

    collection = "healthChecks"

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "healthChecks", call.scope, body)
        resource = project.inventory.identity(key, "healthCheck", call.now) | _check(body)
        if call.scope.startswith("regions/"):
            resource["region"] = project.links.within(call.scope)
        return insertion(project, key, resource)

    def delete(self, call: Call) -> Work:
        """Refused while a backend service uses it."""
        project = self._project
        key, resource = self._target(call)
        for service, row in project.inventory.all("backendServices"):
            if resource["selfLink"] in row.get("healthChecks", ()) and enforced("balancing.health-check-in-use"):
                raise in_use("health_check", project.links.partial(key), project.links.partial(service))
        return Work(key, resource["id"], "delete", lambda at: project.inventory.put(at, key, None))

    def _replace(self, call: Call, kind: str, *, keep: bool) -> Work:
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        refuse_changes(body, current, ("name", "region"))
        identity = {field: value for field, value in current.items() if field not in _CHANGED}
        base = {field: current[field] for field in _CHANGED if field in current} if keep else {}
        if base and body.get("type", base["type"]) != base["type"]:
            del base[_PROTOCOLS[base["type"]][0]]
        after = identity | _check(base | body)
        return Work(key, current["id"], kind, lambda at: self._project.inventory.put(at, key, after))


def _check(body: Json) -> Json:
    """The checked fields with their defaults: one protocol, the one that `type` names."""
    given = [field for field, _ in _PROTOCOLS.values() if field in body]
    if "type" not in body:
        raise required("resource.type")
    own = _PROTOCOLS[body["type"]][0]
    for field in given:
        if field != own:
            raise invalid(f"resource.{field}", "", f"Must not be set for a health check of type {body['type']}.")
    numbers = {field: body.get(field, default) for field, (default, _, _) in _LIMITS.items()}
    for field, (_, low, high) in _LIMITS.items():
        if not low <= numbers[field] <= high:
            raise invalid(f"resource.{field}", numbers[field], f"Must be between {low} and {high}.")
    if numbers["timeoutSec"] > numbers["checkIntervalSec"]:
        raise invalid("resource.timeoutSec", numbers["timeoutSec"], "Must not be greater than checkIntervalSec.")
    protocol = body.get(own, {})
    if not 0 <= protocol.get("port", 80) <= 65535:
        raise invalid(f"resource.{own}.port", protocol["port"], "Must be a port.")
    return {"type": body["type"], own: _defaults(own) | protocol} | numbers | echoed(body, _ECHOED)


def _defaults(field: str) -> Json:
    if field.startswith("grpc"):
        return {}
    return {"proxyHeader": "NONE"} | ({"requestPath": "/"} if field.startswith("http") else {"port": 80})
