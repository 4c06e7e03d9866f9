"""CustomResourceDefinitions for landscapes without Gardener.

Names and columns are those of the simulated world; the schemas have the types of the fields that the product reads and
writes. Every object keeps the fields that the product does not know, so that nothing of a user's is pruned.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dualstack.gardener.model.infrastructure import InfrastructureConfig, InfrastructureStatus
from dualstack.gardener.model.kinds import CUSTOM_KINDS
from dualstack_sim.world.gardener.definitions import definitions

Schema = dict[str, Any]

LABELS = {"app.kubernetes.io/part-of": "dualstack", "dualstack.dev/landscape": "standalone"}
"""Gardener's own definitions do not have them."""

_OPERATION = """
status.observedGeneration integer
status.lastOperation.type string
status.lastOperation.state string
status.lastOperation.progress integer
status.lastOperation.description string
status.lastOperation.lastUpdateTime string
status.lastError.description string
status.lastError.codes[] string
status.lastError.lastUpdateTime string
"""
_CONDITION = "type string,status string,reason string,message string,lastTransitionTime string,lastUpdateTime string"
_EXTENSION = f"""{_OPERATION}
spec.type string
spec.region string
spec.secretRef.name string
spec.secretRef.namespace string
spec.providerConfig object
status.providerStatus object
status.state object
"""
_POOL = (
    "name string,minimum integer,maximum integer,maxSurge int-or-string,maxUnavailable int-or-string,zones[] string,"
    "labels object,annotations object,volume object"
)
_MACHINES = (
    f"{_POOL},machineType string,machineImage object,providerConfig object,nodeTemplate object,userDataSecretRef object"
)

FIELDS = {
    "shoots": f"""{_OPERATION}
spec.region string
spec.cloudProfileName string
spec.cloudProfile.name string
spec.hibernation.enabled boolean
spec.kubernetes.version string
spec.kubernetes.kubeControllerManager.nodeCIDRMaskSize integer
spec.kubernetes.kubeControllerManager.nodeCIDRMaskSizeIPv6 integer
spec.kubernetes.kubeProxy.enabled boolean
spec.kubernetes.kubeProxy.mode string
spec.networking.type string
spec.networking.providerConfig object
spec.networking.pods string
spec.networking.nodes string
spec.networking.services string
spec.networking.ipFamilies[] string
spec.provider.type string
spec.provider.infrastructureConfig object
spec.provider.controlPlaneConfig object
spec.provider.workers[] {_POOL},machine object,providerConfig object
status.technicalID string
status.networking.pods[] string
status.networking.nodes[] string
status.networking.services[] string
status.networking.egressCIDRs[] string
status.constraints[] {_CONDITION},codes[] string
status.manualWorkerPoolRollout.pendingWorkersRollouts[] name string
""",
    "cloudprofiles": "spec.type string",
    "clusters": "spec.shoot object\nspec.seed object\nspec.cloudProfile object",
    "infrastructures": f"""{_EXTENSION}
status.nodesCIDR string
status.egressCIDRs[] string
status.networking.pods[] string
status.networking.nodes[] string
status.networking.services[] string
""",
    "controlplanes": f"{_EXTENSION}\nspec.infrastructureProviderStatus object",
    "networks": f"""{_EXTENSION}
spec.podCIDR string
spec.serviceCIDR string
spec.ipFamilies[] string
status.ipFamilies[] string
""",
    "workers": f"""{_EXTENSION}
spec.infrastructureProviderStatus object
spec.pools[] {_MACHINES}
status.machineDeployments[] name string,minimum integer,maximum integer
""",
    "operatingsystemconfigs": f"{_EXTENSION}\nspec.purpose string\nspec.files[] path string,content object",
    "managedresources": f"""
spec.class string
spec.secretRefs[] name string
status.observedGeneration integer
status.conditions[] {_CONDITION}
status.resources[] apiVersion string,kind string,namespace string,name string
""",
    "machineclasses": "providerSpec object\nnodeTemplate object",
    "machinedeployments": "spec.replicas integer\nspec.minReadySeconds integer\nspec.selector object\n"
    "spec.strategy object\nspec.template object\nstatus.replicas integer\nstatus.updatedReplicas integer\n"
    "status.readyReplicas integer\nstatus.availableReplicas integer\nstatus.observedGeneration integer",
    "machinesets": "spec.replicas integer\nspec.selector object\nspec.template object\nstatus.replicas integer\n"
    "status.readyReplicas integer",
    "machines": "spec.providerID string\nspec.class object\nstatus.currentStatus.phase string\n"
    "status.lastOperation object\nstatus.addresses[] type string,address string",
}
"""By resource: path and type of each field, `[]` for lists; the fields of the entries of a list after commas."""

TYPED: dict[tuple[str, str], type[msgspec.Struct]] = {
    ("shoots", "spec.provider.infrastructureConfig"): InfrastructureConfig,
    ("infrastructures", "spec.providerConfig"): InfrastructureConfig,
    ("infrastructures", "status.providerStatus"): InfrastructureStatus,
}
"""Objects whose schema is that of a type of the model."""


def crds() -> dict[str, dict[str, Any]]:
    """The definitions by name; a CNI brings its own."""
    ours = {f"{kind.plural}.{kind.group}" for kind in CUSTOM_KINDS}
    found = {}
    for definition in definitions():
        name = definition["metadata"]["name"]
        if name in ours:
            definition["metadata"]["labels"] = dict(LABELS)
            for version in definition["spec"]["versions"]:
                version["schema"]["openAPIV3Schema"] = schema(definition["spec"]["names"]["plural"])
            found[name] = definition
    return found


def schema(plural: str) -> Schema:
    """The structural schema of the resource."""
    root = _object({name: {"type": "string"} for name in ("apiVersion", "kind")})
    root["properties"]["metadata"] = {"type": "object"}
    for line in FIELDS[plural].split("\n"):
        if line:
            path, _, kind = line.partition(" ")
            _add(root, path, kind)
    for (resource, path), model in TYPED.items():
        if resource == plural:
            node = root
            for key in path.split("."):
                node = node["properties"][key]
            node.update(_of_type(model))
    return root


def _object(properties: Schema | None = None) -> Schema:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": dict(properties or {})}


def _add(root: Schema, path: str, kind: str) -> None:
    node = root
    *parents, last = path.split(".")
    for key in parents:
        node = node["properties"].setdefault(key, _object())
    name, is_list = last.removesuffix("[]"), last.endswith("[]")
    if not is_list:
        node["properties"][name] = _leaf(kind)
        return
    items = _leaf(kind)
    if " " in kind:
        items = _object()
        for entry in kind.split(","):
            _add(items, *entry.split(" "))
    node["properties"][name] = {"type": "array", "items": items}


def _leaf(kind: str) -> Schema:
    match kind:
        case "int-or-string":
            return {"x-kubernetes-int-or-string": True}
        case "object":
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        case "integer":
            return {"type": "integer", "format": "int64"}
        case _:
            return {"type": kind}


def _of_type(model: type[msgspec.Struct]) -> Schema:
    """The schema of a msgspec type as a structural one: no references, null as `nullable`, nothing required."""
    (reference,), parts = msgspec.json.schema_components([model], ref_template="{name}")
    found = _structural(reference, parts)
    found["properties"] = {name: {"type": "string"} for name in ("apiVersion", "kind")} | found["properties"]
    return found


def _structural(node: Schema, parts: dict[str, Schema]) -> Schema:
    if "$ref" in node:
        return _structural(parts[node["$ref"]], parts)
    if "anyOf" in node:
        (some,) = (each for each in node["anyOf"] if each.get("type") != "null")
        return {**_structural(some, parts), "nullable": True}
    match node["type"]:
        case "object":
            properties = node.get("properties") or {}
            return _object({name: _structural(each, parts) for name, each in properties.items()})
        case "array":
            return {"type": "array", "items": _structural(node["items"], parts)}
        case "integer":
            return _leaf("integer")
        case kind:
            return {"type": kind}
