"""OpenAPI documents, as far as clients read them.

kubectl reads two things: whether PATCH of a kind takes `fieldValidation` (then it leaves validation to the server),
and the schema of a kind (`kubectl explain`). Schemas of built-in kinds are permissive; those of custom resources come
from their definitions. The documents omit strategic merge patch although the server supports it: a client that found
it here would compute patches from these schemas, which have no merge keys, instead of from its own types.
"""

from __future__ import annotations

from typing import Any

from dualstack_sim.kube.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from dualstack_sim.kube.types import Registry, ResourceType

_QUERY = ("dryRun", "fieldManager", "fieldValidation", "force")


def _gvk(resource: ResourceType, version: str) -> dict[str, str]:
    return {"group": resource.group, "version": version, "kind": resource.kind}


def _schema_name(resource: ResourceType, version: str) -> str:
    group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{group}.{version}.{resource.kind}"


def _schema(resource: ResourceType, version: str) -> dict[str, Any]:
    declared = resource.schemas.get(version) or {}
    properties: dict[str, Any] = {
        "apiVersion": {"type": "string", "description": "The version of the schema of this object."},
        "kind": {"type": "string", "description": "The REST resource that this object represents."},
        "metadata": {"type": "object", "description": "Standard object metadata."},
    }
    if not resource.custom:
        properties["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "type": "object",
        "description": declared.get("description", resource.kind),
        "x-kubernetes-preserve-unknown-fields": True,
        **declared,
        "properties": {**properties, **declared.get("properties", {})},
        "x-kubernetes-group-version-kind": [_gvk(resource, version)],
    }


def _operation(resource: ResourceType, version: str, action: str) -> dict[str, Any]:
    return {
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource, version),
    }


def _parameters() -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in _QUERY]


def _path_item(resource: ResourceType, version: str) -> dict[str, Any]:
    patches = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    body = {"content": {media_type: {"schema": {"type": "object"}} for media_type in patches}}
    patch = {**_operation(resource, version, "patch"), "parameters": _parameters(), "requestBody": body}
    put = {**_operation(resource, version, "put"), "parameters": _parameters()}
    return {
        "get": _operation(resource, version, "get"),
        "put": put,
        "patch": patch,
        "delete": _operation(resource, version, "delete"),
    }


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def openapi_v3_index(registry: Registry) -> dict[str, Any]:
    """`/openapi/v3`: the URL of the document of each group and version."""
    return {
        "paths": {
            _root(group, version): {
                "serverRelativeURL": f"/openapi/v3/{_root(group, version)}?hash={registry.revision}"
            }
            for group, versions in registry.groups().items()
            for version in versions
        }
    }


def openapi_v3(registry: Registry, root: str) -> dict[str, Any] | None:
    """`/openapi/v3/<root>` for a root such as `api/v1` or `apis/apps/v1`; None if it is not served."""
    prefix, _, rest = root.partition("/")
    group, _, version = rest.rpartition("/")
    if prefix not in ("api", "apis") or bool(group) is not (prefix == "apis"):
        return None
    resources = registry.in_version(group, version)
    if not resources:
        return None
    paths, schemas = {}, {}
    for resource in resources:
        scope = "/namespaces/{namespace}" if resource.namespaced else ""
        collection = f"/{root}{scope}/{resource.plural}"
        paths[collection] = {"post": {**_operation(resource, version, "post"), "parameters": _parameters()}}
        paths[f"{collection}/{{name}}"] = _path_item(resource, version)
        schemas[_schema_name(resource, version)] = _schema(resource, version)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def openapi_v2() -> dict[str, Any]:
    """`/openapi/v2`: an empty document, so that clients fall back to their built-in types."""
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.32.0"}, "paths": {}, "definitions": {}}


def openapi_v2_protobuf() -> bytes:
    """`/openapi/v2` as an `openapi.v2.Document` message: swagger = 1, info{title = 1, version = 2} = 2, paths = 8."""

    def field(number: int, content: bytes) -> bytes:
        return bytes((number << 3 | 2, len(content))) + content

    information = field(1, b"Kubernetes") + field(2, b"v1.32.0")
    return field(1, b"2.0") + field(2, information) + field(8, b"")
