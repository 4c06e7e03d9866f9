"""How the resource manager merges a manifest into the live object (pure)."""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from dualstack.model import kinds, kubernetes_yaml
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.cni import CNIS

PRESERVE_REPLICAS = "resources.gardener.cloud/preserve-replicas"

_SERVER_OWNED = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp")
_SERVICE_KEPT = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")
"""The fields of a Service that are kept unless the manifest sets them."""

_CUSTOM = [kind for cni in CNIS.values() for kind, _columns in cni.custom_resources]
_KNOWN: dict[tuple[str, str], Kind] = {
    (kind.api_version, kind.kind): kind for kind in (*vars(kinds).values(), *_CUSTOM) if isinstance(kind, Kind)
}
_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "Endpoints": "endpoints"}
_CLUSTER_SCOPED = frozenset(
    (
        "ClusterRole",
        "ClusterRoleBinding",
        "PriorityClass",
        "StorageClass",
        "CSIDriver",
        "ValidatingWebhookConfiguration",
    )
)


class BadManifest(Exception):
    """A manifest in a Secret cannot be applied."""


def documents(secret: Manifest) -> Iterator[Manifest]:
    """The manifests in the Secret of a ManagedResource: each value is base64 of one or more YAML documents."""
    for name, encoded in sorted((secret.get("data") or {}).items()):
        try:
            loaded = list(yaml.load_all(base64.b64decode(encoded, validate=True), Loader=kubernetes_yaml.Loader))
        except (yaml.YAMLError, binascii.Error, ValueError) as error:
            raise BadManifest(f"could not decode resource at key {name!r}: {error}") from error
        for document in loaded:
            if document is None:
                continue
            if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
                raise BadManifest(f"the document at key {name!r} is not a Kubernetes object")
            yield document


def kind_of(manifest: Manifest) -> Kind:
    """The type of a manifest. The plural of an unknown type is guessed from its kind."""
    api_version, name = manifest.get("apiVersion", ""), manifest.get("kind", "")
    if not api_version or not name:
        raise BadManifest(f"{manifest['metadata'].get('name')!r} has no apiVersion or kind")
    known = _KNOWN.get((api_version, name))
    if known is not None:
        return known
    group, _, version = api_version.rpartition("/")
    plural = _PLURALS.get(name) or (f"{name[:-1]}ies" if name.endswith("y") else f"{name}s").lower()
    return Kind(group, version, name, plural, namespaced=name not in _CLUSTER_SCOPED)


def merged(live: Manifest, desired: Manifest) -> Manifest:
    """The object to write: the manifest, with the live status and other labels, annotations and finalizers."""
    result = {**copy.deepcopy(live), **copy.deepcopy({name: desired[name] for name in desired if name != "status"})}
    for name in live:
        if name not in desired and name not in ("metadata", "status"):
            del result[name]
    result["metadata"] = _metadata(live["metadata"], desired["metadata"])
    if desired.get("kind") == "Service":
        result["spec"] = _service_spec(live.get("spec") or {}, result.get("spec") or {})
    if _preserves_replicas(desired) and "replicas" in live.get("spec", {}):
        result["spec"]["replicas"] = live["spec"]["replicas"]
    return result


def content(manifest: Manifest) -> Manifest:
    """The object without its status and the fields that the server owns, for comparison."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _SERVER_OWNED}
    return {**{name: value for name, value in manifest.items() if name != "status"}, "metadata": metadata}


def _metadata(live: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(live)
    for name in ("labels", "annotations"):
        together = {**(live.get(name) or {}), **(desired.get(name) or {})}
        if together:
            result[name] = together
    result.pop("managedFields", None)
    return result


def _service_spec(live: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(desired)
    if "clusterIPs" in desired and "clusterIP" not in desired and desired["clusterIPs"]:
        result["clusterIP"] = desired["clusterIPs"][0]
    grows = desired.get("ipFamilyPolicy") not in (None, live.get("ipFamilyPolicy"))
    for name in _SERVICE_KEPT:
        # With a new policy the API server chooses families and addresses again.
        if name in live and name not in result and not (grows and name == "ipFamilies"):
            result[name] = live[name]
    if "clusterIP" in desired and "clusterIPs" not in desired and live.get("clusterIP") != desired["clusterIP"]:
        result.pop("clusterIPs", None)
    result["ports"] = [_port(live.get("ports") or (), port) for port in desired.get("ports") or ()]
    return result


def _port(live: Any, desired: Mapping[str, Any]) -> dict[str, Any]:
    """A Service port with the node port of the live object."""
    for port in live:
        if port.get("port") == desired.get("port") and port.get("protocol", "TCP") == desired.get("protocol", "TCP"):
            return {**({"nodePort": port["nodePort"]} if "nodePort" in port else {}), **desired}
    return dict(desired)


def _preserves_replicas(desired: Manifest) -> bool:
    return (desired["metadata"].get("annotations") or {}).get(PRESERVE_REPLICAS) == "true"
