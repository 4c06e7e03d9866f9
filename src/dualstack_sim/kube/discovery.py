"""Discovery of the served groups, versions and resources, in the classic and in the aggregated form."""

from __future__ import annotations

from typing import Any

from dualstack_sim.kube.types import Registry, ResourceType

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The media type of aggregated discovery."""

_VERSION = ("1", "32", "v1.32.0")


def version_document() -> dict[str, str]:
    """`/version`."""
    major, minor, release = _VERSION
    return {
        "major": major,
        "minor": minor,
        "gitVersion": release,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2024-12-11T18:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }


def core_versions() -> dict[str, Any]:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def group_list(registry: Registry) -> dict[str, Any]:
    """`/apis`."""
    groups = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(registry: Registry, name: str) -> dict[str, Any] | None:
    """`/apis/<group>`; None if nothing of the group is served."""
    versions = registry.groups().get(name) if name else None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _subresources(resource: ResourceType) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    """Name, group, version, kind and verbs of each; group and version are empty if they are those of the type."""
    found: list[tuple[str, str, str, str, tuple[str, ...]]] = []
    if resource.has_status:
        found.append(("status", "", "", resource.kind, ("get", "patch", "update")))
    if resource.scale is not None:
        found.append(("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update")))
    found.extend((each.name, each.group, each.version, each.kind, each.verbs) for each in resource.subresources)
    return sorted(found)


def _entries(resource: ResourceType) -> list[dict[str, Any]]:
    main: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    entries = [main]
    for name, group, version, kind, verbs in _subresources(resource):
        entry = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
        if version:
            entry |= {"group": group, "version": version}
        entries.append({**entry, "kind": kind, "verbs": list(verbs)})
    return entries


def resource_list(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """`/api/v1`, `/apis/<group>/<version>`; None if nothing is served there."""
    resources = [entry for each in registry.in_version(group, version) for entry in _entries(each)]
    if not resources:
        return None
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _aggregated_resource(resource: ResourceType, version: str) -> dict[str, Any]:
    own = {"group": resource.group, "version": version, "kind": resource.kind}
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": own,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    parts = [
        {
            "subresource": name,
            "responseKind": {"group": group, "version": speaks, "kind": kind} if speaks else {**own, "kind": kind},
            "verbs": list(verbs),
        }
        for name, group, speaks, kind, verbs in _subresources(resource)
    ]
    return {**entry, "subresources": parts} if parts else entry


def aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
    """`/api` (core) or `/apis` in the aggregated form."""
    items = []
    for group, versions in registry.groups().items():
        if (group == "") is not core:
            continue
        entries = [
            {
                "version": version,
                "resources": [_aggregated_resource(each, version) for each in registry.in_version(group, version)],
                "freshness": "Current",
            }
            for version in versions
        ]
        metadata: dict[str, Any] = {"creationTimestamp": None}
        if group:
            metadata["name"] = group
        items.append({"metadata": metadata, "versions": entries})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
