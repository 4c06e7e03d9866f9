"""Scenarios of the areas `requests`, `lists`, `filters`, `quotas` and `operations`."""

from __future__ import annotations

import asyncio
import uuid

from dualstack_sim.chance import Chance
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.faults import FaultPlan, parse_faults
from tests.sim.compute.cloud import NETWORK, NODES, REGION, ZONE, Cloud, HandClock, route
from tests.sim.rules.scenarios import over_http, status

DENY = {"deny": "compute.routes.delete"}

OTHER = {"name": "other", "autoCreateSubnetworks": False}


async def names(cloud: Cloud, path: str, **query: str) -> list[str]:
    return [entry["name"] for entry in (await cloud.get(path, **query)).get("items", [])]


@over_http("requests.beta-and-v1")
async def beta_and_v1(cloud: Cloud) -> bool:
    return (await cloud.call("GET", "global/networks/vpc", version="beta"))[0] == 200


@over_http("requests.project-number")
async def project_number(cloud: Cloud) -> bool:
    number = cloud.compute.project.number
    return (await cloud.raw("GET", f"/compute/v1/projects/{number}/global/networks/vpc"))[0] == 200


@over_http("requests.path-form")
async def path_form(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "global/networks/Not_A_Name") == 400


@over_http("requests.name-form")
async def name_form(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/networks", OTHER | {"name": "Not_A_Name"}) == 400


@over_http("requests.numeric-id")
async def numeric_id(cloud: Cloud) -> bool:
    identity = (await cloud.get(NODES))["id"]
    return await status(cloud, "GET", f"{REGION}/subnetworks/{identity}") == 200


@over_http("requests.other-project")
async def other_project(cloud: Cloud) -> bool:
    body = {"name": "next", "network": "projects/proj-2/global/networks/vpc", "ipCidrRange": "10.1.0.0/16"}
    return await status(cloud, "POST", f"{REGION}/subnetworks", body) == 400


@over_http("requests.unknown-field")
async def unknown_field(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/networks", OTHER | {"colour": "blue"}) == 400


@over_http("requests.null-is-absent")
async def null_is_absent(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/networks", OTHER | {"description": None}) == 200


@over_http("requests.request-id-replay")
async def request_id_replay(cloud: Cloud) -> bool:
    again = {"requestId": str(uuid.UUID(int=7))}
    first = await cloud.begin("POST", "global/networks", OTHER, **again)
    code, second = await cloud.call("POST", "global/networks", OTHER, **again)
    return code == 200 and second["name"] == first["name"]


@over_http("requests.request-id-form")
async def request_id_form(cloud: Cloud) -> bool:
    return await status(cloud, "POST", "global/networks", OTHER, requestId=str(uuid.UUID(int=0))) == 400


@over_http("requests.partial-response")
async def partial_response(cloud: Cloud) -> bool:
    return set(await cloud.get("global/networks/vpc", fields="name,id")) == {"name", "id"}


@over_http("requests.parameter-form")
async def parameter_form(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "aggregated/subnetworks", includeAllScopes="maybe") == 400


@over_http("requests.method-override")
async def method_override(cloud: Cloud) -> bool:
    async with cloud.session.post(
        f"{cloud.root}/compute/v1/projects/proj-1/global/networks",
        data=b"filter=name+eq+vpc",
        headers={"X-HTTP-Method-Override": "GET"},
    ) as response:
        return bool((await response.json()).get("kind") == "compute#networkList")


@over_http("requests.wrong-scope")
async def wrong_scope(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "zones/mars-north1-a/instances") == 400


@over_http("requests.pacific-time")
async def pacific_time(cloud: Cloud) -> bool:
    return str((await cloud.get("global/networks/vpc"))["creationTimestamp"]).endswith(("-08:00", "-07:00"))


@over_http("requests.uncompressed-ipv6")
async def uncompressed_ipv6(cloud: Cloud) -> bool:
    await cloud.do("POST", "global/networks", OTHER | {"enableUlaInternalIpv6": True})
    return "::" not in (await cloud.get("global/networks/other"))["internalIpv6Range"]


# -- lists and filters


@over_http("lists.largest-page")
async def largest_page(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "global/networks", maxResults="501") == 400


@over_http("lists.default-page")
async def default_page(cloud: Cloud) -> bool:
    for number in range(500):
        body = {"name": f"open-{number}", "network": NETWORK, "allowed": [{"IPProtocol": "icmp"}]}
        cloud.compute.place("firewalls", "global", body)
    cloud.compute.place(
        "firewalls", "global", {"name": "last", "network": NETWORK, "allowed": [{"IPProtocol": "icmp"}]}
    )
    return len(await names(cloud, "global/firewalls")) == 500


@over_http("lists.orders")
async def orders(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "global/networks", orderBy="mtu desc") == 400


@over_http("lists.no-empty-items")
async def no_empty_items(cloud: Cloud) -> bool:
    return "items" not in await cloud.get("global/firewalls")


@over_http("lists.empty-scope-warning")
async def empty_scope_warning(cloud: Cloud) -> bool:
    scopes = (await cloud.get("aggregated/instances"))["items"]
    warning = scopes["zones/europe-west1-d"].get("warning", {})
    return bool(warning.get("code") == "NO_RESULTS_ON_PAGE")


@over_http("lists.all-scopes")
async def all_scopes(cloud: Cloud) -> bool:
    return ZONE in (await cloud.get("aggregated/subnetworks", includeAllScopes="true"))["items"]


@over_http("requests.permissions", faults=FaultPlan(parse_faults({"faults": [DENY]}), Chance(1), HandClock()))
async def permissions(cloud: Cloud) -> bool:
    return await status(cloud, "DELETE", "global/routes/shoot--foo--bar-0") == 403


@over_http("requests.ipv6-text")
async def ipv6_text(cloud: Cloud) -> bool:
    prefix = {"externalIpv6Prefix": "2600:1900:4010:9999:0:0:0:0/64", "name": "six", "network": NETWORK}
    dual = {"ipCidrRange": "10.9.0.0/24", "stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
    await cloud.do("POST", f"{REGION}/subnetworks", prefix | dual)
    path = f"{REGION}/subnetworks/six"
    while "externalIpv6Prefix" not in await cloud.get(path):
        await cloud.clock.sleep(1.0)
    body = {"fingerprint": await cloud.fingerprint(path), "externalIpv6Prefix": "2600:1900:4010:9999::/64"}
    return await status(cloud, "PATCH", path, body) == 200


@over_http("filters.whole-field")
async def whole_field(cloud: Cloud) -> bool:
    return await names(cloud, "global/networks", filter="name eq vp") == []


@over_http("filters.groups-together")
async def groups_together(cloud: Cloud) -> bool:
    return await names(cloud, "global/networks", filter="(name eq vpc) (description eq nothing)") == []


@over_http("filters.one-grammar")
async def one_grammar(cloud: Cloud) -> bool:
    return await status(cloud, "GET", "global/networks", filter="name eq vpc AND mtu = 1460") == 400


@over_http("filters.any-host")
async def any_host(cloud: Cloud) -> bool:
    link = (await cloud.get("global/networks/vpc"))["selfLink"].replace("www.", "compute.")
    return "vpc" in await names(cloud, "global/networks", filter=f"selfLink eq {link}")


@over_http("filters.no-entries-of-lists")
async def no_entries_of_lists(cloud: Cloud) -> bool:
    return await status(cloud, "GET", f"{ZONE}/instances", filter="networkInterfaces.networkIP = 10.250.0.2") == 400


@over_http("filters.presence")
async def presence(cloud: Cloud) -> bool:
    return await names(cloud, "global/networks", filter="routingConfig:*") == ["vpc"]


@over_http("filters.side-by-side")
async def side_by_side(cloud: Cloud) -> bool:
    return await names(cloud, "global/networks", filter='(name = "vpc") (name = "other")') == []


# -- quotas


@over_http("quotas.requests-per-minute", quotas=Limits(by_group={"ReadRequestsPerMinutePerProject": 1}), by_hand=True)
async def requests_per_minute(cloud: Cloud) -> bool:
    return [await status(cloud, "GET", "global/networks/vpc") for _ in range(2)] == [200, 403]


@over_http("quotas.fixed-windows", quotas=Limits(by_group={"ReadRequestsPerMinutePerProject": 1}), by_hand=True)
async def fixed_windows(cloud: Cloud) -> bool:
    codes = [await status(cloud, "GET", "global/networks/vpc") for _ in range(2)]
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(60.0)
    return [*codes, await status(cloud, "GET", "global/networks/vpc")] == [200, 403, 200]


@over_http("quotas.groups", quotas=Limits(requests_per_minute=1), by_hand=True)
async def groups(cloud: Cloud) -> bool:
    paths = ("global/networks/vpc", "global/networks", "aggregated/instances")
    return [await status(cloud, "GET", path) for path in paths] == [200, 200, 200]


@over_http("quotas.static-routes", quotas=Limits(static_routes_per_network=2))
async def static_routes(cloud: Cloud) -> bool:
    operation = await cloud.ended(await cloud.begin("POST", "global/routes", route("third", "100.99.0.0/24", "vm0")))
    errors = operation.get("error", {}).get("errors", [{}])
    return bool(errors[0].get("code") == "QUOTA_EXCEEDED")


@over_http("quotas.secondary-ranges", quotas=Limits(secondary_ranges_per_subnetwork=1))
async def secondary_ranges(cloud: Cloud) -> bool:
    ranges = [{"rangeName": f"r{number}", "ipCidrRange": f"10.{number}.0.0/16"} for number in (1, 2)]
    body = {"fingerprint": await cloud.fingerprint(), "secondaryIpRanges": ranges}
    return await status(cloud, "PATCH", NODES, body) == 400


@over_http("quotas.aliases-per-interface", quotas=Limits(alias_ranges_per_interface=1))
async def aliases_per_interface(cloud: Cloud) -> bool:
    aliases = [{"ipCidrRange": "/32"}, {"ipCidrRange": "/32"}]
    body = {"fingerprint": (await cloud.interface("vm0"))["fingerprint"], "aliasIpRanges": aliases}
    path = f"{ZONE}/instances/vm0/updateNetworkInterface"
    return await status(cloud, "PATCH", path, body, networkInterface="nic0") == 400


# -- operations


@over_http("operations.begins-pending", by_hand=True)
async def begins_pending(cloud: Cloud) -> bool:
    return str((await cloud.begin("POST", "global/networks", OTHER))["status"]) == "PENDING"


@over_http("operations.wait-limit", by_hand=True, latency=LatencyProfile(factor=1000.0))
async def wait_limit(cloud: Cloud) -> bool:
    operation = await cloud.begin("POST", "global/networks", OTHER)
    waiting = asyncio.create_task(cloud.call("POST", f"global/operations/{operation['name']}/wait"))
    await asyncio.sleep(0.05)
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(121.0)
    await cloud.get("global/networks/vpc")
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    waiting.cancel()
    return bool(done)


@over_http("operations.client-operation-id")
async def client_operation_id(cloud: Cloud) -> bool:
    identity = str(uuid.UUID(int=9))
    operation = await cloud.begin("POST", "global/networks", OTHER, requestId=identity)
    return bool(operation.get("clientOperationId") == identity)


@over_http("operations.http-status-of-failure")
async def http_status_of_failure(cloud: Cloud) -> bool:
    operation = await cloud.ended(await cloud.begin("DELETE", "global/networks/vpc"))
    return "error" in operation and bool(operation.get("httpErrorStatusCode") == 400)


@over_http("operations.scope-of-target")
async def scope_of_target(cloud: Cloud) -> bool:
    operation = await cloud.begin("POST", f"{ZONE}/instances/vm0/stop")
    return str(operation.get("zone", "")).endswith(ZONE)


@over_http("operations.running-stays", by_hand=True)
async def running_stays(cloud: Cloud) -> bool:
    path = f"global/operations/{(await cloud.begin('POST', 'global/networks', OTHER))['name']}"
    await status(cloud, "DELETE", path)
    return await status(cloud, "GET", path) == 200


@over_http("operations.kept-two-weeks", by_hand=True)
async def kept_two_weeks(cloud: Cloud) -> bool:
    operation = await cloud.do("POST", "global/networks", OTHER)
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(15 * 86_400.0)
    return await status(cloud, "GET", f"global/operations/{operation['name']}") == 404


@over_http("operations.busy-target", by_hand=True)
async def busy_target(cloud: Cloud) -> bool:
    body = {"fingerprint": await cloud.fingerprint(), "allowSubnetCidrRoutesOverlap": True}
    return [await status(cloud, "PATCH", NODES, body) for _ in range(2)] == [200, 400]


@over_http("operations.busy-reference", by_hand=True)
async def busy_reference(cloud: Cloud) -> bool:
    await cloud.begin("PATCH", NODES, {"fingerprint": await cloud.fingerprint(), "allowSubnetCidrRoutesOverlap": True})
    body = {"name": "vm9", "machineType": f"{ZONE}/machineTypes/e2-small", "networkInterfaces": [{"subnetwork": NODES}]}
    return await status(cloud, "POST", f"{ZONE}/instances", body) == 400
