"""The bodies of upstream's requests, with the nulls and empty strings that it sends
(docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.infrastructure import CloudNAT, FlowLogs, InfrastructureConfig
from dualstack.gardener.model.shoot import ShootView
from dualstack.model import cidr, names

Body = dict[str, Any]

DUAL_STACK = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}

_ALL_PORTS = ["1-65535"]
_NODE_PORTS = ["30000-32767"]
_HEALTH_CHECKS = ["35.191.0.0/16", "209.85.204.0/22", "209.85.152.0/22", "130.211.0.0/22"]
_HEALTH_CHECKS_IPV6 = ["2600:2d00:1:b029::/64", "2600:2d00:1:1::/64", "2600:1901:8001::/48"]
_UNSET = (
    "denied",
    "destinationRanges",
    "sourceServiceAccounts",
    "sourceTags",
    "targetServiceAccounts",
    "targetTags",
)
"""Fields of a firewall rule that are sent as null."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bodies for one Shoot. Links to the network and the subnet are those that Compute answered."""

    shoot: ShootView

    @property
    def ns(self) -> str:
        return self.shoot.technical_id

    @property
    def config(self) -> InfrastructureConfig:
        return self.shoot.infrastructure_config

    @property
    def vpc(self) -> str:
        return self.config.user_vpc or gardener_names.vpc(self.ns)

    @property
    def router_name(self) -> str:
        return self.config.user_router or gardener_names.cloud_router(self.ns)

    @property
    def _families(self) -> Body:
        return dict(DUAL_STACK) if self.shoot.dual_stack_infrastructure else {}

    def network(self) -> Body:
        mtu = {"mtu": self.config.networks.mtu} if self.config.networks.mtu else {}
        return self.network_patch() | mtu

    def network_patch(self) -> Body:
        return {"name": self.vpc, "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "REGIONAL"}}

    def nodes(self, network: str) -> Body:
        body = self._subnet(gardener_names.nodes_subnet(self.ns), self.config.workers, network)
        body |= {"description": gardener_names.NODES_SUBNET_DESCRIPTION}
        if logs := self.config.networks.flow_logs:
            body |= {"enableFlowLogs": True, "logConfig": _flow_logs(logs)}
        if self._families:
            body |= {"secondaryIpRanges": [{"rangeName": names.POD_RANGE_NAME, "ipCidrRange": self.shoot.pods}]}
        return body

    def internal(self, network: str) -> Body | None:
        """None without an internal subnet."""
        if not self.config.networks.internal:
            return None
        body = self._subnet(gardener_names.internal_subnet(self.ns), self.config.networks.internal, network)
        return body | {"description": gardener_names.INTERNAL_SUBNET_DESCRIPTION}

    def services(self, network: str) -> Body:
        body = self._subnet(gardener_names.services_subnet(self.ns), self.shoot.services, network)
        return body | {"description": gardener_names.SERVICES_SUBNET_DESCRIPTION}

    def _subnet(self, name: str, block: str, network: str) -> Body:
        return {"name": name, "ipCidrRange": block, "network": network, **self._families}

    def router(self, network: str) -> Body:
        return {"name": self.router_name, "description": gardener_names.ROUTER_DESCRIPTION, "network": network}

    def nats(self, existing: Sequence[Body], subnet: str, addresses: Sequence[str]) -> Body:
        """All NATs of the router, the own one replaced or added."""
        own = self._nat(subnet, addresses)
        if all(nat.get("name") != own["name"] for nat in existing):
            return {"nats": [*existing, own]}
        return {"nats": [own if nat.get("name") == own["name"] else nat for nat in existing]}

    def other_nats(self, existing: Sequence[Body]) -> Body:
        return {"nats": [nat for nat in existing if nat.get("name") != gardener_names.cloud_nat(self.ns)]}

    def _nat(self, subnet: str, addresses: Sequence[str]) -> Body:
        nat = self.config.networks.cloud_nat or CloudNAT()
        mapping = nat.endpoint_independent_mapping
        return {
            "name": gardener_names.cloud_nat(self.ns),
            "natIpAllocateOption": "MANUAL_ONLY" if addresses else "AUTO_ONLY",
            "natIps": list(addresses) or None,
            "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
            "subnetworks": [{"name": subnet, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
            "minPortsPerVm": _or(nat.min_ports_per_vm, 2048),
            "maxPortsPerVm": _or(nat.max_ports_per_vm, 65536),
            "enableDynamicPortAllocation": nat.enable_dynamic_port_allocation,
            **({"enableEndpointIndependentMapping": True} if mapping and mapping.enabled else {}),
            "icmpIdleTimeoutSec": _or(nat.icmp_idle_timeout_sec, 30),
            "tcpEstablishedIdleTimeoutSec": _or(nat.tcp_established_idle_timeout_sec, 1200),
            "tcpTimeWaitTimeoutSec": _or(nat.tcp_time_wait_timeout_sec, 120),
            "tcpTransitoryIdleTimeoutSec": _or(nat.tcp_transitory_idle_timeout_sec, 30),
            "udpIdleTimeoutSec": _or(nat.udp_idle_timeout_sec, 30),
            "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
        }

    def firewalls(self, network: str, prefixes: Sequence[str]) -> list[Body]:
        """The rules in the order of their requests; those for IPv6 once a prefix is known."""
        networks = self.config.networks
        sources = [block for block in (self.shoot.pods, networks.internal, networks.workers, networks.worker) if block]
        rules = [
            _rule(gardener_names.firewall_internal(self.ns), network, _internal("icmp"), sources),
            _rule(gardener_names.firewall_health_checks(self.ns), network, _health_checks(), _HEALTH_CHECKS),
        ]
        if prefixes:
            health = gardener_names.firewall_health_checks_ipv6(self.ns)
            rules += [
                _rule(gardener_names.firewall_internal_ipv6(self.ns), network, _internal("58"), list(prefixes)),
                _rule(health, network, _health_checks(), _HEALTH_CHECKS_IPV6),
            ]
        return rules


def _flow_logs(logs: FlowLogs) -> Body:
    return {
        "aggregationInterval": logs.aggregation_interval or "INTERVAL_5_MIN",
        "flowSampling": _float32(0.5 if logs.flow_sampling is None else logs.flow_sampling),
        "metadata": logs.metadata or "EXCLUDE_ALL_METADATA",
    }


def rule_differs(current: Body, wanted: Body) -> bool:
    """Whether an existing firewall rule is patched."""
    return _comparable(current) != _comparable(wanted)


def _comparable(rule: Body) -> Body:
    allowed = sorted((entry["IPProtocol"], *entry.get("ports", ())) for entry in rule.get("allowed") or ())
    sources = sorted(cidr.canonical(block) for block in rule.get("sourceRanges") or ())
    return {
        "allowed": allowed,
        "sources": sources,
        "direction": rule.get("direction"),
        "priority": rule.get("priority"),
        "disabled": bool(rule.get("disabled")),
    }


def _rule(name: str, network: str, allowed: list[Body], sources: list[str]) -> Body:
    return {
        "name": name,
        "network": network,
        "direction": "INGRESS",
        "priority": 1000,
        "disabled": False,
        "allowed": allowed,
        "sourceRanges": sources,
        **dict.fromkeys(_UNSET),
    }


def _internal(icmp: str) -> list[Body]:
    return [
        {"IPProtocol": icmp},
        {"IPProtocol": "ipip"},
        {"IPProtocol": "tcp", "ports": _ALL_PORTS},
        {"IPProtocol": "udp", "ports": _ALL_PORTS},
    ]


def _health_checks() -> list[Body]:
    return [{"IPProtocol": "udp", "ports": _NODE_PORTS}, {"IPProtocol": "tcp", "ports": _NODE_PORTS}]


def _float32(value: float) -> float:
    """As Go writes a float32 that became a float64."""
    number: float = struct.unpack("f", struct.pack("f", value))[0]
    return number


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
