"""The cloud resources of a Shoot: bodies as Gardener sends them (docs/reference/gardener.md#compute-requests)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from dualstack.gardener.model import names
from dualstack.gardener.model.annotations import IPV4
from dualstack.gardener.model.infrastructure import CloudNAT, InfrastructureConfig
from dualstack.gardener.model.pools import Pool
from dualstack.gardener.model.shoot import ShootView
from dualstack.gce.resources import DUAL_STACK
from dualstack.model.cluster import Cluster, NodePool

Body = dict[str, Any]

HEALTH_CHECKS = ("35.191.0.0/16", "209.85.204.0/22", "209.85.152.0/22", "130.211.0.0/22")
HEALTH_CHECKS_IPV6 = ("2600:2d00:1:b029::/64", "2600:2d00:1:1::/64", "2600:1901:8001::/48")
_ALL_PORTS = ["1-65535"]
_NODE_PORTS = ["30000-32767"]


@dataclass(frozen=True, slots=True)
class Desired:
    """Names and bodies for one Shoot in one region of one project."""

    project: str
    region: str
    ns: str
    dual: bool
    pods: str
    services: str
    config: InfrastructureConfig
    pools: tuple[Pool, ...] = ()
    internal_ipv6: bool = True
    """Whether the internal subnet becomes dual-stack with the others."""

    @classmethod
    def of(cls, shoot: ShootView, *, project: str, region: str) -> Self:
        """`dual` as in Gardener: the spec has IPv6, or the nodes already have two ranges."""
        return cls(
            project=project,
            region=region,
            ns=shoot.technical_id,
            dual=shoot.dual_stack_infrastructure,
            pods=shoot.pods,
            services=shoot.services,
            config=shoot.infrastructure_config,
            pools=shoot.pools,
            internal_ipv6=shoot.annotations.get(names.INTERNAL_SUBNET) != IPV4,
        )

    # -- names

    @property
    def vpc(self) -> str:
        return self.config.user_vpc or names.vpc(self.ns)

    @property
    def router(self) -> str:
        return self.config.user_router or names.cloud_router(self.ns)

    @property
    def nodes_subnet(self) -> str:
        return names.nodes_subnet(self.ns)

    @property
    def internal_subnet(self) -> str:
        return names.internal_subnet(self.ns)

    @property
    def services_subnet(self) -> str:
        return names.services_subnet(self.ns)

    @property
    def cluster(self) -> Cluster:
        """The Shoot as the cut-over, the preflight and the verification see it."""
        return Cluster(
            name=self.ns,
            project=self.project,
            region=self.region,
            network=self.vpc,
            nodes_subnet=self.nodes_subnet,
            nodes=self.config.workers,
            pods=self.pods,
            services_subnet=self.services_subnet,
            services=self.services,
            pools=tuple(
                NodePool(
                    name=pool.name,
                    zones=pool.zones,
                    surge=pool.max_surge,
                    vm_name_prefixes=tuple(
                        f"{names.machine_deployment(self.ns, pool.name, index)}-" for index in range(len(pool.zones))
                    ),
                )
                for pool in self.pools
            ),
            vm_name_prefix=f"{self.ns}-",
            # A subnet that stays IPv4 needs nothing from the migration.
            internal_subnet=self.internal_subnet if self.config.networks.internal and self.internal_ipv6 else "",
            internal=self.config.networks.internal or "" if self.internal_ipv6 else "",
        )

    # -- paths

    def regional(self, collection: str, name: str = "") -> str:
        """The path of a regional collection or of one resource in it."""
        return f"regions/{self.region}/{collection}" + (f"/{name}" if name else "")

    def subnet_path(self, name: str) -> str:
        return self.regional("subnetworks", name)

    # -- bodies

    def network(self) -> Body:
        body: Body = {
            "name": self.vpc,
            "autoCreateSubnetworks": False,
            "routingConfig": {"routingMode": "REGIONAL"},
        }
        return body | ({"mtu": self.config.networks.mtu} if self.config.networks.mtu else {})

    def nodes(self, network: str) -> Body:
        """The nodes subnet; `network` is the VPC's selfLink."""
        body: Body = {
            "name": self.nodes_subnet,
            "description": names.NODES_SUBNET_DESCRIPTION,
            "ipCidrRange": self.config.workers,
            "network": network,
        }
        logs = self.flow_logs()
        if logs:
            body |= {"logConfig": logs}
        if self.dual:
            body |= DUAL_STACK | {"secondaryIpRanges": [self.cluster.pod_range]}
        return body

    def flow_logs(self) -> Body | None:
        """`logConfig` with Gardener's defaults; None when flow logs are disabled."""
        logs = self.config.networks.flow_logs
        if logs is None:
            return None
        return {
            "enable": True,
            "aggregationInterval": logs.aggregation_interval or "INTERVAL_5_MIN",
            "flowSampling": 0.5 if logs.flow_sampling is None else logs.flow_sampling,
            "metadata": logs.metadata or "EXCLUDE_ALL_METADATA",
        }

    def internal(self, network: str) -> Body | None:
        """The internal subnet; None when the Shoot has none (docs/reference/gardener.md#internal-subnet)."""
        if not self.config.networks.internal:
            return None
        return {
            "name": self.internal_subnet,
            "description": names.INTERNAL_SUBNET_DESCRIPTION,
            "ipCidrRange": self.config.networks.internal,
            "network": network,
            **(DUAL_STACK if self.dual and self.internal_ipv6 else {}),
        }

    def services_body(self, network: str) -> Body:
        """The services subnet: the IPv4 service range, and a /64 that it reserves."""
        return {
            "name": self.services_subnet,
            "description": names.SERVICES_SUBNET_DESCRIPTION,
            "ipCidrRange": self.services,
            "network": network,
            **DUAL_STACK,
        }

    def router_body(self, network: str) -> Body:
        return {"name": self.router, "description": names.ROUTER_DESCRIPTION, "network": network}

    def nat(self, nodes_subnet: str, nat_ips: tuple[str, ...]) -> Body:
        """The cluster's entry in the router's `nats`; links are selfLinks (docs/reference/gardener.md#nat)."""
        nat = self.config.networks.cloud_nat or CloudNAT()
        mapping = nat.endpoint_independent_mapping
        body: Body = {
            "name": names.cloud_nat(self.ns),
            "natIpAllocateOption": "MANUAL_ONLY" if nat_ips else "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
            "subnetworks": [{"name": nodes_subnet, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
            "minPortsPerVm": _or(nat.min_ports_per_vm, 2048),
            "maxPortsPerVm": _or(nat.max_ports_per_vm, 65536),
            "enableDynamicPortAllocation": nat.enable_dynamic_port_allocation,
            "enableEndpointIndependentMapping": bool(mapping and mapping.enabled),
            "icmpIdleTimeoutSec": _or(nat.icmp_idle_timeout_sec, 30),
            "tcpEstablishedIdleTimeoutSec": _or(nat.tcp_established_idle_timeout_sec, 1200),
            "tcpTimeWaitTimeoutSec": _or(nat.tcp_time_wait_timeout_sec, 120),
            "tcpTransitoryIdleTimeoutSec": _or(nat.tcp_transitory_idle_timeout_sec, 30),
            "udpIdleTimeoutSec": _or(nat.udp_idle_timeout_sec, 30),
            "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
        }
        return body | ({"natIps": list(nat_ips)} if nat_ips else {})

    def firewalls(self, network: str, nodes_ipv6: str | None, services_ipv6: str | None) -> list[Body]:
        """The firewall rules; those for IPv6 as soon as a prefix is known."""
        networks = self.config.networks
        sources = [source for source in (self.pods, networks.internal, networks.workers, networks.worker) if source]
        rules = [
            _rule(names.firewall_internal(self.ns), network, _internal("icmp"), sources),
            _rule(names.firewall_health_checks(self.ns), network, _health_checks(), list(HEALTH_CHECKS)),
        ]
        sources_ipv6 = [source for source in (nodes_ipv6, services_ipv6) if source]
        if sources_ipv6:
            health = names.firewall_health_checks_ipv6(self.ns)
            rules += [
                _rule(names.firewall_internal_ipv6(self.ns), network, _internal("58"), sources_ipv6),
                _rule(health, network, _health_checks(), list(HEALTH_CHECKS_IPV6)),
            ]
        return rules


def _rule(name: str, network: str, allowed: list[Body], sources: list[str]) -> Body:
    return {
        "name": name,
        "network": network,
        "direction": "INGRESS",
        "priority": 1000,
        "disabled": False,
        "allowed": allowed,
        "sourceRanges": list(dict.fromkeys(sources)),
    }


def _internal(icmp: str) -> list[Body]:
    """`icmp` is the protocol of that name for the family: `icmp`, or `58` for ICMPv6."""
    return [
        {"IPProtocol": icmp},
        {"IPProtocol": "ipip"},
        {"IPProtocol": "tcp", "ports": _ALL_PORTS},
        {"IPProtocol": "udp", "ports": _ALL_PORTS},
    ]


def _health_checks() -> list[Body]:
    return [{"IPProtocol": "udp", "ports": _NODE_PORTS}, {"IPProtocol": "tcp", "ports": _NODE_PORTS}]


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
