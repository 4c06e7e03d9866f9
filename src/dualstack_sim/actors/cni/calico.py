"""calico with host-local or calico-ipam (docs/reference/gardener.md#calico)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from dualstack.cni.calico import IP_POOL
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.cni.host_local import CniFailure
from dualstack_sim.actors.cni.model import Cni

_PLACEHOLDER = re.compile(r"(?<![\w\"])__[A-Z0-9_]+__(?![\w\"])")
"""A value that calico's installer fills in, unquoted because it is a number: `"mtu": __CNI_MTU__`."""

_POD_CIDR_FAMILY = {"usePodCidr": 4, "usePodCidrIPv6": 6}


def families(config_map: Manifest) -> tuple[int, ...]:
    """The families of the ipam plugin's ranges or `assign_ipv*` flags, in its order; CniFailure if it is not valid."""
    text = (config_map.get("data") or {}).get("cni_network_config", "")
    try:
        configuration = json.loads(_PLACEHOLDER.sub("0", text))
    except ValueError as error:
        raise CniFailure(f"cni_network_config is not JSON: {error}") from error
    ipam = _ipam(configuration)
    if ipam is None:
        raise CniFailure("cni_network_config has no plugin with ipam")
    named = list(dict.fromkeys(_range_families(ipam)))
    flags = {family: str(ipam[f"assign_ipv{family}"]).lower() for family in (4, 6) if f"assign_ipv{family}" in ipam}
    assigned = named or [family for family, flag in flags.items() if flag == "true"]
    assigned = [family for family in assigned if flags.get(family) != "false"]
    if not assigned:
        raise CniFailure("cni_network_config assigns no address family")
    return tuple(assigned)


def _ipam(configuration: Any) -> dict[str, Any] | None:
    if not isinstance(configuration, dict):
        return None
    for plugin in configuration.get("plugins", [configuration]):
        if isinstance(plugin, dict) and isinstance(plugin.get("ipam"), dict):
            ipam: dict[str, Any] = plugin["ipam"]
            return ipam
    return None


def _range_families(ipam: dict[str, Any]) -> Iterator[int]:
    """The family of each subnet (`usePodCidr`, `usePodCidrIPv6` or a CIDR) that host-local allocates from."""
    sets = ipam.get("ranges") or []
    subnets = [ipam.get("subnet"), *(each.get("subnet") for one_set in sets for each in one_set)]
    for subnet in subnets:
        if subnet in _POD_CIDR_FAMILY:
            yield _POD_CIDR_FAMILY[subnet]
        elif subnet:
            yield ip_network(subnet).version


CALICO = Cni(
    "calico", "calico-node", "calico-config", families, custom_resources=((IP_POOL, (("CIDR", ".spec.cidr"),)),)
)
