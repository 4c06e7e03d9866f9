"""Reads what renderers write."""

from __future__ import annotations

import base64

import yaml

from dualstack.gardener.model.names import ENABLED
from dualstack.gardener.render.kubelet import CONFIG_PATH
from dualstack.model.kinds import Manifest


def cluster_dns_of(config: Manifest) -> tuple[str, ...]:
    """The `clusterDNS` in an OperatingSystemConfig; empty without a kubelet configuration."""
    for file in config["spec"].get("files", ()):
        if file["path"] == CONFIG_PATH:
            return tuple(yaml.safe_load(file["content"]["inline"]["data"])["clusterDNS"])
    return ()


def objects_of(content: Manifest) -> list[Manifest]:
    """The manifests in the Secret of a ManagedResource; a key may hold several documents."""
    return [
        document
        for key in sorted(content.get("data") or {})
        for document in yaml.load_all(base64.b64decode(content["data"][key]), Loader=yaml.CSafeLoader)
        if document
    ]


def opted_in(shoot: Manifest) -> Manifest:
    """The Shoot with the annotation without which the operator leaves it alone."""
    metadata = shoot["metadata"]
    return {**shoot, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), ENABLED: "true"}}}
