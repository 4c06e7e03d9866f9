"""Google's client libraries, over HTTP, through all calls of the migration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from dualstack_sim.compute.api.backend import Compute
from tests.sim.compute.cloud import MACHINE, NETWORK, Setting, make, served

ANONYMOUS: Any = AnonymousCredentials
PROJECT, REGION, ZONE = "proj-1", "europe-west1", "europe-west1-b"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    compute, _, _ = make(Setting())
    with served(compute) as root:
        yield root


class Official:
    """google-cloud-compute, connected to the simulated cloud; its own clients wait for operations."""

    def __init__(self, root: str) -> None:
        settings: dict[str, Any] = {
            "credentials": ANONYMOUS(),
            "client_options": ClientOptions(api_endpoint=root),
        }
        self.networks = compute_v1.NetworksClient(**settings)
        self.subnetworks = compute_v1.SubnetworksClient(**settings)
        self.routes = compute_v1.RoutesClient(**settings)
        self.instances = compute_v1.InstancesClient(**settings)
        self.firewalls = compute_v1.FirewallsClient(**settings)
        self.global_operations = compute_v1.GlobalOperationsClient(**settings)
        self.region_operations = compute_v1.RegionOperationsClient(**settings)
        self.zone_operations = compute_v1.ZoneOperationsClient(**settings)

    def finish(self, operation: Any) -> Any:
        """Wait in the scope of the operation without raising: the caller checks the error."""
        while operation.status != compute_v1.Operation.Status.DONE:
            if operation.zone:
                operation = self.zone_operations.wait(project=PROJECT, zone=ZONE, operation=operation.name)
            elif operation.region:
                operation = self.region_operations.wait(project=PROJECT, region=REGION, operation=operation.name)
            else:
                operation = self.global_operations.wait(project=PROJECT, operation=operation.name)
        return operation

    def done(self, operation: Any) -> None:
        assert not self.finish(operation).error.errors

    def patch_nodes(self, **change: Any) -> None:
        current = self.subnetworks.get(project=PROJECT, region=REGION, subnetwork="nodes")
        body = compute_v1.Subnetwork(fingerprint=current.fingerprint, **change)
        self.done(
            self.subnetworks.patch_unary(project=PROJECT, region=REGION, subnetwork="nodes", subnetwork_resource=body)
        )


def test_google_cloud_compute_executes_the_migration(endpoint: str) -> None:
    client = Official(endpoint)
    network = compute_v1.Network(name="vpc", auto_create_subnetworks=False)
    client.done(client.networks.insert_unary(project=PROJECT, network_resource=network))
    subnetwork = compute_v1.Subnetwork(name="nodes", network=NETWORK, ip_cidr_range="10.250.0.0/16")
    client.done(client.subnetworks.insert_unary(project=PROJECT, region=REGION, subnetwork_resource=subnetwork))
    path = f"regions/{REGION}/subnetworks/nodes"
    vm = compute_v1.Instance(
        name="vm0",
        machine_type=MACHINE,
        can_ip_forward=True,
        network_interfaces=[compute_v1.NetworkInterface(subnetwork=path)],
    )
    client.done(client.instances.insert_unary(project=PROJECT, zone=ZONE, instance_resource=vm))
    route = compute_v1.Route(
        name="r0", network=NETWORK, dest_range="100.96.0.0/24", next_hop_instance=f"zones/{ZONE}/instances/vm0"
    )
    client.done(client.routes.insert_unary(project=PROJECT, route_resource=route))

    client.patch_nodes(allow_subnet_cidr_routes_overlap=True)
    secondary = compute_v1.SubnetworkSecondaryRange(range_name="ipv4-pod-cidr", ip_cidr_range="100.96.0.0/11")
    client.patch_nodes(secondary_ip_ranges=[secondary])
    nic = client.instances.get(project=PROJECT, zone=ZONE, instance="vm0").network_interfaces[0]
    alias = compute_v1.AliasIpRange(ip_cidr_range="100.96.0.0/24", subnetwork_range_name="ipv4-pod-cidr")
    change = compute_v1.NetworkInterface(fingerprint=nic.fingerprint, alias_ip_ranges=[alias])
    client.done(
        client.instances.update_network_interface_unary(
            project=PROJECT, zone=ZONE, instance="vm0", network_interface="nic0", network_interface_resource=change
        )
    )
    client.done(client.routes.delete_unary(project=PROJECT, route="r0"))
    client.patch_nodes(allow_subnet_cidr_routes_overlap=False)
    client.patch_nodes(stack_type="IPV4_IPV6", ipv6_access_type="EXTERNAL")
    deadline = time.monotonic() + 10
    while not client.subnetworks.get(project=PROJECT, region=REGION, subnetwork="nodes").external_ipv6_prefix:
        assert time.monotonic() < deadline

    dual = compute_v1.NetworkInterface(
        subnetwork=path,
        stack_type="IPV4_IPV6",
        alias_ip_ranges=[compute_v1.AliasIpRange(ip_cidr_range="/24", subnetwork_range_name="ipv4-pod-cidr")],
    )
    new = compute_v1.Instance(name="vm1", machine_type=MACHINE, network_interfaces=[dual])
    client.done(client.instances.insert_unary(project=PROJECT, zone=ZONE, instance_resource=new))
    made = client.instances.get(project=PROJECT, zone=ZONE, instance="vm1").network_interfaces[0]
    assert made.alias_ip_ranges[0].ip_cidr_range == "100.96.1.0/24"
    assert made.ipv6_access_configs[0].external_ipv6_prefix_length == 96

    rule = compute_v1.Firewall(
        name="six", network=NETWORK, source_ranges=["2600:1900::/32"], allowed=[compute_v1.Allowed(I_p_protocol="58")]
    )
    client.done(client.firewalls.insert_unary(project=PROJECT, firewall_resource=rule))
    assert client.firewalls.get(project=PROJECT, firewall="six").source_ranges == ["2600:1900::/32"]
    assert {instance.name for instance in client.instances.list(project=PROJECT, zone=ZONE)} == {"vm0", "vm1"}
    pages = dict(client.instances.aggregated_list(project=PROJECT))
    assert len(pages[f"zones/{ZONE}"].instances) == 2

    refused = client.finish(client.routes.insert_unary(project=PROJECT, route_resource=route))
    assert refused.error.errors[0].code == "UNSUPPORTED_OPERATION"
    with pytest.raises(exceptions.NotFound):
        client.routes.get(project=PROJECT, route="r0")
    stale = compute_v1.Subnetwork(fingerprint="AAAAAAAAAAA=", allow_subnet_cidr_routes_overlap=True)
    with pytest.raises(exceptions.PreconditionFailed):
        client.subnetworks.patch_unary(project=PROJECT, region=REGION, subnetwork="nodes", subnetwork_resource=stale)
    for name in ("vm0", "vm1"):
        client.done(client.instances.delete_unary(project=PROJECT, zone=ZONE, instance=name))


def test_googleapiclient_reads_writes_and_pages() -> None:
    compute, _, _ = make(Setting())
    with served(compute) as root:
        service = build(
            "compute",
            "v1",
            credentials=ANONYMOUS(),
            client_options={"api_endpoint": f"{root}/compute/v1/"},
        )

        def done(operation: dict[str, Any]) -> dict[str, Any]:
            while operation["status"] != "DONE":
                if "region" in operation:
                    waiting = service.regionOperations().wait(
                        project=PROJECT, region=REGION, operation=operation["name"]
                    )
                else:
                    waiting = service.globalOperations().wait(project=PROJECT, operation=operation["name"])
                operation = waiting.execute()
            return operation

        assert (
            done(
                service.networks()
                .insert(project=PROJECT, body={"name": "vpc", "autoCreateSubnetworks": False})
                .execute()
            )["progress"]
            == 100
        )
        body = {"name": "nodes", "network": NETWORK, "ipCidrRange": "10.250.0.0/16"}
        done(service.subnetworks().insert(project=PROJECT, region=REGION, body=body).execute())
        router = {"name": "router", "network": NETWORK}
        done(service.routers().insert(project=PROJECT, region=REGION, body=router).execute())
        nat = {
            "name": "nat",
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
            "subnetworks": [{"name": f"regions/{REGION}/subnetworks/nodes", "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
        }
        done(service.routers().patch(project=PROJECT, region=REGION, router="router", body={"nats": [nat]}).execute())
        shown = service.routers().get(project=PROJECT, region=REGION, router="router").execute()
        assert shown["nats"][0]["subnetworks"][0]["name"].startswith("https://www.googleapis.com/compute/v1/")
        _clear_aliases(compute, service)

        request = service.routes().list(project=PROJECT, maxResults=1)
        names = []
        while request is not None:
            answer = request.execute()
            names += [route["name"] for route in answer["items"]]
            assert len(answer["items"]) == 1
            request = service.routes().list_next(request, answer)
        assert len(names) == len(set(names)) == 2
        # A query that is too long for a URL is sent as a POST with a method override.
        terms = " OR ".join([*(f'name = "network-{number:04}"' for number in range(120)), 'name = "vpc"'])
        found = service.networks().list(project=PROJECT, filter=terms).execute()
        assert [network["name"] for network in found["items"]] == ["vpc"]
        with pytest.raises(HttpError) as refused:
            service.networks().get(project=PROJECT, network="none").execute()
        assert refused.value.status_code == 404
        assert "was not found" in refused.value.reason


def _clear_aliases(compute: Compute, service: Any) -> None:
    """An explicit empty list clears, which the other client cannot send (docs/reference/cut-over.md#e13)."""
    interface = {
        "subnetwork": f"regions/{REGION}/subnetworks/nodes",
        "aliasIpRanges": [{"ipCidrRange": "/28"}],
    }
    compute.place(
        "instances", f"zones/{ZONE}", {"name": "vm", "machineType": MACHINE, "networkInterfaces": [interface]}
    )
    before = service.instances().get(project=PROJECT, zone=ZONE, instance="vm").execute()["networkInterfaces"][0]
    assert before["aliasIpRanges"][0]["ipCidrRange"] == "10.250.0.16/28"
    body = {"fingerprint": before["fingerprint"], "stackType": "IPV4_ONLY", "aliasIpRanges": []}
    operation = (
        service.instances()
        .updateNetworkInterface(project=PROJECT, zone=ZONE, instance="vm", networkInterface="nic0", body=body)
        .execute()
    )
    while operation["status"] != "DONE":
        operation = service.zoneOperations().wait(project=PROJECT, zone=ZONE, operation=operation["name"]).execute()
    after = service.instances().get(project=PROJECT, zone=ZONE, instance="vm").execute()["networkInterfaces"][0]
    assert "aliasIpRanges" not in after
