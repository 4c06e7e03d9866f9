"""Forwarding rules, regional and global (docs/reference/compute-engine.md#forwarding-rules).

Only passthrough load balancers can be made: the proxies of the other kinds are not simulated, so no target exists.
"""

from __future__ import annotations

from dualstack_sim.compute.api.bodies import Schema, accept, accept_labels, echoed, refuse_changes
from dualstack_sim.compute.api.errors import (
    ApiError,
    Json,
    OperationFailed,
    bad_request,
    condition_not_met,
    invalid,
    required,
)
from dualstack_sim.compute.api.operations import Work
from dualstack_sim.compute.api.references import GLOBAL, Key, unknown_reference
from dualstack_sim.compute.api.resource_changes import Methods, insertion, new_key
from dualstack_sim.compute.api.shapes import IP_VERSIONS
from dualstack_sim.compute.balancing.backend_services import SCHEMES
from dualstack_sim.compute.balancing.frontend_addresses import choose_address, release_address
from dualstack_sim.compute.balancing.ports import check_ports
from dualstack_sim.compute.machines.allocation_transaction import AllocationTransaction
from dualstack_sim.compute.project.project import Call
from dualstack_sim.rules import enforced

_PROTOCOLS = ("AH", "ESP", "ICMP", "L3_DEFAULT", "SCTP", "TCP", "UDP")
_TIERS = ("FIXED_STANDARD", "PREMIUM", "STANDARD", "STANDARD_OVERRIDES_FIXED_STANDARD")
_ECHOED_SCHEMA: Schema = {
    "description": str, "allowGlobalAccess": bool, "allowPscGlobalAccess": bool, "isMirroringCollector": bool,
    "ipCollection": str, "metadataFilters": list, "noAutomateDnsZone": bool, "serviceDirectoryRegistrations": list,
    "serviceLabel": str, "sourceIpRanges": [str], "externalManagedBackendBucketMigrationTestingPercentage": float,
    "externalManagedBackendBucketMigrationState": ("PREPARE", "TEST_ALL_TRAFFIC", "TEST_BY_PERCENTAGE"),
    "pscConnectionStatus": str,
}  # fmt: skip
SCHEMA: Schema = {
    "kind": str, "id": str, "creationTimestamp": str, "selfLink": str, "name": str, "region": str, "fingerprint": str,
    "IPAddress": str, "IPAddresses": [str], "IPProtocol": _PROTOCOLS, "allPorts": bool, "portRange": str,
    "ports": [str], "backendService": str, "target": str, "loadBalancingScheme": SCHEMES, "network": str,
    "subnetwork": str, "networkTier": _TIERS, "ipVersion": (*IP_VERSIONS, "UNSPECIFIED_VERSION"), "labels": dict,
    "labelFingerprint": str, **_ECHOED_SCHEMA,
}  # fmt: skip


class ForwardingRules(Methods):
    """forwardingRules and globalForwardingRules: insert, patch, setTarget, delete."""

    collection = "forwardingRules"

    def insert(self, call: Call) -> Work:
        project = self._project
        body = accept(call.body, SCHEMA)
        key = new_key(project, "forwardingRules", call.scope, body)
        if body.get("IPAddresses"):
            raise invalid("resource.IPAddresses", "", "Only global passthrough rules have several addresses.")
        scheme = body.get("loadBalancingScheme", "EXTERNAL")
        service = self._backend_service(key, scheme, body)
        resource = project.inventory.identity(key, "forwardingRule", call.now) | {
            "IPProtocol": body.get("IPProtocol", "TCP"),
            "loadBalancingScheme": scheme,
            "backendService": service["selfLink"],
            "networkTier": self._tier(scheme, body),
            "region": project.links.within(call.scope),
            "fingerprint": project.inventory.fingerprint(key),
            "labelFingerprint": project.inventory.fingerprint(key, "labels"),
        }
        resource |= check_ports(scheme, resource["IPProtocol"], body) | echoed(body, tuple(_ECHOED_SCHEMA))
        if body.get("labels"):
            resource["labels"] = accept_labels(body["labels"], "resource.labels")
        transaction = AllocationTransaction(project, project.links.partial(key))
        try:
            resource |= choose_address(project, key, resource, body, transaction)
        except OperationFailed as failed:
            transaction.roll_back()
            return Work(key, resource["id"], "insert", lambda at: None, failure=failed.failure)
        except ApiError:
            transaction.roll_back()
            raise

        def abandon(at: float) -> None:
            transaction.roll_back()
            project.inventory.put(at, key, None, effective=False)

        return insertion(project, key, resource, abandon=abandon)

    def _backend_service(self, key: Key, scheme: str, body: Json) -> Json:
        """The backend service. 400 for a target, because the proxies that could be one are not simulated."""
        given = [field for field in ("target", "backendService") if body.get(field)]
        if len(given) == 2:
            raise invalid("resource", "", "Only one of target and backendService may be specified.")
        if not given:
            raise required("resource.target")
        if "backendService" not in given:
            raise unknown_reference("resource.target", body["target"], "target")
        if key.scope == GLOBAL:
            why = "Global forwarding rules refer to a target proxy, not to a backend service."
            raise invalid("resource.backendService", body["backendService"], why)
        service_key, service = self._project.reference(
            "resource.backendService", body["backendService"], "backendServices", key.scope, "backend service"
        )
        self._project.require_unlocked(service_key)
        if service_key.scope != key.scope:
            why = "The backend service is not in the region of the forwarding rule."
            raise invalid("resource.backendService", body["backendService"], why)
        if service["loadBalancingScheme"] != scheme and enforced("balancing.same-scheme"):
            why = f"The load balancing scheme of the backend service is {service['loadBalancingScheme']}."
            raise invalid("resource.loadBalancingScheme", scheme, why)
        return service

    @staticmethod
    def _tier(scheme: str, body: Json) -> str:
        tier = str(body.get("networkTier", "PREMIUM"))
        if tier == "PREMIUM":
            return tier
        if scheme != "EXTERNAL" and enforced("balancing.internal-premium"):
            raise bad_request(
                f"{tier} network tier is not supported: Network tier other than PREMIUM is not supported for "
                f"loadBalancingScheme={scheme}."
            )
        if body.get("ipVersion") == "IPV6" and enforced("balancing.ipv6-premium"):
            raise invalid("resource.networkTier", tier, "IPv6 is supported in network tier PREMIUM only.")
        return tier

    def patch(self, call: Call) -> Work:
        """Only networkTier, allowGlobalAccess and labels can change; others may be sent with their current values."""
        inventory = self._project.inventory
        key, current = self._target(call)
        body = accept(call.body, SCHEMA)
        if body.get("fingerprint", current["fingerprint"]) != current["fingerprint"]:
            raise condition_not_met()
        changeable = ("allowGlobalAccess", "networkTier", "labels")
        refuse_changes(body, current, [field for field in body if field not in (*changeable, "fingerprint")])
        change = {field: body[field] for field in changeable if field in body}
        self._tier(current["loadBalancingScheme"], current | change)
        if "labels" in change:
            change["labels"] = accept_labels(body["labels"], "resource.labels")

        def finish(at: float) -> None:
            before = inventory.get(key)
            if before | change != before:
                inventory.put(at, key, before | change | {"fingerprint": inventory.fingerprint(key)})

        return Work(key, current["id"], "patch", finish)

    def set_target(self, call: Call) -> Work:
        """Refused: only rules with a target have this method, and no target is simulated."""
        self._target(call)
        body = accept(call.body, {"target": str})
        raise unknown_reference("resource.target", body.get("target", ""), "target")

    def delete(self, call: Call) -> Work:
        project = self._project
        key, resource = self._target(call)

        def finish(at: float) -> None:
            release_address(project, key, resource)
            project.inventory.put(at, key, None)

        return Work(key, resource["id"], "delete", finish)
