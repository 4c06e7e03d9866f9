"""The types of gcp.provider.extensions.gardener.cloud/v1alpha1 (docs/reference/gardener.md#provider-types).

Fields are in the order of upstream's types, in which Go writes them. A field that Go writes although it is empty has a
`default_factory`, because msgspec leaves out plain defaults.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from dualstack.gardener.model.terraform import has_resources, has_service_account
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest

API_VERSION = "gcp.provider.extensions.gardener.cloud/v1alpha1"


class _Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the nested objects; unknown fields are ignored on reading."""


class _Root(_Struct, frozen=True):
    """Base of the three objects that are stored in a RawExtension."""

    @classmethod
    def from_raw(cls, raw: Any) -> Self:
        """The object in a RawExtension; raises InvalidInput with the field that has the wrong type."""
        try:
            return msgspec.convert(_without_nulls(raw or {}), cls)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{cls.__name__}: {error}") from error

    def to_raw(self) -> Manifest:
        """The RawExtension with `kind` and `apiVersion` first, then the fields in order; empty ones are left out."""
        content: Manifest = msgspec.json.decode(msgspec.json.encode(self))
        return {"kind": type(self).__name__, "apiVersion": API_VERSION, **content}


def _without_nulls(value: Any) -> Any:
    """`value` without null fields, which the API treats as absent."""
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return [_without_nulls(entry) for entry in value] if isinstance(value, list) else value


class CloudRouter(_Struct, frozen=True):
    name: str | None = None


class VPC(_Struct, frozen=True):
    name: str | None = None
    cloud_router: CloudRouter | None = None


class NatIPName(_Struct, frozen=True):
    name: str = msgspec.field(default_factory=str)


class EndpointIndependentMapping(_Struct, frozen=True):
    enabled: bool = msgspec.field(default_factory=bool)


class CloudNAT(_Struct, frozen=True):
    """Cloud NAT; None means Gardener's default, in the comment behind the field (docs/reference/gardener.md#nat)."""

    endpoint_independent_mapping: EndpointIndependentMapping | None = None
    min_ports_per_vm: int | None = msgspec.field(default=None, name="minPortsPerVM")  # 2048
    max_ports_per_vm: int | None = msgspec.field(default=None, name="maxPortsPerVM")  # 65536
    enable_dynamic_port_allocation: bool = False
    nat_ip_names: tuple[NatIPName, ...] = msgspec.field(default=(), name="natIPNames")
    icmp_idle_timeout_sec: int | None = None  # 30
    tcp_established_idle_timeout_sec: int | None = None  # 1200
    tcp_time_wait_timeout_sec: int | None = None  # 120
    tcp_transitory_idle_timeout_sec: int | None = None  # 30
    udp_idle_timeout_sec: int | None = None  # 30


class FlowLogs(_Struct, frozen=True):
    aggregation_interval: str | None = None  # INTERVAL_5_MIN
    flow_sampling: float | None = None  # 0.5
    metadata: str | None = None  # EXCLUDE_ALL_METADATA


class NetworkConfig(_Struct, frozen=True):
    vpc: VPC | None = None
    cloud_nat: CloudNAT | None = msgspec.field(default=None, name="cloudNAT")
    internal: str | None = None
    worker: str = msgspec.field(default_factory=str)
    workers: str = msgspec.field(default_factory=str)
    flow_logs: FlowLogs | None = None
    mtu: int | None = None


class InfrastructureConfig(_Root, frozen=True):
    networks: NetworkConfig = msgspec.field(default_factory=NetworkConfig)

    @property
    def workers(self) -> str:
        """CIDR of the nodes subnet: `workers`, else the deprecated `worker`."""
        return self.networks.workers or self.networks.worker

    @property
    def user_vpc(self) -> str | None:
        """Name of the user's VPC; None when Gardener manages the VPC."""
        return self.networks.vpc.name if self.networks.vpc else None

    @property
    def user_router(self) -> str | None:
        """Name of the user's router; None when Gardener manages the router."""
        vpc = self.networks.vpc
        return vpc.cloud_router.name if vpc and vpc.name and vpc.cloud_router else None

    @property
    def nat_ip_names(self) -> tuple[str, ...]:
        """Names of the user's static addresses for NAT; empty when GCP allocates them."""
        nat = self.networks.cloud_nat
        return tuple(entry.name for entry in nat.nat_ip_names) if nat else ()


class StatusRouter(_Struct, frozen=True):
    name: str = ""


class StatusVPC(_Struct, frozen=True):
    name: str = ""
    cloud_router: StatusRouter | None = None


class Subnet(_Struct, frozen=True):
    """A subnet and its purpose: `nodes`, `internal` or `services`, always in this order."""

    name: str
    purpose: str


class NatIP(_Struct, frozen=True):
    ip: str


class NetworkStatus(_Struct, frozen=True):
    vpc: StatusVPC = msgspec.field(default_factory=StatusVPC)
    subnets: tuple[Subnet, ...] = msgspec.field(default_factory=lambda: ())
    nat_ips: tuple[NatIP, ...] = msgspec.field(default=(), name="natIPs")
    ipfamilies: tuple[str, ...] = ()


class InfrastructureStatus(_Root, frozen=True):
    """`Infrastructure.status.providerStatus`; upstream spells `networks.ipfamilies` in lower case."""

    networks: NetworkStatus = msgspec.field(default_factory=NetworkStatus)
    service_account_email: str = msgspec.field(default_factory=str)

    def with_families(self, families: tuple[str, ...]) -> InfrastructureStatus:
        """The same status of an infrastructure with these families."""
        return msgspec.structs.replace(self, networks=msgspec.structs.replace(self.networks, ipfamilies=families))

    def subnet(self, purpose: str) -> str | None:
        """The name of the subnet with this purpose, or None."""
        return next((subnet.name for subnet in self.networks.subnets if subnet.purpose == purpose), None)


class SavedRoute(_Struct, frozen=True):
    """A node route that is to become an alias range: instance name, its pod CIDR, its zone."""

    instance_name: str
    destination_cidr: str = msgspec.field(name="destinationCIDR")
    zone: str


RESOURCES_EXIST = "resources_exist"
SERVICE_ACCOUNT_EXISTS = "service_account_exist"
SERVICE_ACCOUNT_EMAIL = "ids/service-account-email"
NODES_SUBNET_IPV6 = "nodes-subnet-ipv6-cidr"
SERVICES_SUBNET_IPV6 = "services-subnet-ipv6-cidr"


class InfrastructureState(_Root, frozen=True):
    """`Infrastructure.status.state` (docs/reference/gardener.md#infrastructure-state)."""

    data: dict[str, str] = msgspec.field(default_factory=dict)
    routes: tuple[SavedRoute, ...] = ()

    def to_raw(self) -> Manifest:
        """The RawExtension, with the keys of `data` sorted, as Go writes a map."""
        raw = _Root.to_raw(self)
        return raw | ({"data": dict(sorted(self.data.items()))} if self.data else {})


def has_flow_state(raw: Any) -> bool:
    """Whether a saved state is of this API version, whatever its kind (docs/reference/gardener.md#state-kind)."""
    return isinstance(raw, dict) and raw.get("apiVersion") == API_VERSION


def state_of(raw: Any) -> InfrastructureState:
    """The saved state; any other state is read as Terraform's (docs/reference/gardener.md#terraform-state)."""
    if not raw or has_flow_state(raw):
        return InfrastructureState.from_raw(raw)
    return terraform_state(raw)


def terraform_state(raw: Any) -> InfrastructureState:
    """The facts of Terraform's state in today's format."""
    data = {RESOURCES_EXIST: "true"} if has_resources(raw) else {}
    return InfrastructureState(data=data | ({SERVICE_ACCOUNT_EXISTS: "true"} if has_service_account(raw) else {}))
