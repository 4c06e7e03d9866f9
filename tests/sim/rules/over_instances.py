"""Scenarios of the areas `instances`, `interfaces`, `aliases`, `firewalls`, `routers` and `addresses`."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.api.backend import DEFAULT_REGIONS
from tests.sim.compute.cloud import NETWORK, NODES, POD_RANGE, REGION, ZONE, Cloud, HandClock, Json, instance
from tests.sim.rules.over_networks import EXTERNAL, NIC, hybrid, prefix
from tests.sim.rules.scenarios import failure, over_http, status

VM = f"{ZONE}/instances/vm0"
INSTANCES = f"{ZONE}/instances"
PUBLIC = {"name": "External NAT", "type": "ONE_TO_ONE_NAT"}
FIREWALL = {"name": "rule", "network": NETWORK, "allowed": [{"IPProtocol": "tcp"}]}
REGIONS = {**DEFAULT_REGIONS, "us-east1": ("us-east1-b",)}
BGP = {"asn": 64512}
PEER = {"name": "on-premises", "interfaceName": "if-0", "peerAsn": 64513, "peerIpAddress": "169.254.1.2"}
NAT = {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES", "natIpAllocateOption": "AUTO_ONLY"}


async def updated(cloud: Cloud, **change: Any) -> str:
    """The outcome of an update of vm0's interface, with its current fingerprint unless another is given."""
    fingerprint = (await cloud.interface("vm0"))["fingerprint"]
    return await failure(cloud, "PATCH", NIC, {"fingerprint": fingerprint, **change}, networkInterface="nic0")


def pods(cidr: str, name: str = "ipv4-pod-cidr") -> Json:
    return {"ipCidrRange": cidr, "subnetworkRangeName": name}


async def dual(cloud: Cloud) -> None:
    await cloud.patch_nodes(**EXTERNAL)
    await prefix(cloud)


# -- instances


@over_http("instances.name-taken")
async def name_taken(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", INSTANCES, instance("vm0")) == "alreadyExists"


@over_http("instances.staging", nodes=0, by_hand=True)
async def staging(cloud: Cloud) -> bool:
    await cloud.begin("POST", INSTANCES, instance("vm0"))
    seen = set()
    for _ in range(600):
        assert isinstance(cloud.clock, HandClock)
        seen.add((await cloud.get(VM))["status"])
        cloud.clock.advance(0.5)
        if "RUNNING" in seen:
            break
    return seen == {"PROVISIONING", "STAGING", "RUNNING"}


@over_http("instances.stopping", by_hand=True)
async def stopping(cloud: Cloud) -> bool:
    await cloud.begin("DELETE", VM)
    return str((await cloud.get(VM))["status"]) == "STOPPING"


@over_http("instances.addresses-held-while-deleted", by_hand=True)
async def addresses_held_while_deleted(cloud: Cloud) -> bool:
    address = (await cloud.interface("vm0"))["networkIP"]
    await cloud.begin("DELETE", VM)
    return await failure(cloud, "POST", INSTANCES, instance("vm1", networkIP=address)) != ""


@over_http("instances.deletion-protection", nodes=0)
async def deletion_protection(cloud: Cloud) -> bool:
    await cloud.do("POST", INSTANCES, instance("vm0") | {"deletionProtection": True})
    return await status(cloud, "DELETE", VM) == 400


@over_http("instances.serial-ports")
async def serial_ports(cloud: Cloud) -> bool:
    assert await status(cloud, "GET", f"{VM}/serialPort", port="4") == 200
    return await status(cloud, "GET", f"{VM}/serialPort", port="5") == 400


@over_http("instances.serial-port-kept")
async def serial_port_kept(cloud: Cloud) -> bool:
    cloud.compute.write_serial(await cloud.get(VM), 2, "x" * (1 << 20) + "end")
    answer = await cloud.get(f"{VM}/serialPort", port="2", start="0")
    assert answer["contents"].endswith("end")
    assert answer["next"] == str((1 << 20) + 3)
    return str(answer["start"]) == "3"


def limited(seconds: int, **more: str) -> Json:
    return instance("vm1") | {"scheduling": {"maxRunDuration": {"seconds": str(seconds)}, **more}}


@over_http("instances.run-duration", nodes=0, by_hand=True)
async def run_duration(cloud: Cloud) -> bool:
    await cloud.do("POST", INSTANCES, limited(600, instanceTerminationAction="DELETE"))
    await cloud.do("POST", INSTANCES, limited(600, instanceTerminationAction="STOP") | {"name": "vm2"})
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(500.0)
    assert (await cloud.get(f"{INSTANCES}/vm1"))["status"] == "RUNNING"
    for _ in range(4):
        cloud.clock.advance(100.0)
        await cloud.call("GET", INSTANCES)
    gone = await status(cloud, "GET", f"{INSTANCES}/vm1") == 404
    assert gone == ((await cloud.get(f"{INSTANCES}/vm2"))["status"] == "TERMINATED")
    return gone


@over_http("instances.run-duration-bounds", nodes=0)
async def run_duration_bounds(cloud: Cloud) -> bool:
    return await status(cloud, "POST", INSTANCES, limited(29, instanceTerminationAction="STOP")) == 400


@over_http("instances.run-duration-action", nodes=0)
async def run_duration_action(cloud: Cloud) -> bool:
    return await status(cloud, "POST", INSTANCES, limited(60)) == 400


@over_http("instances.tags-always-there")
async def tags_always_there(cloud: Cloud) -> bool:
    return "fingerprint" in (await cloud.get(VM)).get("tags", {})


@over_http("instances.tags-fingerprint")
async def tags_fingerprint(cloud: Cloud) -> bool:
    return await status(cloud, "POST", f"{VM}/setTags", {"items": ["a"], "fingerprint": "AAAAAAAAAAA="}) == 412


@over_http("instances.labels-fingerprint")
async def labels_fingerprint(cloud: Cloud) -> bool:
    body = {"labels": {"a": "b"}, "labelFingerprint": "AAAAAAAAAAA="}
    return await status(cloud, "POST", f"{VM}/setLabels", body) == 412


@over_http("instances.metadata-fingerprint")
async def metadata_fingerprint(cloud: Cloud) -> bool:
    return await status(cloud, "POST", f"{VM}/setMetadata", {"items": [], "fingerprint": "AAAAAAAAAAA="}) == 412


# -- interfaces


@over_http("interfaces.fingerprint-needed")
async def fingerprint_needed(cloud: Cloud) -> bool:
    return await status(cloud, "PATCH", NIC, {"aliasIpRanges": []}, networkInterface="nic0") == 400


@over_http("interfaces.fingerprint-stale")
async def fingerprint_stale(cloud: Cloud) -> bool:
    return await updated(cloud, fingerprint="AAAAAAAAAAA=") == "conditionNotMet"


@over_http("interfaces.fingerprint-changes")
async def fingerprint_changes(cloud: Cloud) -> bool:
    before = (await cloud.interface("vm0"))["fingerprint"]
    assert await updated(cloud, aliasIpRanges=[{"ipCidrRange": "/28"}]) == ""
    return bool((await cloud.interface("vm0"))["fingerprint"] != before)


@over_http("interfaces.one-change-at-a-time", by_hand=True)
async def one_change_at_a_time(cloud: Cloud) -> bool:
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "aliasIpRanges": [{"ipCidrRange": "/28"}]}
    codes = [await status(cloud, "PATCH", NIC, body, networkInterface="nic0") for _ in range(2)]
    return codes == [200, 412]


@over_http("interfaces.one-kind-of-change")
async def one_kind_of_change(cloud: Cloud) -> bool:
    await dual(cloud)
    return await updated(cloud, stackType="IPV4_IPV6", aliasIpRanges=[{"ipCidrRange": "/28"}]) == "badRequest"


@over_http("interfaces.default-stack")
async def default_stack(cloud: Cloud) -> bool:
    await dual(cloud)
    await cloud.do("POST", INSTANCES, instance("vm1"))
    return str((await cloud.interface("vm1"))["stackType"]) == "IPV4_ONLY"


@over_http("interfaces.dual-needs-dual")
async def dual_needs_dual(cloud: Cloud) -> bool:
    return await updated(cloud, stackType="IPV4_IPV6") == "invalid"


@over_http("interfaces.address-fixed")
async def address_fixed(cloud: Cloud) -> bool:
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "networkIP": "10.250.0.99"}
    code, document = await cloud.call("PATCH", NIC, body, networkInterface="nic0")
    return code == 400 and "must be stopped" in str(document["error"]["message"])


@over_http("interfaces.access-configs-fixed")
async def access_configs_fixed(cloud: Cloud) -> bool:
    return await updated(cloud, accessConfigs=[PUBLIC]) == "invalid"


@over_http("interfaces.first-prefix-skipped")
async def first_prefix_skipped(cloud: Cloud) -> bool:
    await dual(cloud)
    assert await updated(cloud, stackType="IPV4_IPV6") == ""
    config = (await cloud.interface("vm0"))["ipv6AccessConfigs"][0]
    return str(config["externalIpv6"]) != (await prefix(cloud)).partition("/")[0]


# -- aliases


@over_http("aliases.add-and-remove")
async def add_and_remove(cloud: Cloud) -> bool:
    await hybrid(cloud)
    assert await updated(cloud, aliasIpRanges=[pods("100.96.0.0/24")]) == ""
    return await updated(cloud, aliasIpRanges=[pods("100.96.1.0/24")]) == "badRequest"


@over_http("aliases.empty-list-clears")
async def empty_list_clears(cloud: Cloud) -> bool:
    assert await updated(cloud, aliasIpRanges=[{"ipCidrRange": "/28"}]) == ""
    await updated(cloud, aliasIpRanges=[])
    return "aliasIpRanges" not in await cloud.interface("vm0")


@over_http("aliases.inside-range")
async def inside_range(cloud: Cloud) -> bool:
    await hybrid(cloud)
    return await updated(cloud, aliasIpRanges=[pods("100.200.0.0/24")]) == "invalid"


@over_http("aliases.known-range")
async def known_range(cloud: Cloud) -> bool:
    return await updated(cloud, aliasIpRanges=[pods("/28", "no-such-range")]) == "invalid"


@over_http("aliases.taken", nodes=2)
async def taken(cloud: Cloud) -> bool:
    await hybrid(cloud)
    path = f"{ZONE}/instances/vm1/updateNetworkInterface"
    await cloud.do("PATCH", path, await cloud.aliases("vm1", "100.96.1.0/24"), networkInterface="nic0")
    return await updated(cloud, aliasIpRanges=[pods("100.96.1.0/24")]) == "IP_IN_USE_BY_ANOTHER_RESOURCE"


@over_http("aliases.routes-not-asked")
async def routes_not_asked(cloud: Cloud) -> bool:
    await hybrid(cloud)
    return await updated(cloud, aliasIpRanges=[pods("100.96.0.0/24")]) == ""


@over_http("aliases.lowest-free")
async def lowest_free(cloud: Cloud) -> bool:
    await hybrid(cloud)
    assert await updated(cloud, aliasIpRanges=[pods("/24")]) == ""
    return list((await cloud.interface("vm0"))["aliasIpRanges"]) == [pods("100.96.0.0/24")]


@over_http("aliases.repetitions-collapse")
async def repetitions_collapse(cloud: Cloud) -> bool:
    await hybrid(cloud)
    return await updated(cloud, aliasIpRanges=[pods("100.96.0.0/24")] * 2) == ""


# -- firewalls


async def rule(cloud: Cloud, **fields: Any) -> str:
    """The outcome of inserting a firewall rule."""
    return await failure(cloud, "POST", "global/firewalls", FIREWALL | fields)


@over_http("firewalls.one-family")
async def one_family(cloud: Cloud) -> bool:
    return await rule(cloud, sourceRanges=["10.0.0.0/8", "2600::/16"]) == "invalid"


@over_http("firewalls.default-source")
async def default_source(cloud: Cloud) -> bool:
    assert await rule(cloud) == ""
    return (await cloud.get("global/firewalls/rule")).get("sourceRanges") == ["0.0.0.0/0"]


@over_http("firewalls.priority")
async def firewall_priority(cloud: Cloud) -> bool:
    return await rule(cloud, priority=70000) == "invalid"


@over_http("firewalls.allow-or-deny")
async def allow_or_deny(cloud: Cloud) -> bool:
    return await rule(cloud, denied=[{"IPProtocol": "udp"}]) == "invalid"


@over_http("firewalls.network-fixed")
async def network_fixed(cloud: Cloud) -> bool:
    cloud.compute.place("networks", "global", {"name": "other", "autoCreateSubnetworks": False})
    assert await rule(cloud) == ""
    return await failure(cloud, "PATCH", "global/firewalls/rule", {"network": "global/networks/other"}) == "invalid"


# -- routers and addresses


async def advertised(cloud: Cloud, router: str, region: str = REGION) -> list[str]:
    """The ranges advertised to the router's peer."""
    (peer,) = (await cloud.get(f"{region}/routers/{router}/getRouterStatus"))["result"]["bgpPeerStatus"]
    return [str(found["destRange"]) for found in peer["advertisedRoutes"]]


@over_http("routers.nats-replaced")
async def nats_replaced(cloud: Cloud) -> bool:
    body = {"name": "router", "network": NETWORK, "nats": [NAT | {"name": "first"}]}
    await cloud.do("POST", f"{REGION}/routers", body)
    await cloud.do("PATCH", f"{REGION}/routers/router", {"nats": [NAT | {"name": "second"}]})
    return [nat["name"] for nat in (await cloud.get(f"{REGION}/routers/router"))["nats"]] == ["second"]


@over_http("routers.nat-addresses")
async def nat_addresses(cloud: Cloud) -> bool:
    nat = NAT | {"name": "nat", "natIpAllocateOption": "MANUAL_ONLY"}
    return await failure(cloud, "POST", f"{REGION}/routers", {"name": "r", "network": NETWORK, "nats": [nat]}) != ""


@over_http("routers.nat-subnetwork")
async def nat_subnetwork(cloud: Cloud) -> bool:
    cloud.compute.place("networks", "global", {"name": "other", "autoCreateSubnetworks": False})
    entry = {"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"]}
    nat = NAT | {"name": "nat", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "subnetworks": [entry]}
    body = {"name": "r", "network": "global/networks/other", "nats": [nat]}
    return await failure(cloud, "POST", f"{REGION}/routers", body) == "invalid"


@over_http("routers.default-mode-advertises-subnets", nodes=0)
async def default_mode_advertises_subnets(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{REGION}/routers", {"name": "r", "network": NETWORK, "bgp": BGP, "bgpPeers": [PEER]})
    await cloud.patch_nodes(secondaryIpRanges=[POD_RANGE])
    return await advertised(cloud, "r") == ["10.250.0.0/16", POD_RANGE["ipCidrRange"]]


@over_http("routers.advertise-their-region", nodes=0, regions=REGIONS)
async def advertise_their_region(cloud: Cloud) -> bool:
    far = "regions/us-east1"
    await cloud.do("POST", f"{far}/routers", {"name": "r", "network": NETWORK, "bgp": BGP, "bgpPeers": [PEER]})
    near = await advertised(cloud, "r", far)
    await cloud.do("PATCH", "global/networks/vpc", {"routingConfig": {"routingMode": "GLOBAL"}})
    assert await advertised(cloud, "r", far) == ["10.250.0.0/16"]
    return near == []


@over_http("addresses.in-use")
async def address_in_use(cloud: Cloud) -> bool:
    await cloud.do("POST", f"{REGION}/addresses", {"name": "public"})
    nat = NAT | {"name": "nat", "natIpAllocateOption": "MANUAL_ONLY", "natIps": [f"{REGION}/addresses/public"]}
    await cloud.do("POST", f"{REGION}/routers", {"name": "r", "network": NETWORK, "nats": [nat]})
    return await status(cloud, "DELETE", f"{REGION}/addresses/public") == 400


@over_http("addresses.allocated-range", nodes=0)
async def allocated_range(cloud: Cloud) -> bool:
    body = {"name": "services", "addressType": "INTERNAL", "purpose": "VPC_PEERING", "network": NETWORK}
    await cloud.do("POST", "global/addresses", body | {"address": "172.16.0.0", "prefixLength": 16})
    more = {"name": "more", "network": NETWORK, "ipCidrRange": "172.16.3.0/24"}
    code, document = await cloud.call("POST", f"{REGION}/subnetworks", more)
    return code == 400 and "conflicts with reserved IP range '172.16.0.0/16'" in str(document["error"]["message"])


@over_http("addresses.internal-held")
async def internal_held(cloud: Cloud) -> bool:
    body = {"name": "inner", "addressType": "INTERNAL", "subnetwork": NODES, "address": "10.250.0.77"}
    await cloud.do("POST", f"{REGION}/addresses", body)
    vm = instance("vm1", aliasIpRanges=[{"ipCidrRange": "10.250.0.77/32"}])
    return await failure(cloud, "POST", INSTANCES, vm) != ""
