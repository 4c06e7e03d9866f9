"""Lists as real clients request them: filters of both grammars, pages, partial responses, aggregated lists."""

from __future__ import annotations

import re

import pytest

from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.filters import compile_filter
from dualstack_sim.compute.api.listing import page
from dualstack_sim.compute.api.parameters import read_mask, select
from tests.sim.compute.cloud import NETWORK, REGION, ZONE, Cloud, Json, Setting, instance, running

LINK = "https://www.googleapis.com/compute/v1/projects/proj-1/global/networks/vpc"
ROUTES: list[Json] = [
    {"name": "shoot--foo--bar-1", "network": LINK, "description": "k8s-node-route", "priority": 1000},
    {"name": "shoot--foo--bar-2", "network": f"{LINK}-2", "description": "k8s-node-route", "priority": 900},
    {"name": "other", "network": LINK, "description": "", "labels": {"owner": "me"}, "tags": ["a"], "on": True},
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The route controller: unquoted and unescaped.
        (f"(name eq shoot--foo--bar-.*) (network eq {LINK}) (description eq k8s-node-route)", [0]),
        # gcloud.
        (r'network eq ".*\bvpc\b.*"', [0, 1, 2]),
        (r'name eq ".*(^shoot).*"', [0, 1]),
        (r'(network eq ".*\bvpc\b.*")(description eq ".*\bk8s\b.*")', [0, 1]),
        (r'description eq ".*\bk8s\-node\-route\b.*"', [0, 1]),
        ("name ne shoot.*", [2]),
        ("name eq 'shoot'", []),
        # AIP-160.
        ('name = "other"', [2]),
        ("name=other", [2]),
        ("name != other", [0, 1]),
        ("name:shoot*", [0, 1]),
        ("name = shoot*-2", [1]),
        ("labels.owner:*", [2]),
        ("labels.owner = me AND on = true", [2]),
        ("tags:a", [2]),
        ("(priority > 900)(name:shoot)", [0]),
        ("priority <= 900 OR name = other", [1, 2]),
        ("NOT name = other", [0, 1]),
        (f"network = {LINK}", [0, 2]),
        (f'(network = "{LINK}") (NOT description = "")', [0]),
    ],
)
def test_filters_that_clients_send(text: str, expected: list[int]) -> None:
    predicate = compile_filter(text)
    assert [index for index, route in enumerate(ROUTES) if predicate(route)] == expected


PATH = "projects/proj-1/global/networks/vpc"
OTHER_LINKS = (
    f"https://compute.googleapis.com/compute/v1/{PATH}",
    f"https://www.googleapis.com/compute/beta/{PATH}",
    f"http://127.0.0.1:18080/compute/v1/{PATH}",
)
VM: Json = {
    "name": "vm0",
    "users": [LINK],
    "nextHopInstance": LINK.replace("global/networks/vpc", "zones/europe-west1-b/instances/vm1"),
}


@pytest.mark.parametrize("link", OTHER_LINKS)
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("(name eq shoot.*) (network eq {link}) (description eq k8s-node-route)", [0]),
        ("network ne {link}", [1]),
        ("network eq '{link}.*'", [0, 1, 2]),
        ("network eq .*{escaped}", [0, 2]),
        ('network = "{link}"', [0, 2]),
        ("network = {link}*", [0, 1, 2]),
        ("network != {link}", [1]),
        ('network:"{link}"', [0, 1, 2]),
        ('NOT network = "{link}"', [1]),
        ('network <= "{link}"', [0, 2]),
    ],
)
def test_s3_filters_compare_links_without_their_host(link: str, form: str, expected: list[int]) -> None:
    escaped = re.sub(r"([^\w])", r"\\\1", link)
    predicate = compile_filter(form.format(link=link, escaped=escaped))
    assert [index for index, row in enumerate(ROUTES) if predicate(row)] == expected


@pytest.mark.parametrize("link", OTHER_LINKS)
def test_s3_filters_compare_links_in_every_field(link: str) -> None:
    instance = link.replace("global/networks/vpc", "zones/europe-west1-b/instances/vm1")
    for text in (
        f"nextHopInstance eq {instance}",
        f'nextHopInstance = "{instance}"',
        f'users:"{link}"',
    ):
        assert compile_filter(text)(VM), text


@pytest.mark.parametrize("text", ["networkInterfaces.network eq .*", "disks.source:x", 'nats.name = "a"'])
def test_s3_fields_of_entries_of_lists_cannot_be_filtered(text: str) -> None:
    """As for the author of google-api-go-client issue 813."""
    with pytest.raises(ApiError) as refused:
        compile_filter(text)
    assert "Invalid list filter expression." in refused.value.message


def test_s3_a_filter_still_compares_the_rest_of_a_link() -> None:
    """Another project, another collection and a text that only looks like a link stay different."""
    for other in (LINK.replace("proj-1", "proj-2"), LINK.replace("networks", "routes"), f"x{LINK}"):
        assert [row["name"] for row in ROUTES if compile_filter(f"network eq {other}")(row)] == []
    described = {"name": "a", "description": "see https://example.com/compute/v1/x"}
    assert not compile_filter('description = "see https://example.org/compute/v1/x"')(described)


@pytest.mark.parametrize(
    "text",
    ["name", "(name eq a", "name eq [", "name ==", "= x", "(name = a", "name eq (?=a)", "x" * 3000, "a=b)", "((("],
)
def test_bad_filters_are_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        compile_filter(text)
    assert refused.value.status == 400


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(?:a?){500}a{500}"])
def test_patterns_that_backtrack_without_end_elsewhere_are_read_in_time(pattern: str) -> None:
    assert not compile_filter(f"name eq {pattern}")({"name": "a" * 5000 + "!"})


def test_lone_surrogates_are_accepted() -> None:
    assert compile_filter("name eq \ud800.*")({"name": "\ud800b"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("id", {"id": 1}),
        ("items(name,deep/x),next", {"items": [{"name": "a", "deep": {"x": 1}}, {"name": "b"}], "next": "t"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items/*", {"items": [{"name": "a", "deep": {"x": 1, "y": 2}}, {"name": "b"}]}),
        ("nothing", {}),
    ],
)
def test_partial_responses(fields: str, expected: Json) -> None:
    document = {"id": 1, "items": [{"name": "a", "deep": {"x": 1, "y": 2}}, {"name": "b"}], "next": "t"}
    assert select(document, read_mask(fields)) == expected


@pytest.mark.parametrize("fields", ["", "a,", "a(b", "a)", "a//b", "(a)"])
def test_bad_field_selections_are_refused(fields: str) -> None:
    with pytest.raises(ApiError):
        read_mask(fields)


@pytest.mark.parametrize(
    "query",
    [{"maxResults": "-1"}, {"maxResults": "501"}, {"maxResults": "many"}, {"pageToken": "x"}, {"orderBy": "color"}],
)
def test_bad_paging_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as refused:
        page(ROUTES, query)
    assert refused.value.status == 400


def test_pages_hold_everything_once() -> None:
    rows = [{"name": f"r{number:04}", "creationTimestamp": f"{9999 - number}"} for number in range(1201)]
    names: list[str] = []
    token = ""
    sizes = []
    while True:
        part, token = page(rows, {"pageToken": token})
        sizes.append(len(part))
        names += [row["name"] for row in part]
        if not token:
            break
    assert sizes == [500, 500, 201]
    assert names == [row["name"] for row in rows]
    newest, _ = page(rows, {"orderBy": "creationTimestamp desc", "maxResults": "1"})
    assert newest[0]["name"] == "r0000"


async def test_route_list_shows_subnet_routes_that_cannot_be_deleted(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    listed = await cloud.get("global/routes")
    assert listed["kind"] == "compute#routeList"
    assert listed["id"] == "projects/proj-1/global/routes"
    local = next(route for route in listed["items"] if route["destRange"] == "10.250.0.0/16")
    assert local["description"] == "Default local route to the subnetwork 10.250.0.0/16."
    assert local["nextHopNetwork"] == LINK
    assert await cloud.get(f"global/routes/{local['name']}") == local
    assert (await cloud.refused("DELETE", f"global/routes/{local['name']}"))["code"] == 400


async def test_empty_lists_have_no_items(cloud: Cloud) -> None:
    assert "items" not in await cloud.get("global/firewalls")


async def test_aggregated_lists_name_every_scope(cloud: Cloud) -> None:
    cloud.populate(nodes=2)
    listed = await cloud.get("aggregated/instances")
    assert [entry["name"] for entry in listed["items"][ZONE]["instances"]] == ["vm0", "vm1"]
    assert listed["items"]["zones/europe-west1-c"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    assert REGION not in listed["items"]
    every = await cloud.get("aggregated/subnetworks", includeAllScopes="True", maxResults="500")
    assert {"global", REGION, ZONE} <= set(every["items"])
    filtered = await cloud.get("aggregated/instances", filter="name=vm1", fields="items/*/instances/name")
    assert filtered["items"][ZONE] == {"instances": [{"name": "vm1"}]}


async def test_both_versions_show_the_same(cloud: Cloud) -> None:
    cloud.populate(nodes=1)
    _, one = await cloud.call("GET", f"{ZONE}/instances/vm0")
    _, other = await cloud.call("GET", f"{ZONE}/instances/vm0", version="beta")
    assert one == other


async def test_links_start_with_the_endpoint() -> None:
    endpoint = "http://127.0.0.1:18080/compute/v1"
    async with running(Setting(endpoint=endpoint)) as cloud:
        cloud.populate(nodes=1)
        operation = await cloud.do("DELETE", "global/routes/shoot--foo--bar-0")
        assert operation["targetLink"] == f"{endpoint}/projects/proj-1/global/routes/shoot--foo--bar-0"
        shown = await cloud.get(f"{ZONE}/instances/vm0")
        assert shown["zone"] == f"{endpoint}/projects/proj-1/{ZONE}"
        # A reference may name any host.
        body = instance("vm1", network=f"https://compute.googleapis.com/compute/v1/{NETWORK}")
        await cloud.do("POST", f"{ZONE}/instances", body)


async def test_locations(cloud: Cloud) -> None:
    project = await cloud.get("")
    assert project["name"] == "proj-1"
    by_number, _ = await cloud.raw("GET", f"/compute/v1/projects/{project['id']}")
    assert by_number == 200
    region = await cloud.get(REGION)
    assert region["status"] == "UP"
    assert len(region["zones"]) == 3
    assert len((await cloud.get("zones"))["items"]) == 3
    assert (await cloud.get(ZONE))["region"] == region["selfLink"]
    assert (await cloud.get(f"{ZONE}/machineTypes/n1-standard-4"))["guestCpus"] == 4
    assert (await cloud.refused("GET", "zones/nowhere"))["code"] == 404
    assert (await cloud.refused("GET", "zones/nowhere/instances"))["code"] == 400
    status, token = await cloud.raw("POST", "/token", data=b"grant_type=x")
    assert (status, token["token_type"]) == (200, "Bearer")
