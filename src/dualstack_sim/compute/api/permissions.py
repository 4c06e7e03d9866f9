"""IAM permissions: which ones a method needs, and testIamPermissions (docs/reference/compute-engine.md#permissions).

The caller has every permission that no fault denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from dualstack_sim.compute.api.bodies import accept, accept_strings
from dualstack_sim.compute.api.errors import ApiError, Json, invalid
from dualstack_sim.compute.api.references import Key
from dualstack_sim.compute.project.project import Call, Project

Denies = Callable[[str], bool]
"""Whether a permission, such as `compute.routes.create`, is denied."""

TESTABLE: Mapping[str, str] = {
    "addresses": "addresses", "globalAddresses": "addresses", "disks": "disks", "firewalls": "firewalls",
    "instances": "instances", "instanceTemplates": "instanceTemplates", "routes": "routes",
    "subnetworks": "subnetworks", "backendServices": "backendServices", "regionBackendServices": "backendServices",
    "healthChecks": "healthChecks", "regionHealthChecks": "healthChecks", "instanceGroups": "instanceGroups",
    "networkEndpointGroups": "networkEndpointGroups",
}  # fmt: skip
"""Service -> collection, for the services that have the method in v1; networks do not have it."""
_VERBS = {
    "insert": "create",
    "patch": "update",
    "aggregatedList": "list",
    "getRouterStatus": "get",
    "getFromFamily": "getFromFamily",
    "listManagedInstances": "list",
    "wait": "get",
}
_POLICY = "compute.networks.updatePolicy"
_MORE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("firewalls.insert", "firewalls.patch", "firewalls.update", "firewalls.delete"), (_POLICY,)),
    **dict.fromkeys(("routers.insert", "routers.patch", "routers.update", "routers.delete"), (_POLICY,)),
    **dict.fromkeys(("subnetworks.insert", "subnetworks.delete", "routes.delete"), (_POLICY,)),
    "routes.insert": (_POLICY, "compute.instances.use"),
    "instances.insert": ("compute.disks.create", "compute.subnetworks.use"),
    "instances.updateNetworkInterface": ("compute.subnetworks.use",),
}
"""Permissions on other resources that a method needs besides its own."""
_FORM = re.compile(r"compute\.[a-zA-Z]+\.[a-zA-Z]+")


def permissions_of(method: str) -> tuple[str, ...]:
    """The permissions that a method needs, its own first; none for testIamPermissions."""
    collection, _, verb = method.partition(".")
    if verb == "testIamPermissions":
        return ()
    return (f"compute.{collection}.{_VERBS.get(verb, verb)}", *_MORE.get(method, ()))


def refuse_denied(method: str, resource: str, denies: Denies) -> None:
    """403 if a permission of the method is denied; `resource` is the partial path that the message names."""
    for permission in permissions_of(method):
        if denies(permission):
            raise ApiError(403, "forbidden", f"Required '{permission}' permission for '{resource}'")


def granted_permissions(project: Project, call: Call, denies: Denies) -> Json:
    """The answer of testIamPermissions: those of the requested permissions that the caller has."""
    service = call.method.partition(".")[0]
    project.inventory.get(Key(TESTABLE[service], call.scope, call.name))
    body = accept(call.body, {"permissions": list})
    asked = accept_strings(body.get("permissions", []), "permissions")
    for index, permission in enumerate(asked):
        if not _FORM.fullmatch(permission):
            raise invalid(f"permissions[{index}]", permission, "The permission is not valid for this resource.")
    granted = [permission for permission in asked if not denies(permission)]
    return {"permissions": granted} if granted else {}
