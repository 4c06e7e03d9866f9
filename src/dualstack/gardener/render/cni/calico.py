"""Calico, in ManagedResource `extension-networking-calico-config` (docs/reference/gardener.md#calico)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.cni.interface import Cni, cidr_of
from dualstack.gardener.validation.field_errors import Fault, invalid
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import IP_POOL, Manifest
from dualstack.model.manifests import checksum, config_map, daemon_set, manifest
from dualstack.model.names import KUBE_SYSTEM

_CONFIG_MAP = "calico-config"
_DAEMON_SET = "calico-node"
_IMAGE = "calico/node:v3.30.3"
_MODES = {"ipipMode": "Never", "vxlanMode": "Never"}


def objects(shoot: ShootView, networks: Networks) -> list[Manifest]:
    """ConfigMap, DaemonSet and IP pools for the families that the migration allows now."""
    dual = "IPv6" in network_families(shoot)
    data = {"calico_backend": backend(shoot), "cni_network_config": _cni_configuration(dual=dual)}
    result = [
        config_map(_CONFIG_MAP, KUBE_SYSTEM, data),
        daemon_set(
            _DAEMON_SET,
            _IMAGE,
            labels={"k8s-app": "calico-node"},
            annotations={"checksum/configmap-calico": checksum(data)},
            environment=_environment(shoot, networks, dual=dual),
        ),
        manifest(
            IP_POOL,
            "default-ipv4-ippool",
            spec={"cidr": shoot.pods, "blockSize": 26, "natOutgoing": True, **_MODES, "nodeSelector": "all()"},
        ),
    ]
    if shoot.overlay_enabled is False and shoot.nodes:
        no_snat = {"cidr": shoot.nodes, "disabled": True, "disableBGPExport": True, **_MODES}
        result.append(manifest(IP_POOL, "no-snat-for-node-cidr", spec=no_snat))
    if dual:
        pool = {"cidr": cidr_of(networks.pods, "IPv6"), "blockSize": 122, "natOutgoing": False, **_MODES}
        result.append(manifest(IP_POOL, "default-ipv6-ippool", spec={**pool, "nodeSelector": "all()"}))
    return result


def backend(shoot: ShootView) -> str:
    """`bird` when Calico creates the routes to pods; `none` when native routing leaves them to the cloud."""
    if shoot.overlay_enabled is False and not dig(shoot.network_config, "overlay", "createPodRoutes"):
        return "none"
    return "bird"


def _cni_configuration(*, dual: bool) -> str:
    ipam: dict[str, Any] = {"type": "host-local", "assign_ipv4": "true", "assign_ipv6": "true" if dual else "false"}
    if dual:
        ipam["ranges"] = [[{"subnet": "usePodCidrIPv6"}], [{"subnet": "usePodCidr"}]]
    else:
        ipam["subnet"] = "usePodCidr"
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
                "ipam": ipam,
                "policy": {"type": "k8s"},
                "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
            },
            {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
        ],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def _environment(shoot: ShootView, networks: Networks, *, dual: bool) -> dict[str, str]:
    result = {
        "DATASTORE_TYPE": "kubernetes",
        "CALICO_NETWORKING_BACKEND": backend(shoot),
        "IP": "autodetect",
        "IP_AUTODETECTION_METHOD": f"cidr={shoot.nodes}",
        "CALICO_IPV4POOL_CIDR": shoot.pods,
        "CALICO_IPV4POOL_IPIP": "Never",
        "CALICO_IPV4POOL_VXLAN": "Never",
        "FELIX_IPINIPENABLED": "false",
        "FELIX_IPV6SUPPORT": "true" if dual else "false",
    }
    if dual:
        result |= {
            "IP6": "autodetect",
            "IP6_AUTODETECTION_METHOD": f"cidr={cidr_of(networks.nodes, 'IPv6')}",
            "CALICO_IPV6POOL_CIDR": cidr_of(networks.pods, "IPv6"),
            "CALICO_IPV6POOL_VXLAN": "Never",
            "CALICO_IPV6POOL_NAT_OUTGOING": "false",
            "CALICO_ROUTER_ID": "hash",
        }
    return result


def _is_dual_stack(data: Mapping[str, str]) -> bool:
    plugins = msgspec.json.decode(data["cni_network_config"])["plugins"]
    ipam = next((plugin["ipam"] for plugin in plugins if "ipam" in plugin), None)
    if ipam is None:
        raise InvalidInput(f"ConfigMap {_CONFIG_MAP} has no plugin with ipam")
    return len(ipam.get("ranges", ())) == 2 and ipam.get("assign_ipv4") == ipam.get("assign_ipv6") == "true"


def _validate(config: Mapping[str, Any], families: Sequence[str]) -> Iterator[Fault]:
    """Calico's own IPAM is IPv4-only (docs/reference/gardener.md#cni-admission)."""
    kind = dig(config, "ipam", "type")
    if kind == "calico-ipam" and list(families) != ["IPv4"]:
        yield invalid(
            "spec.networking.providerConfig.ipam.type",
            kind,
            'IPAM type "calico-ipam" is only supported for IPv4 single-stack shoots, use "host-local" instead',
        )


CALICO = Cni("calico", _DAEMON_SET, _CONFIG_MAP, objects, _is_dual_stack, _validate, (IP_POOL,))
