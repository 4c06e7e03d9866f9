"""Requests that Compute Engine refuses according to public bug reports, and their neighbours that it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, Json, Setting, instance, running

SUBNETS = f"{REGION}/subnetworks"
INSTANCES = f"{ZONE}/instances"
PROXIES = ("REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER")
OTHERS = ("PRIVATE_SERVICE_CONNECT", "PRIVATE_NAT", "PEER_MIGRATION")
DUAL = {"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}


def subnet(purpose: str, name: str = "special", **fields: Any) -> Json:
    body: Json = {"name": name, "network": NETWORK, "ipCidrRange": "10.129.0.0/23", "purpose": purpose}
    return body | ({"role": "ACTIVE"} if purpose in PROXIES else {}) | fields


# -- purposes of subnetworks


@pytest.mark.parametrize("purpose", PROXIES)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"role": None}, "resource.role"),
        ({"logConfig": {"enable": False}}, "resource.logConfig"),
        ({"enableFlowLogs": True}, "resource.enableFlowLogs"),
        (DUAL, "resource.stackType"),
        ({"secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.1.0.0/24"}]}, "resource.secondaryIpRanges"),
        ({"ipCidrRange": "10.129.0.0/28"}, "resource.ipCidrRange"),
    ],
)
async def test_s5_a_proxy_only_subnetwork_is_checked(cloud: Cloud, purpose: str, change: Json, field: str) -> None:
    cloud.populate()
    error = await cloud.refused("POST", SUBNETS, subnet(purpose) | change)
    assert error["code"] == 400
    assert f"'{field}'" in error["message"]


@pytest.mark.parametrize("purpose", [*PROXIES, *OTHERS])
async def test_s5_a_subnetwork_with_a_purpose_has_no_vms(cloud: Cloud, purpose: str) -> None:
    cloud.populate(1)
    await cloud.do("POST", SUBNETS, subnet(purpose))
    error = await cloud.refused("POST", INSTANCES, instance("vm", subnetwork=f"{SUBNETS}/special"))
    assert error["message"] == "Invalid resource usage: 'Subnetwork must have purpose=PRIVATE.'."
    assert (await cloud.call("GET", f"{INSTANCES}/vm"))[0] == 404
    address = {"name": "a", "addressType": "INTERNAL", "subnetwork": f"{SUBNETS}/special"}
    assert (await cloud.refused("POST", f"{REGION}/addresses", address))["code"] == 400


@pytest.mark.parametrize("purpose", PROXIES)
async def test_s5_a_patch_keeps_the_limits_of_the_purpose(cloud: Cloud, purpose: str) -> None:
    cloud.populate()
    await cloud.do("POST", SUBNETS, subnet(purpose))
    path = f"{SUBNETS}/special"
    for change in (DUAL, {"logConfig": {"enable": True}}, {"purpose": "PRIVATE"}):
        error = await cloud.refused("PATCH", path, {"fingerprint": await cloud.fingerprint(path)} | change)
        assert error["code"] == 400, change


@pytest.mark.parametrize("purpose", ["PRIVATE_NAT", "PEER_MIGRATION"])
async def test_s5_other_purposes_are_ipv4_only_and_have_no_role(cloud: Cloud, purpose: str) -> None:
    cloud.populate()
    assert (await cloud.refused("POST", SUBNETS, subnet(purpose) | DUAL))["code"] == 400
    assert (await cloud.refused("POST", SUBNETS, subnet(purpose, role="ACTIVE")))["code"] == 400
    assert (await cloud.refused("POST", SUBNETS, subnet("SOMETHING")))["code"] == 400


async def test_s5_a_backup_becomes_active(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", SUBNETS, subnet("REGIONAL_MANAGED_PROXY"))
    second = subnet("REGIONAL_MANAGED_PROXY", "second", ipCidrRange="10.130.0.0/23")
    assert (await cloud.refused("POST", SUBNETS, second))["code"] == 400
    await cloud.do("POST", SUBNETS, second | {"role": "BACKUP"})
    path = f"{SUBNETS}/second"
    await cloud.do("PATCH", path, {"role": "ACTIVE", "fingerprint": await cloud.fingerprint(path)})
    assert ((await cloud.get(path))["role"], (await cloud.get(f"{SUBNETS}/special"))["role"]) == ("ACTIVE", "BACKUP")


async def test_s5_a_migration_subnetwork_becomes_private(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.do("POST", SUBNETS, subnet("PEER_MIGRATION"))
    path = f"{SUBNETS}/special"
    await cloud.do("PATCH", path, {"purpose": "PRIVATE", "fingerprint": await cloud.fingerprint(path)})
    await cloud.do("POST", INSTANCES, instance("vm", subnetwork=path))


@pytest.mark.parametrize(
    "field", [{"ipVersion": "IPV6"}, {"ipCollection": "regions/europe-west1/publicDelegatedPrefixes/p"}]
)
async def test_s10_secondary_ipv6_ranges_are_refused_by_name(cloud: Cloud, field: Json) -> None:
    """New in Compute v1; the simulator does not drop them without a word."""
    cloud.populate()
    entry = {"rangeName": "a", "ipCidrRange": "10.1.0.0/24"}
    error = await cloud.nodes_refused(secondaryIpRanges=[entry | field])
    assert f"'resource.secondaryIpRanges[0].{next(iter(field))}'" in error["message"]
    for version in ("IPV4", "IP_VERSION_UNSPECIFIED"):
        await cloud.patch_nodes(secondaryIpRanges=[entry | {"ipVersion": version}])


# -- access configs


async def dual(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(**DUAL)
    while "ipv6CidrRange" not in await cloud.get(NODES):
        await cloud.clock.sleep(2.0)


@pytest.mark.parametrize(
    ("interface", "field"),
    [
        ({"accessConfigs": [{"natIP": "34.88.0.23"}, {"natIP": "34.88.0.24"}]}, "accessConfigs"),
        ({"accessConfigs": [{}, {}]}, "accessConfigs"),
        ({"accessConfigs": [{"natIP": "2600:1900:4010:5305:0:9::"}]}, "accessConfigs[0].natIP"),
        ({"accessConfigs": [{"natIP": "34.88.0"}]}, "accessConfigs[0].natIP"),
        ({"accessConfigs": [{"externalIpv6": "2600:1900::"}]}, "accessConfigs[0].externalIpv6"),
        ({"accessConfigs": [{"type": "DIRECT_IPV6"}]}, "accessConfigs[0].type"),
        ({"ipv6AccessConfigs": [{}, {}]}, "ipv6AccessConfigs"),
        ({"ipv6AccessConfigs": [{"networkTier": "STANDARD"}]}, "ipv6AccessConfigs[0].networkTier"),
        ({"ipv6AccessConfigs": [{"networkTier": "FIXED_STANDARD"}]}, "ipv6AccessConfigs[0].networkTier"),
        ({"ipv6AccessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}, "ipv6AccessConfigs[0].type"),
        ({"ipv6AccessConfigs": [{"natIP": "34.88.0.23"}]}, "ipv6AccessConfigs[0].natIP"),
        ({"ipv6AccessConfigs": [{"externalIpv6": "2600:1900:1::"}]}, "ipv6AccessConfigs[0].externalIpv6"),
        ({"ipv6AccessConfigs": [{}], "stackType": "IPV4_ONLY"}, "ipv6AccessConfigs"),
        ({"ipv6Address": "fd20::"}, "ipv6Address"),
        ({"aliasIpv6Ranges": [{"ipCidrRange": "2600::/112"}]}, "aliasIpv6Ranges"),
    ],
)
async def test_s5_bad_access_configs_are_refused(cloud: Cloud, interface: Json, field: str) -> None:
    await dual(cloud)
    before = cloud.compute.dump()
    error = await cloud.refused("POST", INSTANCES, instance("vm", **{"stackType": "IPV4_IPV6", **interface}))
    assert error["code"] == 400
    assert f"'resource.networkInterfaces[0].{field}'" in error["message"]
    after = cloud.compute.dump()
    assert after["inventory"]["resources"] == before["inventory"]["resources"]


async def test_s5_an_access_config_of_another_family_is_not_added(cloud: Cloud) -> None:
    cloud.populate(1)
    path, query = f"{INSTANCES}/vm0/addAccessConfig", {"networkInterface": "nic0"}
    assert (await cloud.refused("POST", path, {"natIP": "2600:1900::"}, **query))["code"] == 400
    await cloud.do("POST", path, {"natIP": "34.88.0.23"}, **query)
    assert (await cloud.refused("POST", path, {"natIP": "34.88.0.24"}, **query))["code"] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"ipVersion": "IPV6", "networkTier": "STANDARD", "subnetwork": NODES},
        {"addressType": "INTERNAL", "networkTier": "STANDARD", "subnetwork": NODES},
        {"networkTier": "CHEAP"},
    ],
)
async def test_s5_addresses_have_the_tier_of_their_kind(cloud: Cloud, body: Json) -> None:
    await dual(cloud)
    error = await cloud.refused("POST", f"{REGION}/addresses", {"name": "a"} | body)
    assert "'resource.networkTier'" in error["message"]


async def test_s5_a_vm_uses_a_reserved_ipv6_range(cloud: Cloud) -> None:
    await dual(cloud)
    await cloud.do("POST", f"{REGION}/addresses", {"name": "a", "ipVersion": "IPV6", "subnetwork": NODES})
    address = (await cloud.get(f"{REGION}/addresses/a"))["address"]
    configs = [{"externalIpv6": address, "externalIpv6PrefixLength": 96, "type": "DIRECT_IPV6", "name": "mine"}]
    body = instance("vm", stackType="IPV4_IPV6", ipv6AccessConfigs=configs)
    await cloud.do("POST", INSTANCES, body)
    config = (await cloud.interface("vm"))["ipv6AccessConfigs"][0]
    assert (config["externalIpv6"], config["name"]) == (address, "mine")
    assert (await cloud.get(f"{REGION}/addresses/a"))["status"] == "IN_USE"
    assert (await cloud.fail("POST", INSTANCES, body | {"name": "other"}))["code"] == "IP_IN_USE_BY_ANOTHER_RESOURCE"
    await cloud.do("DELETE", f"{INSTANCES}/vm")
    assert (await cloud.get(f"{REGION}/addresses/a"))["status"] == "RESERVED"
    await cloud.do("POST", INSTANCES, body)


# -- Cloud NAT


def nat(name: str = "a", **fields: Any) -> Json:
    body = {"name": name, "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS"}
    return {**body, "subnetworks": [{"name": NODES, "sourceIpRangesToNat": ["PRIMARY_IP_RANGE"]}], **fields}


def listed(*which: str, names: tuple[str, ...] = (), name: str = NODES) -> Json:
    entry: Json = {"name": name, "sourceIpRangesToNat": list(which)}
    return {"subnetworks": [entry | ({"secondaryIpRangeNames": list(names)} if names else {})]}


EVERYTHING = {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES", "subnetworks": []}
PRIMARIES = {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "subnetworks": []}
SECONDARY = listed("LIST_OF_SECONDARY_IP_RANGES", names=("pods",))
MIXED = listed("PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES", names=("pods",))


async def with_pods(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.201.0.0/16"}])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (listed("PRIMARY_IP_RANGE"), MIXED),
        (SECONDARY, MIXED),
        (SECONDARY, listed("ALL_IP_RANGES")),
        (listed("ALL_IP_RANGES"), listed("PRIMARY_IP_RANGE")),
        (EVERYTHING, listed("PRIMARY_IP_RANGE")),
        (listed("PRIMARY_IP_RANGE"), EVERYTHING),
        (PRIMARIES, listed("PRIMARY_IP_RANGE")),
        (PRIMARIES, PRIMARIES),
    ],
)
@pytest.mark.parametrize("routers", [1, 2])
async def test_s5_two_gateways_cannot_translate_the_same_range(
    cloud: Cloud, first: Json, second: Json, routers: int
) -> None:
    await with_pods(cloud)
    one, other = nat("a", **first), nat("b", **second)
    router: Json = {"name": "r", "network": NETWORK, "nats": [one]}
    await cloud.do("POST", f"{REGION}/routers", router)
    if routers == 1:
        error = await cloud.refused("PATCH", f"{REGION}/routers/r", {"nats": [one, other]})
    else:
        error = await cloud.refused("POST", f"{REGION}/routers", router | {"name": "s", "nats": [other]})
    assert "already translates ranges of" in error["message"]


async def test_s5_gateways_share_a_subnetwork_by_range(cloud: Cloud) -> None:
    await with_pods(cloud)
    nats = [nat("a"), nat("b", **SECONDARY)]
    await cloud.do("POST", f"{REGION}/routers", {"name": "r", "network": NETWORK, "nats": nats})
    await cloud.do("PATCH", f"{REGION}/routers/r", {"nats": [nat("c", **MIXED)]})
    private: Json = {"natIpAllocateOption": None, "type": "PRIVATE", "rules": []}
    await cloud.do("PATCH", f"{REGION}/routers/r", {"nats": [nat("c", **MIXED), nat("d", **MIXED, **private)]})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (listed("ALL_IP_RANGES", names=("pods",)), "nats[0].subnetworks[0].secondaryIpRangeNames"),
        (listed("LIST_OF_SECONDARY_IP_RANGES"), "nats[0].subnetworks[0].secondaryIpRangeNames"),
        (listed("LIST_OF_SECONDARY_IP_RANGES", names=("x",)), "nats[0].subnetworks[0].secondaryIpRangeNames[0]"),
        (listed("ALL_IP_RANGES", "PRIMARY_IP_RANGE"), "nats[0].subnetworks[0].sourceIpRangesToNat"),
        (EVERYTHING | listed("ALL_IP_RANGES"), "nats[0].subnetworks"),
        ({"type": "HALF"}, "nats[0].type"),
        ({"type": "PRIVATE"}, "nats[0].natIpAllocateOption"),
    ],
)
async def test_s5_bad_gateways_are_refused(cloud: Cloud, fields: Json, field: str) -> None:
    await with_pods(cloud)
    body = {"name": "r", "network": NETWORK, "nats": [nat(**fields)]}
    assert f"'resource.{field}'" in (await cloud.refused("POST", f"{REGION}/routers", body))["message"]


async def test_s5_an_address_serves_one_gateway(cloud: Cloud) -> None:
    await with_pods(cloud)
    await cloud.do("POST", f"{REGION}/addresses", {"name": "ip"})
    manual = {"natIpAllocateOption": "MANUAL_ONLY", "natIps": [f"{REGION}/addresses/ip"]}
    nats = [nat("a", **manual), nat("b", **SECONDARY, **manual)]
    error = await cloud.refused("POST", f"{REGION}/routers", {"name": "r", "network": NETWORK, "nats": nats})
    assert "already uses the address" in error["message"]


# -- GPUs and disks


def gpus(kind: str = "nvidia-tesla-t4", count: int = 1, machine: str = "n1-standard-8", **scheduling: Any) -> Json:
    body = instance("gpu") | {"machineType": f"{ZONE}/machineTypes/{machine}", "scheduling": scheduling}
    entry = {"acceleratorType": f"{ZONE}/acceleratorTypes/{kind}", "acceleratorCount": count}
    return body | {"guestAccelerators": [entry]}


@pytest.mark.parametrize(
    "body",
    [
        gpus(onHostMaintenance="MIGRATE"),
        gpus(),
        gpus("nvidia-l4", machine="g2-standard-4"),
        instance("gpu") | {"machineType": f"{ZONE}/machineTypes/a2-highgpu-1g"},
        instance("gpu") | {"machineType": f"{ZONE}/machineTypes/g2-standard-24"},
    ],
)
async def test_s5_a_vm_with_gpus_does_not_migrate(cloud: Cloud, body: Json) -> None:
    cloud.populate()
    error = await cloud.refused("POST", INSTANCES, body)
    assert error["message"] == "Instances with guest accelerators do not support live migration."
    await cloud.do("POST", INSTANCES, body | {"scheduling": {"onHostMaintenance": "TERMINATE"}})
    assert (await cloud.get(f"{INSTANCES}/gpu"))["guestAccelerators"][0]["acceleratorCount"] >= 1
    change = {"scheduling": {"onHostMaintenance": "MIGRATE"}}
    assert (await cloud.refused("PUT", f"{INSTANCES}/gpu", change))["code"] == 400


@pytest.mark.parametrize(
    "body",
    [gpus("nvidia-none"), gpus(count=3), gpus(machine="e2-standard-8"), gpus("nvidia-l4", machine="n1-standard-8")],
)
async def test_s5_impossible_gpus_are_refused(cloud: Cloud, body: Json) -> None:
    cloud.populate()
    body = body | {"scheduling": {"onHostMaintenance": "TERMINATE"}}
    assert (await cloud.refused("POST", INSTANCES, body))["code"] == 400


@pytest.mark.parametrize("metric", ["NVIDIA_T4_GPUS", "GPUS_ALL_REGIONS"])
async def test_s10_gpus_have_quotas(metric: str) -> None:
    async with running(Setting(quotas=Limits(gpus={metric: 3}))) as cloud:
        cloud.populate()
        body = gpus(count=2, onHostMaintenance="TERMINATE")
        await cloud.do("POST", INSTANCES, body)
        error = await cloud.fail("POST", INSTANCES, body | {"name": "second"})
        assert error["code"] == "QUOTA_EXCEEDED"
        assert error["message"].startswith(f"Quota '{metric}' exceeded.  Limit: 3.0")
        where = "" if metric == "GPUS_ALL_REGIONS" else REGION
        quotas = {row["metric"]: row for row in (await cloud.get(where))["quotas"]}
        assert (quotas[metric]["limit"], quotas[metric]["usage"]) == (3.0, 2.0)
        await cloud.do("DELETE", f"{INSTANCES}/gpu")
        await cloud.do("POST", INSTANCES, body | {"name": "second"})


async def test_s10_accelerator_types_are_listed(cloud: Cloud) -> None:
    listed_types = await cloud.get(f"{ZONE}/acceleratorTypes", filter="name = nvidia-tesla-t4")
    assert [row["maximumCardsPerInstance"] for row in listed_types["items"]] == [4]
    assert (await cloud.get(f"{ZONE}/acceleratorTypes/nvidia-l4"))["name"] == "nvidia-l4"
    assert ZONE in (await cloud.get("aggregated/acceleratorTypes"))["items"]
    assert (await cloud.call("GET", f"{ZONE}/acceleratorTypes/none"))[0] == 404


@pytest.mark.parametrize(
    "scheduling",
    [
        {"preemptible": True, "onHostMaintenance": "MIGRATE"},
        {"provisioningModel": "SPOT", "automaticRestart": True},
    ],
)
async def test_s5_a_spot_vm_is_terminated(cloud: Cloud, scheduling: Json) -> None:
    cloud.populate()
    assert (await cloud.refused("POST", INSTANCES, instance("vm") | {"scheduling": scheduling}))["code"] == 400
    await cloud.do("POST", INSTANCES, instance("vm") | {"scheduling": {"preemptible": True}})
    assert (await cloud.get(f"{INSTANCES}/vm"))["scheduling"]["onHostMaintenance"] == "TERMINATE"


@pytest.mark.parametrize("image", ["family/debian-12", "cos-stable-121-18867-90-4"])
async def test_s5_a_disk_is_not_smaller_than_its_image(cloud: Cloud, image: str) -> None:
    cloud.populate()
    owner = "debian-cloud" if "debian" in image else "cos-cloud"
    source = f"projects/{owner}/global/images/{image}"
    disk = {"boot": True, "initializeParams": {"sourceImage": source, "diskSizeGb": "9"}}
    error = await cloud.refused("POST", INSTANCES, instance("vm") | {"disks": [disk]})
    assert error["message"].endswith("Requested disk size cannot be smaller than the image size (10 GB)")
    alone = {"name": "d", "sourceImage": source, "sizeGb": "9"}
    assert (await cloud.refused("POST", f"{ZONE}/disks", alone))["code"] == 400
    await cloud.do("POST", f"{ZONE}/disks", alone | {"sizeGb": "10"})


# -- one patch for several changes


async def test_s9_terraforms_group_is_one_patch(cloud: Cloud) -> None:
    cloud.populate()
    await cloud.patch_nodes(allowSubnetCidrRoutesOverlap=True, privateIpv6GoogleAccess="DISABLE_GOOGLE_ACCESS", **DUAL)
    shown = await cloud.get(NODES)
    assert (shown["allowSubnetCidrRoutesOverlap"], shown["stackType"]) == (True, "IPV4_IPV6")
    ranges = [{"rangeName": "a", "ipCidrRange": "10.1.0.0/24"}]
    assert (await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=False, secondaryIpRanges=ranges))["code"] == 400
    assert (await cloud.nodes_refused(logConfig={"enable": True}, **DUAL))["code"] == 400


async def test_s9_a_part_that_is_refused_refuses_the_whole_patch(cloud: Cloud) -> None:
    cloud.populate()
    error = await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True, stackType="IPV6_ONLY")
    assert "resource.stackType" in error["message"]
    assert (await cloud.get(NODES))["allowSubnetCidrRoutesOverlap"] is False


async def test_s9_the_group_may_be_refused() -> None:
    async with running(Setting(knobs=Knobs(subnetwork_patch="single"))) as cloud:
        cloud.populate()
        error = await cloud.nodes_refused(allowSubnetCidrRoutesOverlap=True, **DUAL)
        assert "Only one field can be updated at a time." in error["message"]
