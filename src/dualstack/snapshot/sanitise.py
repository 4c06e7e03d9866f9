"""Removes what a snapshot must not have: environments, metadata values, credentials, and what nothing needs."""

from __future__ import annotations

from typing import Any

from dualstack.cni import CNIS
from dualstack.model.kinds import CONFIG_MAP, NODE, Kind, Manifest

METADATA_KEYS = ("disable-address-manager", "created-by")
"""The keys of VM and project metadata whose values are kept; other values may be start-up scripts or credentials."""

CONFIG_MAPS = {
    "shoot-info": None,
    "kubeadm-config": ("ClusterConfiguration",),
    "kube-proxy-config": None,
    "kube-proxy": ("config.conf",),
    **{cni.config_map: cni.configuration_keys for cni in CNIS},
    "dualstack-cut-over": None,
}
"""The ConfigMaps that are kept, each with the keys that are (None: all)."""

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_KEPT_OF_CONTAINER = ("name", "image", "command", "args", "ports")
_KEPT_OF_DISK = ("boot", "source", "deviceName", "type", "mode", "diskSizeGb", "index", "kind", "autoDelete")
_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def sanitised_resource(resource: dict[str, Any]) -> dict[str, Any]:
    """A Compute resource without service accounts, the values of its metadata, and the keys of its disks."""
    result = {name: value for name, value in resource.items() if name != "serviceAccounts"}
    if "disks" in result:
        result["disks"] = [
            {name: value for name, value in disk.items() if name in _KEPT_OF_DISK} for disk in result["disks"]
        ]
    for name in ("metadata", "commonInstanceMetadata"):
        if name in result:
            items = result[name].get("items") or ()
            result[name] = {**result[name], "items": [item for item in items if item.get("key") in METADATA_KEYS]}
    return result


def sanitised_object(kind: Kind, found: Manifest) -> Manifest:
    """A Kubernetes object without environments, managed fields and contents that nothing reads."""
    result = {**found, "metadata": _metadata(found["metadata"])}
    if kind == CONFIG_MAP:
        keys = CONFIG_MAPS.get(found["metadata"]["name"], ())
        data = found.get("data") or {}
        result["data"] = data if keys is None else {name: text for name, text in data.items() if name in keys}
        result.pop("binaryData", None)
    if kind == NODE:
        status = {name: value for name, value in (found.get("status") or {}).items() if name != "images"}
        result["status"] = status
    spec = found.get("spec")
    if isinstance(spec, dict):
        result["spec"] = _spec(spec)
    return result


def _spec(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec whose containers, here or in its template, keep name, image, command line and ports only."""
    result = dict(spec)
    for name in _CONTAINERS:
        if isinstance(result.get(name), list):
            result[name] = [{key: each[key] for key in _KEPT_OF_CONTAINER if key in each} for each in result[name]]
    template = result.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        metadata = _metadata(template.get("metadata") or {})
        result["template"] = {**template, "metadata": metadata, "spec": _spec(template["spec"])}
    return result


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in metadata.items() if name != "managedFields"}
    if annotations := result.get("annotations"):
        kept = {name: text for name, text in annotations.items() if name not in _DROPPED_ANNOTATIONS}
        result["annotations"] = kept
    return result
