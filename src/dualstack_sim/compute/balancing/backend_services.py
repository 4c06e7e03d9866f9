"""Backend services, global and regional (docs/reference/compute-engine.md#backend-services)."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.bodies import Schema, accept, accept_list, echoed, one_of, refuse_changes
from dualstack_sim.compute.api.errors import ApiError, Json, condition_not_met, in_use, invalid, required
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key
from dualstack_sim.compute.api.resource_changes import Replaced, insertion, new_key
from dualstack_sim.compute.balancing.backend_groups import balanced_group_of, find_group, vms_of
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

PASSTHROUGH = ("EXTERNAL", "INTERNAL")
"""The schemes of regional passthrough load balancers, which Kubernetes makes for Services of type LoadBalancer."""
SCHEMES = ("EXTERNAL", "EXTERNAL_MANAGED", "INTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED")
_BALANCING_MODES = ("CONNECTION", "CUSTOM_METRICS", "IN_FLIGHT", "RATE", "UTILIZATION")
_LOCALITY = (
    "LEAST_REQUEST", "MAGLEV", "ORIGINAL_DESTINATION", "RANDOM", "RING_HASH", "ROUND_ROBIN", "WEIGHTED_GCP_RENDEZVOUS",
    "WEIGHTED_MAGLEV", "WEIGHTED_ROUND_ROBIN",
)  # fmt: skip
_ECHOED_SCHEMA: Schema = {
    "affinityCookieTtlSec": int, "cdnPolicy": dict, "circuitBreakers": dict,
    "compressionMode": ("AUTOMATIC", "DISABLED"), "connectionDraining": {"drainingTimeoutSec": int},
    "consistentHash": dict,
    "connectionTrackingPolicy": {
        "connectionPersistenceOnUnhealthyBackends": ("ALWAYS_PERSIST", "DEFAULT_FOR_PROTOCOL", "NEVER_PERSIST"),
        "enableStrongAffinity": bool, "idleTimeoutSec": int, "trackingMode": ("PER_CONNECTION", "PER_SESSION"),
    },
    "customMetrics": [{"dryRun": bool, "name": str}], "customRequestHeaders": [str], "customResponseHeaders": [str],
    "description": str, "dynamicForwarding": dict, "enableCDN": bool,
    "externalManagedMigrationState": ("PREPARE", "TEST_ALL_TRAFFIC", "TEST_BY_PERCENTAGE"),
    "externalManagedMigrationTestingPercentage": float,
    "failoverPolicy": {
        "disableConnectionDrainOnFailover": bool, "dropTrafficIfUnhealthy": bool, "failoverRatio": float,
    },
    "haPolicy": dict, "iap": {"enabled": bool, "oauth2ClientId": str, "oauth2ClientSecret": str},
    "ipAddressSelectionPolicy": (
        "IPV4_ONLY", "IPV6_ONLY", "IP_ADDRESS_SELECTION_POLICY_UNSPECIFIED", "PREFER_IPV6",
    ),
    "localityLbPolicies": list, "localityLbPolicy": _LOCALITY, "logConfig": dict, "maxStreamDuration": dict,
    "metadatas": dict, "networkPassThroughLbTrafficPolicy": dict, "orchestrationInfo": dict, "outlierDetection": dict,
    "port": int, "portName": str, "securitySettings": dict, "serviceBindings": [str], "serviceLbPolicy": str,
    "sessionAffinity": (
        "CLIENT_IP", "CLIENT_IP_NO_DESTINATION", "CLIENT_IP_PORT_PROTO", "CLIENT_IP_PROTO", "GENERATED_COOKIE",
        "HEADER_FIELD", "HTTP_COOKIE", "NONE", "STRONG_COOKIE_AFFINITY",
    ),
    "strongSessionAffinityCookie": dict, "subsetting": {"policy": ("CONSISTENT_HASH_SUBSETTING", "NONE")},
    "timeoutSec": int, "tlsSettings": dict,
}  # fmt: skip
"""Fields that are stored and shown unchanged."""
SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "region": str, "fingerprint": str,
    "loadBalancingScheme": SCHEMES, "network": str, "backends": list, "healthChecks": [str],
    "protocol": ("GRPC", "H2C", "HTTP", "HTTP2", "HTTPS", "SSL", "TCP", "UDP", "UNSPECIFIED"), "params": dict,
    "usedBy": list, "securityPolicy": str, "edgeSecurityPolicy": str, **_ECHOED_SCHEMA,
}  # fmt: skip
_BACKEND: Schema = {
    "balancingMode": _BALANCING_MODES, "capacityScaler": float, "customMetrics": list, "description": str,
    "failover": bool, "group": str, "maxConnections": int, "maxConnectionsPerEndpoint": int,
    "maxConnectionsPerInstance": int, "maxInFlightRequests": int, "maxInFlightRequestsPerEndpoint": int,
    "maxInFlightRequestsPerInstance": int, "maxRate": int, "maxRatePerEndpoint": float, "maxRatePerInstance": float,
    "maxUtilization": float, "orchestrationInfo": dict, "trafficDuration": ("LONG", "SHORT"),
    "preference": ("DEFAULT", "PREFERENCE_UNSPECIFIED", "PREFERRED"),
}  # fmt: skip
_CHECKED = ("loadBalancingScheme", "network", "backends", "healthChecks", "protocol")


class BackendServices(Replaced):
    """backendServices and regionBackendServices: insert, patch, update, delete."""

    collection = "backendServices"

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "backendServices", call.scope, body)
        resource = project.inventory.identity(key, "backendService", call.now) | {
            "fingerprint": project.inventory.fingerprint(key)
        }
        if call.scope != GLOBAL:
            resource["region"] = project.links.within(call.scope)
        return insertion(project, key, resource | self._checked(key, body))

    def delete(self, call: Call) -> Work:
        """Refused while a forwarding rule uses it."""
        project = self._project
        key, resource = self._target(call)
        for rule, row in project.inventory.all("forwardingRules"):
            if row.get("backendService") == resource["selfLink"] and enforced("balancing.backend-service-in-use"):
                raise in_use("backend_service", project.links.partial(key), project.links.partial(rule))
        return Work(key, resource["id"], "delete", lambda at: project.inventory.put(at, key, None))

    def _replace(self, call: Call, kind: str, *, keep: bool) -> Work:
        inventory = self._project.inventory
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        if body.get("fingerprint") != current["fingerprint"] and enforced("balancing.fingerprint"):
            raise condition_not_met()
        refuse_changes(body, current, ("name", "region", "loadBalancingScheme"))
        changeable = (*_CHECKED, *_ECHOED_SCHEMA)
        identity = {field: value for field, value in current.items() if field not in changeable}
        scheme = {"loadBalancingScheme": current["loadBalancingScheme"]}
        base = {field: current[field] for field in changeable if field in current} if keep else scheme
        after = identity | self._checked(key, base | body)

        def finish(at: float) -> None:
            if after != current:
                inventory.put(at, key, after | {"fingerprint": inventory.fingerprint(key)})

        return Work(key, current["id"], kind, finish)

    # -- checks

    def _checked(self, key: Key, body: Json) -> Json:
        """The fields that a client can set, with defaults and full links."""
        scheme = body.get("loadBalancingScheme", "EXTERNAL")
        passthrough = is_passthrough(key.scope, scheme)
        if key.scope == GLOBAL and scheme == "INTERNAL":
            why = "A global backend service cannot have this scheme; use a regional one."
            raise invalid("resource.loadBalancingScheme", scheme, why)
        protocol = body.get("protocol", "TCP" if passthrough else "HTTP")
        if passthrough:
            allowed = ("TCP", "UDP", "UNSPECIFIED")
            if protocol not in allowed and enforced("balancing.passthrough-protocol"):
                one_of(protocol, allowed, "resource.protocol")
        fields: Json = {
            "loadBalancingScheme": scheme,
            "protocol": protocol,
            "sessionAffinity": "NONE",
            "timeoutSec": 30,
            "connectionDraining": {"drainingTimeoutSec": 0},
        }
        if body.get("healthChecks"):
            fields["healthChecks"] = self._health_checks(key.scope, body["healthChecks"])
        backends = self._backends(key, passthrough, body.get("backends", []))
        if backends:
            fields["backends"] = backends
        if body.get("network"):
            network, _ = self._project.reference("resource.network", body["network"], "networks", GLOBAL, "network")
            fields["network"] = self._project.links.full(network)
        return fields | echoed(body, tuple(_ECHOED_SCHEMA))

    def _health_checks(self, scope: str, links: list[str]) -> list[str]:
        if len(links) > 1 and enforced("balancing.one-health-check"):
            raise invalid("resource.healthChecks", "", "At most one health check is allowed.")
        field = "resource.healthChecks[0]"
        return [
            self._project.reference(field, link, "healthChecks", scope, "health check")[1]["selfLink"] for link in links
        ]

    def _backends(self, service: Key, passthrough: bool, entries: list[Any]) -> list[Json]:
        project = self._project
        result: list[Json] = []
        networks: set[str] = set()
        for index, entry in enumerate(accept_list(entries, _BACKEND, "resource.backends")):
            where = f"resource.backends[{index}]"
            if not entry.get("group"):
                raise required(f"{where}.group")
            key, group = find_group(project, f"{where}.group", entry["group"])
            link = project.links.full(key)
            if any(other["group"] == link for other in result):
                raise invalid(f"{where}.group", link, "The group is already a backend of the service.")
            outside = service.scope != GLOBAL and project.region_of(key.scope) != project.region_of(service.scope)
            if outside and enforced("balancing.backends-in-region"):
                raise invalid(f"{where}.group", link, "The group is not in the region of the backend service.")
            mode = entry.get("balancingMode", "CONNECTION" if passthrough else "UTILIZATION")
            if passthrough and mode != "CONNECTION" and enforced("balancing.connection-mode"):
                why = "Balancing mode must be CONNECTION for a passthrough load balancer."
                raise invalid(f"{where}.balancingMode", mode, why)
            vms = dict(vms_of(project, key, group))
            networks |= {vm["networkInterfaces"][0]["network"] for vm in vms.values()}
            if passthrough and len(networks) > 1 and enforced("balancing.one-network"):
                raise invalid(f"{where}.group", link, "All backends must be in one network.")
            self._check_members(key, list(vms))
            result.append(entry | {"group": link, "balancingMode": mode})
        return result

    def _check_members(self, group: Key, vms: list[Key]) -> None:
        if group.collection != "instanceGroups":
            return
        for vm in vms:
            if balanced_group_of(self._project, vm, besides=group) and enforced("balancing.one-balanced-group"):
                raise in_two_groups(vm)


def is_passthrough(scope: str, scheme: str) -> bool:
    """Whether a service or rule of this scope and scheme is of a passthrough load balancer."""
    return scope != GLOBAL and scheme in PASSTHROUGH


def in_two_groups(vm: Key) -> ApiError:
    """400 for a VM that would be in two load-balanced groups."""
    why = "instance may belong to at most one load-balanced instance group."
    return ApiError(400, "instanceInMultipleLoadBalancedIgs", f"Validation failed for instance '{vm.name}': {why}")
