"""Whether nodes give what their pods send to the internet their own address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any

from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.kinds import Manifest
from dualstack.model.texts import read_mapping

CONFIG_MAPS = ("cilium-config", "ip-masq-agent")
"""Those of kube-system that show it."""

Read = Callable[[], Iterable[Manifest]]
"""Gives objects, or raises a DualstackError."""

_INTERNET = IPv4Network("0.0.0.0/0")


def masquerader(pods: str, *, daemon_sets: Read, config_maps: Read, ip_pools: Read) -> str:
    """What translates IPv4 on every node, as a clause; empty when it is known that nothing does
    (docs/reference/kubernetes.md#masquerading).

    pods: the CIDR of the pods. daemon_sets, config_maps: of kube-system, the latter `CONFIG_MAPS`. Raises the error of
    a read, unless another object shows what translates.
    """
    failed: DualstackError | None = None
    looks: tuple[Callable[[], str], ...] = (
        lambda: _calico(ip_pools(), pods),
        lambda: _cilium(_data(config_maps(), "cilium-config")),
        lambda: _agent(daemon_sets(), config_maps),
    )
    for look in looks:
        try:
            if found := look():
                return found
        except DualstackError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return ""


def _calico(pools: Iterable[Manifest], pods: str) -> str:
    """The pools with natOutgoing, if they have every pod."""
    found = {pool["metadata"]["name"]: pool["spec"] for pool in pools if (pool.get("spec") or {}).get("natOutgoing")}
    ranges = _networks(spec.get("cidr") for spec in found.values())
    return f"IPPool {', '.join(sorted(found))} has natOutgoing: true" if _covered(pods, ranges) else ""


def _cilium(data: Mapping[str, str] | None) -> str:
    native = _networks([(data or {}).get("ipv4-native-routing-cidr")])
    on = (data or {}).get("enable-ipv4-masquerade") == "true" and _INTERNET not in native
    return "ConfigMap kube-system/cilium-config has enable-ipv4-masquerade: true" if on else ""


def _agent(daemon_sets: Iterable[Manifest], config_maps: Read) -> str:
    if all(each["metadata"]["name"] != "ip-masq-agent" for each in daemon_sets):
        return ""
    text = (_data(config_maps(), "ip-masq-agent") or {}).get("config")
    try:
        exempt = (read_mapping(text).get("nonMasqueradeCIDRs") or []) if text else []
    except ValueError as error:
        raise InvalidInput(f"ConfigMap kube-system/ip-masq-agent: config: {error}") from error
    if _covered(str(_INTERNET), _networks(exempt)):
        return ""
    return "DaemonSet kube-system/ip-masq-agent, whose nonMasqueradeCIDRs are not the internet"


def _data(config_maps: Iterable[Manifest], name: str) -> Mapping[str, str] | None:
    return next((each.get("data") or {} for each in config_maps if each["metadata"]["name"] == name), None)


def _networks(texts: Iterable[Any]) -> list[IPv4Network]:
    """The IPv4 networks among the texts."""
    found = []
    for text in texts:
        try:
            network = ip_network(str(text), strict=False)
        except ValueError:
            continue
        if isinstance(network, IPv4Network):
            found.append(network)
    return found


def _covered(text: str, networks: Iterable[IPv4Network]) -> bool:
    """Whether the networks together have every address of the CIDR."""
    wanted = IPv4Network(text)
    return any(wanted.subnet_of(each) for each in collapse_addresses(networks))
