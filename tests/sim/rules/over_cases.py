"""Scenarios of refusals that public bug reports describe: purposes, NAT, access configs, GPUs."""

from __future__ import annotations

from typing import Any

from dualstack_sim.compute.project.quotas import Limits
from tests.sim.compute.cloud import MACHINE, NETWORK, NODES, REGION, ZONE, Cloud, Json, instance
from tests.sim.rules.scenarios import failure, over_http, status

SUBNETS = f"{REGION}/subnetworks"
INSTANCES = f"{ZONE}/instances"
ROUTERS = f"{REGION}/routers"
IMAGE = "projects/debian-cloud/global/images/family/debian-12"


def proxy(name: str = "proxy", **fields: Any) -> Json:
    body = {"name": name, "network": NETWORK, "ipCidrRange": "10.129.0.0/23", "purpose": "REGIONAL_MANAGED_PROXY"}
    return {**body, "role": "ACTIVE", **fields}


def nat(name: str = "a", **fields: Any) -> Json:
    body = {"name": name, "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS"}
    return {**body, "subnetworks": [{"name": NODES, "sourceIpRangesToNat": ["PRIMARY_IP_RANGE"]}], **fields}


def router(*nats: Json, name: str = "r") -> Json:
    return {"name": name, "network": NETWORK, "nats": list(nats)}


def gpu_vm(count: int = 1, machine: str = "n1-standard-8", **scheduling: Any) -> Json:
    kind = f"{ZONE}/acceleratorTypes/nvidia-tesla-t4"
    body = instance("gpu") | {"machineType": f"{ZONE}/machineTypes/{machine}"}
    gpus = [{"acceleratorType": kind, "acceleratorCount": count}]
    return body | {"guestAccelerators": gpus, "scheduling": {"onHostMaintenance": "TERMINATE", **scheduling}}


async def refused(cloud: Cloud, path: str, body: Json) -> bool:
    return await status(cloud, "POST", path, body) == 400


@over_http("subnetworks.proxy-role", nodes=0)
async def proxy_role(cloud: Cloud) -> bool:
    return await refused(cloud, SUBNETS, proxy(role=None))


@over_http("subnetworks.one-active-proxy", nodes=0)
async def one_active_proxy(cloud: Cloud) -> bool:
    await cloud.do("POST", SUBNETS, proxy())
    return await refused(cloud, SUBNETS, proxy("second", ipCidrRange="10.130.0.0/23"))


@over_http("subnetworks.proxy-size", nodes=0)
async def proxy_size(cloud: Cloud) -> bool:
    return await refused(cloud, SUBNETS, proxy(ipCidrRange="10.129.0.0/27"))


@over_http("subnetworks.proxy-without-logs", nodes=0)
async def proxy_without_logs(cloud: Cloud) -> bool:
    return await refused(cloud, SUBNETS, proxy(logConfig={"enable": False}))


@over_http("subnetworks.purpose-ipv4", nodes=0)
async def purpose_ipv4(cloud: Cloud) -> bool:
    return await refused(cloud, SUBNETS, proxy(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL"))


@over_http("subnetworks.purpose-ranges", nodes=0)
async def purpose_ranges(cloud: Cloud) -> bool:
    return await refused(cloud, SUBNETS, proxy(secondaryIpRanges=[{"rangeName": "a", "ipCidrRange": "10.1.0.0/24"}]))


@over_http("subnetworks.purpose-fixed", nodes=0)
async def purpose_fixed(cloud: Cloud) -> bool:
    body = {"purpose": "PRIVATE_NAT", "fingerprint": await cloud.fingerprint()}
    return await status(cloud, "PATCH", NODES, body) == 400


@over_http("subnetworks.vms-in-private", nodes=0)
async def vms_in_private(cloud: Cloud) -> bool:
    await cloud.do("POST", SUBNETS, proxy())
    return await refused(cloud, INSTANCES, instance("vm", subnetwork=f"{SUBNETS}/proxy"))


@over_http("routers.nat-list", nodes=0)
async def nat_list(cloud: Cloud) -> bool:
    everything = "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"
    return "go with" in await _message(cloud, router(nat(sourceSubnetworkIpRangesToNat=everything)))


@over_http("routers.nat-which-ranges", nodes=0)
async def nat_which_ranges(cloud: Cloud) -> bool:
    both = [{"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES", "PRIMARY_IP_RANGE"]}]
    with_conflicts = router(nat(subnetworks=both))
    return "The only option with several values" in (await _message(cloud, with_conflicts))


async def _message(cloud: Cloud, body: Json) -> str:
    _, document = await cloud.call("POST", ROUTERS, body)
    return str(document.get("error", {}).get("message", ""))


@over_http("routers.nat-range-names", nodes=0)
async def nat_range_names(cloud: Cloud) -> bool:
    named = [{"name": NODES, "sourceIpRangesToNat": ["ALL_IP_RANGES"], "secondaryIpRangeNames": ["pods"]}]
    return "secondaryIpRangeNames" in await _message(cloud, router(nat(subnetworks=named)))


@over_http("routers.nat-conflict", nodes=0)
async def nat_conflict(cloud: Cloud) -> bool:
    return await refused(cloud, ROUTERS, router(nat("a"), nat("b")))


@over_http("routers.private-nat", nodes=0)
async def private_nat(cloud: Cloud) -> bool:
    return await refused(cloud, ROUTERS, router(nat(type="PRIVATE")))


@over_http("routers.nat-ports", nodes=0)
async def nat_ports(cloud: Cloud) -> bool:
    both = nat(enableDynamicPortAllocation=True, enableEndpointIndependentMapping=True)
    return await refused(cloud, ROUTERS, router(both))


@over_http("access.family", nodes=0)
async def family(cloud: Cloud) -> bool:
    configs = [{"natIP": "2600:1900:4010:5305:0:9::", "type": "ONE_TO_ONE_NAT"}]
    return await refused(cloud, INSTANCES, instance("vm", accessConfigs=configs))


@over_http("access.ipv6-premium", nodes=0)
async def ipv6_premium(cloud: Cloud) -> bool:
    await cloud.patch_nodes(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")
    while "ipv6CidrRange" not in await cloud.get(NODES):
        await cloud.clock.sleep(2.0)
    configs = [{"networkTier": "STANDARD", "type": "DIRECT_IPV6"}]
    body = instance("vm", stackType="IPV4_IPV6", ipv6AccessConfigs=configs)
    return await refused(cloud, INSTANCES, body)


@over_http("accelerators.counts", nodes=0)
async def counts(cloud: Cloud) -> bool:
    return await refused(cloud, INSTANCES, gpu_vm(3))


@over_http("accelerators.machine-types", nodes=0)
async def machine_types(cloud: Cloud) -> bool:
    return await refused(cloud, INSTANCES, gpu_vm(machine="e2-standard-2"))


@over_http("accelerators.no-live-migration", nodes=0)
async def no_live_migration(cloud: Cloud) -> bool:
    return await refused(cloud, INSTANCES, gpu_vm(onHostMaintenance="MIGRATE"))


@over_http("instances.spot-terminates", nodes=0)
async def spot_terminates(cloud: Cloud) -> bool:
    return await refused(
        cloud, INSTANCES, instance("vm") | {"scheduling": {"preemptible": True, "automaticRestart": True}}
    )


@over_http("disks.image-fits", nodes=0)
async def image_fits(cloud: Cloud) -> bool:
    disk = {"boot": True, "initializeParams": {"sourceImage": IMAGE, "diskSizeGb": "1"}}
    return await refused(cloud, INSTANCES, instance("vm") | {"disks": [disk], "machineType": MACHINE})


@over_http("quotas.gpus", nodes=0, quotas=Limits(gpus={"NVIDIA_T4_GPUS": 1}))
async def gpus(cloud: Cloud) -> bool:
    return await failure(cloud, "POST", INSTANCES, gpu_vm(2)) == "QUOTA_EXCEEDED"
