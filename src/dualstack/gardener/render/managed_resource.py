"""ManagedResources: manifests in a Secret, and the object that refers to it (docs/objects.md)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import yaml

from dualstack.gardener.model.kinds import MANAGED_RESOURCE
from dualstack.model.kinds import SECRET, Manifest
from dualstack.model.manifests import manifest


def managed_resource(name: str, namespace: str, *, seed: bool = False) -> Manifest:
    """The ManagedResource `name`, whose Secret has the same name; with `seed`, of class `seed`."""
    spec: Manifest = {"secretRefs": [{"name": name}], "keepObjects": False}
    if seed:
        spec["class"] = "seed"
    return manifest(MANAGED_RESOURCE, name, namespace, spec=spec)


def secret(name: str, namespace: str, objects: Iterable[Manifest]) -> Manifest:
    """The Secret with one key for each manifest, e.g. `daemonset__kube-system__kube-proxy.yaml`."""
    data = {key_of(item): base64.b64encode(_dump(item)).decode() for item in objects}
    return manifest(SECRET, name, namespace, type="Opaque", data=data)


def key_of(item: Manifest) -> str:
    """The key of a manifest in the Secret."""
    metadata = item["metadata"]
    words = (item["kind"], metadata.get("namespace", ""), metadata["name"])
    return "__".join(words).lower().replace(":", "-") + ".yaml"


_DUMPER: Any = type(
    "Plain",
    (getattr(yaml, "CSafeDumper", yaml.SafeDumper),),
    # Write shared values again instead of anchors, which not every reader supports.
    {"ignore_aliases": lambda _dumper, _data: True},
)


def _dump(item: Manifest) -> bytes:
    return yaml.dump(item, Dumper=_DUMPER, sort_keys=False, encoding="utf-8")
