"""The OperatingSystemConfigs of a pool: the kubelet's configuration (docs/reference/gardener.md#kubelet-cluster-dns),
and where the user data of new machines is."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

import yaml

from dualstack.gardener.model.kinds import OPERATING_SYSTEM_CONFIG
from dualstack.gardener.model.names import POOL_LABEL
from dualstack.gardener.model.names import operating_system_config as name_of
from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import from_migration_on, has_ipv6
from dualstack.gardener.render.pool_hash import node_agent_secret_of
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.manifests import manifest
from dualstack.model.parts import Part, UnknownShape, mappings_at, value_at, with_value
from dualstack.model.texts import read_mapping, with_yaml_value

CONFIG_PATH = "/var/lib/kubelet/config/kubelet"
_ADDRESSES = "clusterDNS"
_FILES = ("spec", "files")
_INLINE = ("content", "inline")
_BASE64 = ("b64", "base64")
RECONCILE, _PROVISION = "reconcile", "provision"
_SUFFIXES = {RECONCILE: "-original", _PROVISION: "-init"}
_RESULT = ("status", "cloudConfig", "secretRef", "name")


def operating_system_config(shoot: ShootView, pool: Pool, cluster_dns: Sequence[str]) -> Part:
    """The pool's OperatingSystemConfig; `cluster_dns` comes from `dualstack.gardener.model.networks.kubelet_dns`.

    A migration changes `clusterDNS` in the kubelet's configuration. The key of the object does not cover families and
    DNS, so nodes apply the change in place.
    """

    def edit(live: Manifest) -> Manifest:
        files = mappings_at(live, *_FILES)
        places = [index for index, file in enumerate(files) if file.get("path") == CONFIG_PATH]
        if not places:
            raise UnknownShape(live, f"spec.files has no {CONFIG_PATH}, the configuration of the kubelet")
        for index in places:
            live = _edited(live, index, cluster_dns)
        return live

    return Part.of(_single_stack(shoot, pool, cluster_dns[:1]), from_migration_on(shoot, edit))


def user_data_secret(shoot: ShootView, pool: Pool, configs: Iterable[Manifest]) -> Manifest:
    """The reference to the user data of the pool's new machines: the Secret in the status of the OperatingSystemConfig
    that provisions them, else the one that its extension will create (docs/reference/gardener.md#user-data)."""
    names = [dig(config, *_RESULT) for config in of_pool(configs, pool.name, _PROVISION)]
    expected = f"osc-result-{node_agent_secret_of(shoot, pool)}{_SUFFIXES[_PROVISION]}"
    return {"name": next(filter(None, names), expected), "key": "cloud_config"}


def of_pool(configs: Iterable[Manifest], pool: str, purpose: str = RECONCILE) -> list[Manifest]:
    """The objects of this purpose for a pool, as upstream labels or names them: `reconcile` configures running nodes,
    `provision` new machines."""
    suffix = _SUFFIXES[purpose]
    pattern = re.compile(rf"{re.escape(name_of(pool))}(-[0-9a-f]{{5,16}}(-[a-z0-9.-]+)?{suffix})?")

    def belongs(config: Manifest) -> bool:
        label = dig(config, "metadata", "labels", POOL_LABEL)
        return label == pool if label is not None else bool(pattern.fullmatch(config["metadata"]["name"]))

    return [config for config in configs if dig(config, "spec", "purpose") == purpose and belongs(config)]


def _edited(live: Manifest, index: int, cluster_dns: Sequence[str]) -> Manifest:
    """The object with the configuration of the kubelet in this entry of its files edited."""
    try:
        text = _text_of(live, index)
        current = read_mapping(text).get(_ADDRESSES) or []
        if not isinstance(current, list) or not all(isinstance(address, str) for address in current):
            raise UnknownShape(live, f"{_ADDRESSES} in {CONFIG_PATH} is no list of addresses")
        if not has_ipv6(cluster_dns) and not has_ipv6(current):
            return live
        kept = [address for address in current if not has_ipv6([address])]
        changed = with_yaml_value(text, _ADDRESSES, kept + [address for address in cluster_dns if has_ipv6([address])])
    except ValueError as error:
        raise UnknownShape(live, f"{CONFIG_PATH} cannot be changed: {error}") from error
    if value_at(live, str, *_FILES, index, *_INLINE, "encoding") in _BASE64:
        changed = base64.b64encode(changed.encode()).decode()
    return with_value(live, changed, *_FILES, index, *_INLINE, "data")


def _text_of(config: Manifest, index: int) -> str:
    inline = value_at(config, dict, *_FILES, index, *_INLINE)
    encoding = value_at(config, str, *_FILES, index, *_INLINE, "encoding")
    data = value_at(config, str, *_FILES, index, *_INLINE, "data")
    if inline.get("data") is None or encoding not in ("", *_BASE64):
        where = f"in encoding {encoding!r}" if data else "not inline"
        raise UnknownShape(config, f"the content of {CONFIG_PATH} is {where}")
    try:
        return base64.b64decode(data, validate=True).decode() if encoding else data
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnknownShape(config, f"the content of {CONFIG_PATH} is not base64 of a text") from error


def _single_stack(shoot: ShootView, pool: Pool, cluster_dns: Sequence[str]) -> Manifest:
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "clusterDomain": "cluster.local",
        _ADDRESSES: list(cluster_dns),
        "maxPods": shoot.max_pods,
    }
    inline = {"encoding": "", "data": yaml.safe_dump(content, sort_keys=False)}
    return manifest(
        OPERATING_SYSTEM_CONFIG,
        name_of(pool.name),
        shoot.technical_id,
        spec={
            "type": pool.image_name,
            "purpose": RECONCILE,
            "files": [{"path": CONFIG_PATH, "permissions": 0o644, "content": {"inline": inline}}],
        },
    )
