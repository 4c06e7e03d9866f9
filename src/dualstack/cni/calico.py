"""Calico (docs/reference/gardener.md#calico)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dualstack.cni.interface import FIELD, Cni, PodNetwork, SystemObjects, cidr_of
from dualstack.model import cidr
from dualstack.model.errors import InvalidInput
from dualstack.model.field_errors import Fault, forbidden, invalid, not_supported
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import config_map, daemon_set, manifest
from dualstack.model.memory import from_memory, with_memory
from dualstack.model.names import KUBE_SYSTEM
from dualstack.model.parts import Part, Presence, UnknownShape, value_at, with_value
from dualstack.model.texts import json_object, with_json_object
from dualstack.model.workloads import environment_of, with_environment

_GROUP = "crd.projectcalico.org"
_CONFIG_MAP = "calico-config"
_DAEMON_SET = "calico-node"
_IPV4_POOL_NAME, _IPV6_POOL_NAME = "default-ipv4-ippool", "default-ipv6-ippool"
IP_POOL = Kind(_GROUP, "v1", "IPPool", "ippools", namespaced=False)
_AUTO_DETECTION = re.compile(
    "first-found|kubernetes-internal-ip|(skip-)?interface=.+|cidr=(.+)|can-reach=([a-z0-9.-]+|[0-9A-Fa-f:]+)"
)
_IMAGE = "calico/node:v3.30.3"
_CNI = "cni_network_config"
_MODES = {"ipipMode": "Never", "vxlanMode": "Never"}
_BACKENDS = ("none", "bird")
_FIELDS = {
    FIELD: "apiVersion kind backend ipam ipv4 ipv6 typha vethMTU ebpfDataplane overlay snatToUpstreamDNS "
    "autoScaling vxlan ipip ipAutodetectionMethod wireguardEncryption birdExporter multus "
    "serviceLoopPrevention",
    f"{FIELD}.ipam": "type cidr",
    f"{FIELD}.ipv4": "pool mode autoDetectionMethod",
    f"{FIELD}.ipv6": "pool mode autoDetectionMethod sourceNATEnabled",
    f"{FIELD}.typha": "enabled",
    f"{FIELD}.ebpfDataplane": "enabled",
    f"{FIELD}.overlay": "enabled createPodRoutes",
    f"{FIELD}.snatToUpstreamDNS": "enabled",
    f"{FIELD}.autoScaling": "mode resources",
    f"{FIELD}.autoScaling.resources": "node typha",
    f"{FIELD}.vxlan": "enabled",
    f"{FIELD}.birdExporter": "enabled",
    f"{FIELD}.multus": "enabled installCNIPlugins",
}
"""The fields of a NetworkConfig, by path."""
_POOL_MODES = ("Always", "Never", "CrossSubnet", "Off")
_VALUES = {
    "backend": ("bird", "none", "vxlan"),
    "ipam.type": ("calico-ipam", "host-local"),
    "ipv4.pool": ("ipip", "vxlan"),
    "ipv4.mode": _POOL_MODES,
    "ipv6.pool": ("ipip", "vxlan"),
    "ipv6.mode": _POOL_MODES,
    "ipip": _POOL_MODES,
    "autoScaling.mode": ("cluster-proportional", "vpa", "static"),
    "serviceLoopPrevention": ("Disabled", "Drop", "Reject"),
}
"""The allowed values of fields of a NetworkConfig, by path."""
_IPV6_SUPPORT, _IPV6_POOL = "FELIX_IPV6SUPPORT", "CALICO_IPV6POOL_CIDR"
_IPAM = {"assign_ipv4": "true", "assign_ipv6": "false", "subnet": "usePodCidr", "ranges": None}
_DUAL_IPAM = {
    "assign_ipv4": "true",
    "assign_ipv6": "true",
    "subnet": None,
    "ranges": [[{"subnet": "usePodCidrIPv6"}], [{"subnet": "usePodCidr"}]],
}
"""The settings of the ipam plugin that a migration changes, before and after it; None for none."""


def _encapsulation(objects: SystemObjects, pods: str) -> Iterator[tuple[str, str]]:
    """VXLAN as the back end of all pools, and the mode of each pool in the range."""
    if (objects.data(_CONFIG_MAP) or {}).get("calico_backend") == "vxlan":
        yield f"ConfigMap kube-system/{_CONFIG_MAP}", "calico_backend is vxlan"
    for pool in objects.ip_pools():
        spec = pool.get("spec") or {}
        modes = {mode: spec.get(mode) for mode in _MODES if spec.get(mode, "Never") != "Never"}
        if modes and not spec.get("disabled") and cidr.overlap(str(spec.get("cidr")), pods):
            yield f"IPPool {pool['metadata']['name']}", ", ".join(f"{mode} {value}" for mode, value in modes.items())


def _masquerade(objects: SystemObjects, pods: str) -> str:
    """The pools with natOutgoing, if they have every pod (docs/reference/kubernetes.md#masquerading)."""
    specs: dict[str, Any] = {pool["metadata"]["name"]: pool.get("spec") or {} for pool in objects.ip_pools()}
    found = {name: spec.get("cidr") for name, spec in specs.items() if spec.get("natOutgoing")}
    covered = cidr.covered(pods, found.values())
    return f"IPPool {', '.join(sorted(found))} has natOutgoing: true" if covered else ""


def _objects(network: PodNetwork) -> list[Part]:
    """ConfigMap, DaemonSet and IP pools.

    A migration changes the ipam plugin, the variables of `_ipv6_variables`, and the IPv6 pool.
    """
    dual = network.dual_stack
    pool = {"cidr": network.pods[0], "blockSize": 26, "natOutgoing": True, **_MODES, "nodeSelector": "all()"}
    parts = [
        Part.of(_config_map(network), lambda live: _edited_configuration(live, dual=dual)),
        Part.of(_daemon_set(network), lambda live: _edited_daemon_set(live, network)),
        Part.of(manifest(IP_POOL, _IPV4_POOL_NAME, spec=pool), _require_native_routing, Presence.OPTIONAL),
    ]
    if network.native_routing and network.nodes:
        no_snat = {"cidr": network.nodes[0], "disabled": True, "disableBGPExport": True, **_MODES}
        parts.append(Part(manifest(IP_POOL, "no-snat-for-node-cidr", spec=no_snat), presence=Presence.OPTIONAL))
    return [*parts, _ipv6_pool(network)]


def _backend(network: PodNetwork) -> str:
    """`bird` when Calico creates the routes to pods; `none` when native routing leaves them to the cloud."""
    own_routes = not network.native_routing or dig(network.settings, "overlay", "createPodRoutes")
    return "bird" if own_routes else "none"


def _ipv6_pool(network: PodNetwork) -> Part:
    if not network.dual_stack:
        return Part(manifest(IP_POOL, _IPV6_POOL_NAME), presence=Presence.REMOVED)
    pods = cidr_of(network.pods, "IPv6")

    def edit(live: Manifest) -> Manifest:
        try:
            current = cidr.same(value_at(live, str, "spec", "cidr"), pods)
        except ValueError as error:
            raise UnknownShape(live, f"spec.cidr cannot be read: {error}") from error
        return live if current else with_value(live, pods, "spec", "cidr")

    pool = {"cidr": pods, "blockSize": 122, "natOutgoing": False, **_MODES, "nodeSelector": "all()"}
    return Part.of(manifest(IP_POOL, _IPV6_POOL_NAME, spec=pool), edit, Presence.ADDED)


def _require_native_routing(live: Manifest) -> Manifest:
    for mode in _MODES:
        value = value_at(live, dict, "spec").get(mode) or "Never"
        if value != "Never":
            raise UnknownShape(live, f"spec.{mode} is {value}; a pool that encapsulates packets cannot be migrated")
    return live


def _edited_configuration(live: Manifest, *, dual: bool) -> Manifest:
    data = value_at(live, dict, "data")
    if data.get("calico_backend", "none") not in _BACKENDS:
        known = " and ".join(_BACKENDS)
        raise UnknownShape(live, f"calico_backend is {data['calico_backend']}; the known values are {known}")
    try:
        ipam = json_object(value_at(live, str, "data", _CNI), "ipam")
        if ipam.get("type") != "host-local":
            raise UnknownShape(live, f"the ipam plugin is {ipam.get('type')}; only host-local has pod CIDRs of nodes")
        if _assigns_both(ipam) == dual:
            return live
        live, settings = (with_memory(live, ipam, _IPAM), _DUAL_IPAM) if dual else from_memory(live, _IPAM)
        changed = {key: value for key, value in {**ipam, **settings}.items() if value is not None}
        return {**live, "data": {**data, _CNI: with_json_object(data[_CNI], "ipam", changed)}}
    except ValueError as error:
        raise UnknownShape(live, f"{_CNI} cannot be read: {error}") from error


def _assigns_both(ipam: Mapping[str, Any]) -> bool:
    ranges = ipam.get("ranges")
    assigns = ipam.get("assign_ipv4") == ipam.get("assign_ipv6") == "true"
    return assigns and isinstance(ranges, list) and len(ranges) == 2


def _edited_daemon_set(live: Manifest, network: PodNetwork) -> Manifest:
    current = environment_of(live, _DAEMON_SET)
    if str(current.get("FELIX_BPFENABLED")).lower() == "true":
        raise UnknownShape(live, "FELIX_BPFENABLED is true; the eBPF data plane has not been tested with a migration")
    is_dual, single_stack = _IPV6_POOL in current, {**dict.fromkeys(_ipv6_variables("", "")), _IPV6_SUPPORT: "false"}
    if not network.dual_stack:
        if not is_dual:
            return live
        live, values = from_memory(live, single_stack)
        return with_environment(live, _DAEMON_SET, values)
    live = live if is_dual else with_memory(live, current, single_stack)
    added = _ipv6_variables(cidr_of(network.nodes, "IPv6"), cidr_of(network.pods, "IPv6"))
    return with_environment(live, _DAEMON_SET, {**added, _IPV6_SUPPORT: "true"})


def _ipv6_variables(nodes: str, pods: str) -> dict[str, str]:
    return {
        "IP6": "autodetect",
        "IP6_AUTODETECTION_METHOD": f"cidr={nodes}",
        _IPV6_POOL: pods,
        "CALICO_IPV6POOL_VXLAN": "Never",
        "CALICO_IPV6POOL_NAT_OUTGOING": "false",
        "CALICO_ROUTER_ID": "hash",
    }


def _config_map(network: PodNetwork) -> Manifest:
    content = {
        "name": "k8s-pod-network",
        "cniVersion": "0.3.1",
        "plugins": [
            {
                "type": "calico",
                "log_level": "info",
                "datastore_type": "kubernetes",
                "nodename": "__KUBERNETES_NODE_NAME__",
                "mtu": 0,
                "ipam": {"type": "host-local", "assign_ipv4": "true", "assign_ipv6": "false", "subnet": "usePodCidr"},
                "policy": {"type": "k8s"},
                "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
            },
            {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
        ],
    }
    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    return config_map(_CONFIG_MAP, KUBE_SYSTEM, {"calico_backend": _backend(network), _CNI: text})


def _daemon_set(network: PodNetwork) -> Manifest:
    environment = {
        "DATASTORE_TYPE": "kubernetes",
        "CALICO_NETWORKING_BACKEND": _backend(network),
        "IP": "autodetect",
        "IP_AUTODETECTION_METHOD": f"cidr={network.nodes[0]}",
        "CALICO_IPV4POOL_CIDR": network.pods[0],
        "CALICO_IPV4POOL_IPIP": "Never",
        "CALICO_IPV4POOL_VXLAN": "Never",
        "FELIX_IPINIPENABLED": "false",
        _IPV6_SUPPORT: "false",
    }
    return daemon_set(_DAEMON_SET, _IMAGE, labels={"k8s-app": "calico-node"}, environment=environment)


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    try:
        return _assigns_both(json_object(data.get(_CNI) or "", "ipam"))
    except ValueError as error:
        raise InvalidInput(f"ConfigMap {_CONFIG_MAP}: {_CNI} cannot be read: {error}") from error


def _validate(config: Mapping[str, Any], families: Sequence[str], proxy: bool) -> Iterator[Fault]:
    """The errors of networking-calico's admission (docs/reference/gardener.md#cni-admission)."""
    for path, values in _VALUES.items():
        value = dig(config, *path.split("."))
        if value is not None and value not in values:
            yield not_supported(f"{FIELD}.{path}", value, values)
    for pool in ("ipv4", "ipv6"):
        mode = dig(config, pool, "mode")
        if dig(config, pool, "pool") == "vxlan" and mode in ("CrossSubnet", "Off"):
            yield not_supported(f"{FIELD}.{pool}.mode", mode, ("Always", "Never"))
    if dig(config, "ipam", "type") == "calico-ipam" and list(families) != ["IPv4"]:
        yield invalid(
            f"{FIELD}.ipam.type",
            "calico-ipam",
            'IPAM type "calico-ipam" is only supported for IPv4 single-stack shoots, use "host-local" instead',
        )
    subnet = dig(config, "ipam", "cidr")
    if subnet is not None and str(subnet).lower() != "usepodcidr" and not cidr.is_cidr(subnet):
        yield invalid(f"{FIELD}.ipam.cidr", subnet, "must be a CIDR or usePodCIDR")
    yield from _value_faults(config)
    if not proxy and not dig(config, "ebpfDataplane", "enabled"):
        message = "Disabling kube-proxy is forbidden in conjunction with calico without running in ebpf dataplane"
        yield forbidden("spec.kubernetes.kubeProxy.enabled", message)


def _value_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    mtu = config.get("vethMTU")
    if mtu is not None and not mtu.isdecimal():
        yield invalid(f"{FIELD}.vethMTU", mtu, "must be an integer that is not negative")
    for path in ("autoScaling.resources.node", "autoScaling.resources.typha"):
        for name, quantity in (dig(config, *path.split(".")) or {}).items():
            if name not in ("cpu", "memory"):
                yield invalid(f"{FIELD}.{path}.{name}", quantity, f"Unsupported resource: {name}")
            elif not re.search("[1-9]", str(quantity)):
                yield invalid(f"{FIELD}.{path}.{name}", quantity, "must be specified and cannot be zero")
    for path in ("ipAutodetectionMethod", "ipv4.autoDetectionMethod", "ipv6.autoDetectionMethod"):
        method = dig(config, *path.split("."))
        found = _AUTO_DETECTION.fullmatch(method or "first-found")
        if not found or (found[2] and not cidr.is_cidr(found[2])):
            yield invalid(f"{FIELD}.{path}", method, "must be a method of Calico, such as interface=eth.*")


CALICO = Cni(
    "Calico",
    _DAEMON_SET,
    _CONFIG_MAP,
    _encapsulation,
    _masquerade,
    mtu_key="veth_mtu",
    ip_pools=(IP_POOL,),
    policies=(
        Kind(_GROUP, "v1", "NetworkPolicy", "networkpolicies"),
        Kind(_GROUP, "v1", "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False),
    ),
    names=("calico-kube-controllers", "calico-typha", _IPV4_POOL_NAME, _IPV6_POOL_NAME),
    programs=("calico", "(cni|node|typha|kube-controllers)$"),
    domain="projectcalico.org",
    network_type="calico",
    objects=_objects,
    is_dual_stack=_is_dual_stack,
    validate=_validate,
    fields=_FIELDS,
)
