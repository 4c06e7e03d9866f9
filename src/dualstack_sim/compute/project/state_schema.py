"""The fields and types of resources in a saved state.

Only fields that the simulator uses are checked; all others are kept unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from dualstack_sim.compute.api.references import GLOBAL

Count = Annotated[int, Meta(ge=0)]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,20}\Z")]
Name = Annotated[str, Meta(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?\Z")]
Instant = Annotated[float, Meta(ge=0, le=1e11)]
Stack = Literal["IPV4_ONLY", "IPV4_IPV6"]
Access = Literal["EXTERNAL", "INTERNAL"]


class Range:
    """A CIDR of either family, or a single address."""


class Shape(Struct, rename="camel"):
    """Fields in Python's spelling. A field with a default may be absent, but not null."""


class Resource(Shape):
    kind: str
    id: Digits
    name: str
    self_link: str
    creation_timestamp: str


class Peering(Shape):
    name: str
    network: Annotated[str, Meta(pattern="/projects/[^/]+/global/networks/")]
    state: str
    export_custom_routes: bool = False
    import_custom_routes: bool = False
    stack_type: Stack = "IPV4_ONLY"


class Network(Resource):
    routing_config: dict[str, Any]
    internal_ipv6_range: IPv6Network | UnsetType = UNSET
    peerings: list[Peering] = []


class Secondary(Shape):
    range_name: str
    ip_cidr_range: IPv4Network


class Subnetwork(Resource):
    network: str
    region: str
    ip_cidr_range: IPv4Network
    fingerprint: str
    stack_type: Stack
    private_ip_google_access: bool = False
    allow_subnet_cidr_routes_overlap: bool = False
    secondary_ip_ranges: list[Secondary] = []
    ipv6_access_type: Access = "EXTERNAL"
    ipv6_cidr_range: IPv6Network | UnsetType = UNSET
    external_ipv6_prefix: IPv6Network | UnsetType = UNSET
    internal_ipv6_prefix: IPv6Network | UnsetType = UNSET


class Route(Resource):
    network: str
    dest_range: Range
    priority: Count
    next_hop_instance: str = ""
    next_hop_gateway: str = ""
    next_hop_ip: str = ""
    next_hop_ilb: str = ""
    next_hop_vpn_tunnel: str = ""
    tags: list[str] = []


class Traffic(Shape):
    protocol: str = field(name="IPProtocol")
    ports: list[Annotated[str, Meta(pattern=r"^[0-9]{1,5}(-[0-9]{1,5})?\Z")]] = []


class Firewall(Resource):
    network: str
    priority: Count
    direction: Literal["INGRESS", "EGRESS"]
    disabled: bool = False
    source_ranges: list[Range] = []
    destination_ranges: list[Range] = []
    source_tags: list[str] = []
    source_service_accounts: list[str] = []
    target_tags: list[str] = []
    target_service_accounts: list[str] = []
    allowed: list[Traffic] = []
    denied: list[Traffic] = []


class PolicyTraffic(Shape):
    ip_protocol: str
    ports: list[str] = []


class PolicyMatch(Shape):
    layer4_configs: Annotated[list[PolicyTraffic], Meta(min_length=1)]
    src_ip_ranges: list[Range] = []
    dest_ip_ranges: list[Range] = []


class PolicyRule(Shape):
    priority: Count
    action: Literal["allow", "deny", "goto_next", "apply_security_profile_group"]
    direction: Literal["INGRESS", "EGRESS"]
    match: PolicyMatch
    disabled: bool = False
    target_service_accounts: list[str] = []


class FirewallPolicy(Resource):
    """A policy that is in force for a network; which one it is for, and from where, is its `network` and `type`."""

    network: str
    type: Literal["HIERARCHY", "NETWORK", "NETWORK_REGIONAL"]
    rules: list[PolicyRule] = []
    short_name: str = ""


class NatSubnetwork(Shape):
    name: str


class Nat(Shape):
    name: str
    source_subnetwork_ip_ranges_to_nat: str
    min_ports_per_vm: Count = 0
    nat_ips: list[str] = []
    subnetworks: list[NatSubnetwork] = []


class AdvertisedRange(Shape):
    range: str


class Bgp(Shape):
    advertise_mode: str = ""
    advertised_groups: list[str] = []
    advertised_ip_ranges: list[AdvertisedRange] = []


class BgpPeer(Bgp):
    name: str = ""
    enable: str = ""


class Router(Resource):
    network: str
    region: str
    nats: list[Nat] = []
    bgp: Bgp = field(default_factory=Bgp)
    bgp_peers: list[BgpPeer] = []


class Address(Resource):
    address: str
    address_type: Access
    status: str
    label_fingerprint: str
    prefix_length: Count = 0
    ip_version: str = ""
    network: str = ""
    subnetwork: str = ""


class Alias(Shape):
    ip_cidr_range: IPv4Network
    subnetwork_range_name: str = ""


class AccessConfig(Shape):
    name: str
    type: str
    network_tier: str
    nat_ip: str = field(name="natIP", default="")


class Ipv6AccessConfig(Shape):
    external_ipv6: IPv6Address
    external_ipv6_prefix_length: Annotated[int, Meta(ge=1, le=128)] = 96


class Interface(Shape):
    name: str
    network: str
    subnetwork: str
    fingerprint: str
    stack_type: Stack
    network_ip: IPv4Address = field(name="networkIP")
    alias_ip_ranges: list[Alias] = []
    access_configs: list[AccessConfig] = []
    ipv6_access_configs: list[Ipv6AccessConfig] = []
    ipv6_address: IPv6Address | UnsetType = UNSET
    internal_ipv6_prefix_length: Annotated[int, Meta(ge=1, le=128)] = 96


class Tags(Shape):
    fingerprint: str
    items: list[str] = []


class Item(Shape):
    key: str
    value: str = ""


class Metadata(Shape):
    fingerprint: str
    items: list[Item] = []


class ServiceAccount(Shape):
    email: str = ""


class AttachedDisk(Shape):
    device_name: str
    index: Count
    boot: bool
    source: str = ""
    auto_delete: bool = False


class GuestAccelerator(Shape):
    accelerator_type: Annotated[str, Meta(pattern="/acceleratorTypes/nvidia-")]
    accelerator_count: Count


class Instance(Resource):
    zone: str
    machine_type: str
    status: str
    tags: Tags
    metadata: Metadata
    fingerprint: str
    label_fingerprint: str
    can_ip_forward: bool
    deletion_protection: bool
    network_interfaces: Annotated[list[Interface], Meta(min_length=1)]
    labels: dict[str, str] = {}
    disks: list[AttachedDisk] = []
    service_accounts: list[ServiceAccount] = []
    guest_accelerators: list[GuestAccelerator] = []


class Disk(Resource):
    zone: str
    size_gb: Digits
    label_fingerprint: str
    users: list[str] = []


class Properties(Shape):
    machine_type: str
    network_interfaces: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    metadata: dict[str, Any]


class InstanceTemplate(Resource):
    properties: Properties


class Amount(Shape):
    calculated: Count


class Version(Shape):
    instance_template: str
    target_size: Amount
    name: str = ""


class UpdatePolicy(Shape):
    type: str
    replacement_method: str
    max_surge: Amount
    max_unavailable: Amount


class InstanceGroupManager(Resource):
    zone: str
    base_instance_name: Name
    instance_group: str
    instance_template: str
    target_size: Count
    fingerprint: str
    versions: Annotated[list[Version], Meta(min_length=1)]
    update_policy: UpdatePolicy


class RecordVersion(Shape):
    instance_template: str
    name: str = ""


class ManagedInstance(Shape):
    id: str
    name: Name
    group: Name
    version: RecordVersion
    action: Literal["NONE", "CREATING", "RECREATING", "DELETING", "ABANDONING"]
    error: dict[str, str] = {}
    retry_at: Instant = 0.0


class HealthCheck(Resource):
    type: str
    timeout_sec: Count
    check_interval_sec: Count


class Backend(Shape):
    group: str
    balancing_mode: str


class BackendService(Resource):
    fingerprint: str
    load_balancing_scheme: str
    protocol: str
    backends: list[Backend] = []
    health_checks: list[str] = []


class ForwardingRule(Resource):
    ip_address: Range = field(name="IPAddress")
    ip_protocol: str = field(name="IPProtocol")
    load_balancing_scheme: str
    backend_service: str
    network_tier: str
    fingerprint: str
    label_fingerprint: str
    region: str
    ports: list[Digits] = []
    port_range: Annotated[str, Meta(pattern=r"^[0-9]{1,5}-[0-9]{1,5}\Z")] = "0-0"
    subnetwork: str = ""


class Member(Shape):
    instance: str
    id: Digits


class InstanceGroup(Resource):
    zone: str
    fingerprint: str
    members: list[Member]


class Endpoint(Shape):
    instance: str
    ip_address: str


class NetworkEndpointGroup(Resource):
    zone: str
    network: str
    network_endpoint_type: str
    endpoints: list[Endpoint]


class CommonMetadata(Resource):
    common_instance_metadata: Metadata


SHAPES: Mapping[str, tuple[type[Shape], tuple[str, ...]]] = {
    "networks": (Network, (GLOBAL,)),
    "subnetworks": (Subnetwork, ("regions",)),
    "routes": (Route, (GLOBAL,)),
    "firewalls": (Firewall, (GLOBAL,)),
    "firewallPolicies": (FirewallPolicy, (GLOBAL, "regions")),
    "routers": (Router, ("regions",)),
    "addresses": (Address, (GLOBAL, "regions")),
    "instances": (Instance, ("zones",)),
    "disks": (Disk, ("zones",)),
    "instanceTemplates": (InstanceTemplate, (GLOBAL,)),
    "instanceGroupManagers": (InstanceGroupManager, ("zones",)),
    "healthChecks": (HealthCheck, (GLOBAL, "regions")),
    "backendServices": (BackendService, (GLOBAL, "regions")),
    "forwardingRules": (ForwardingRule, ("regions",)),
    "instanceGroups": (InstanceGroup, ("zones",)),
    "networkEndpointGroups": (NetworkEndpointGroup, ("zones",)),
    "projects": (CommonMetadata, (GLOBAL,)),
    "managedInstances": (ManagedInstance, ("zones",)),
}
"""Collection -> the schema of its resources and the kinds of scope that have them."""


def parse(kind: type, value: Any) -> Any:
    """Parse CIDRs and addresses, which must be strings; the parsers of `ipaddress` would accept numbers too."""
    if not isinstance(value, str) or (kind in (IPv4Network, IPv6Network) and "/" not in value):
        raise ValueError(f"{value!r} is not a valid {kind.__name__}")
    if kind is not Range:
        return kind(value)
    ip_network(value)
    return Range()
