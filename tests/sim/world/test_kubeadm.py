"""A cluster that kubeadm made, as a client sees it over HTTP: at rest, and when a person changes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.sim.live.commands import run
from tests.sim.rehearsal.command import EXAMPLE, LARGE, served
from tests.sim.world.client import CCM, PROBED, SPEED, ZONE, Client, condition


@pytest.fixture(scope="module")
def at_rest() -> Iterator[Client]:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        yield Client(facts)


@pytest.fixture
def world() -> Iterator[Client]:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        yield Client(facts)


class TestAtRest:
    def test_every_node_is_ready_and_has_a_route_of_its_own(self, at_rest: Client) -> None:
        nodes = at_rest.nodes()
        assert list(nodes) == ["bar-control-plane", "bar-w1-1", "bar-w1-2", "bar-w1-3"]
        assert {condition(node, "Ready") for node in nodes.values()} == {"True"}
        assert at_rest.routes() == {
            f"bar-{node['metadata']['uid']}": node["spec"]["podCIDR"] for node in nodes.values()
        }

    def test_all_pairs_deliver(self, at_rest: Client) -> None:
        at_rest.control("/trigger", "POST")
        traffic = at_rest.traffic()
        assert (traffic["pairs"], traffic["brokenPairs"]) == (12, [])

    def test_nothing_of_gardener_exists(self, at_rest: Client) -> None:
        definitions = at_rest.kube("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        assert [each["metadata"]["name"] for each in definitions] == ["ippools.crd.projectcalico.org"]
        everything = [
            at_rest.kube(path)
            for path in (
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/api/v1/pods",
                "/api/v1/configmaps",
                "/api/v1/services",
                "/apis/apps/v1/daemonsets",
                "/apis/apps/v1/deployments",
            )
        ]
        resources = ("global/networks", "global/routes", "aggregated/subnetworks", "aggregated/instances")
        everything += [at_rest.compute(path) for path in resources]
        text = json.dumps(everything)
        assert not re.search("gardener|shoot--|machine.sapcloud|network-problem|ClusterNetworkProblem", text)

    def test_name_and_ranges_can_be_found_in_the_cluster_alone(self, at_rest: Client) -> None:
        text = at_rest.kube("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")["data"]["ClusterConfiguration"]
        found = yaml.safe_load(text)
        assert found["clusterName"] == "bar"
        assert found["networking"] == {
            "dnsDomain": "cluster.local",
            "podSubnet": "100.96.0.0/11",
            "serviceSubnet": "100.64.0.0/13",
        }
        words = at_rest.kube(CCM)["spec"]["template"]["spec"]["containers"][0]["args"]
        assert {"--cluster-name=bar", "--cluster-cidr=100.96.0.0/11", "--configure-cloud-routes=true"} <= set(words)
        path = "/api/v1/namespaces/kube-system/pods/kube-controller-manager-bar-control-plane"
        manager = at_rest.kube(path)["spec"]["containers"][0]["command"]
        assert {"--allocate-node-cidrs=true", "--cluster-cidr=100.96.0.0/11"} <= set(manager)

    def test_a_service_gets_an_address_of_the_service_range(self, at_rest: Client) -> None:
        body = {"metadata": {"name": "api"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "api"}}}
        made = at_rest.kube("/api/v1/namespaces/default/services", "POST", body)
        assert made["spec"]["clusterIP"].startswith("100.64.")


@pytest.mark.slow
def test_a_new_vm_gets_a_node_a_pod_cidr_and_a_route_and_takes_them_with_it(world: Client) -> None:
    world.control("/trigger", "POST")
    world.create_vm("by-hand")
    node = world.eventually(lambda: world.ready("by-hand"))
    assert node["spec"]["podCIDR"] == "100.96.4.0/24"
    assert node["metadata"]["annotations"]["kubeadm.alpha.kubernetes.io/cri-socket"]
    route = f"bar-{node['metadata']['uid']}"
    world.eventually(lambda: world.routes().get(route) == "100.96.4.0/24")
    world.eventually(lambda: condition(world.nodes()["by-hand"], "NetworkUnavailable") == "False")
    world.eventually(lambda: (world.traffic()["laterPairs"], world.traffic()["current"]) == (8, 0))
    world.compute(f"{ZONE}/instances/by-hand", "DELETE")
    world.eventually(lambda: "by-hand" not in world.nodes())
    world.eventually(lambda: route not in world.routes())


@pytest.mark.slow
def test_a_deleted_route_comes_back_while_the_route_controller_runs(world: Client) -> None:
    name = next(iter(world.routes()))
    before = world.compute(f"global/routes/{name}")
    world.compute(f"global/routes/{name}", "DELETE")
    world.eventually(lambda: any(each["id"] != before["id"] for each in world.named_routes(name)))
    (after,) = world.named_routes(name)
    assert (after["destRange"], after["nextHopInstance"]) == (before["destRange"], before["nextHopInstance"])


@pytest.mark.slow
def test_without_its_route_controller_routes_stay_away_and_a_new_node_gets_none(world: Client) -> None:
    """The Node gets a pod CIDR; its network stays unavailable, as nothing says otherwise."""
    world.configure(configure_cloud_routes="false")
    name = next(iter(world.routes()))
    world.delete_route(name)
    world.create_vm("by-hand")
    node = world.eventually(lambda: world.ready("by-hand"))
    world.pass_time(60.0)
    assert len(world.routes()) == 3
    node = world.nodes()["by-hand"]
    assert condition(node, "NetworkUnavailable") == "True"
    assert [taint["key"] for taint in node["spec"]["taints"]] == ["node.kubernetes.io/network-unavailable"]
    world.configure(configure_cloud_routes="true")
    world.eventually(lambda: len(world.routes()) == 5)
    world.eventually(lambda: condition(world.nodes()["by-hand"], "NetworkUnavailable") == "False")


@pytest.mark.slow
def test_a_prepared_cluster_delivers_by_its_aliases_when_its_routes_are_deleted() -> None:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        world = Client(facts)
        prepared = run(facts, "prepare", "--yes", *PROBED)
        assert prepared.status == 0, prepared.err
        world.configure(configure_cloud_routes="false")
        world.control("/trigger", "POST")
        for name in world.routes():
            world.delete_route(name)
        world.pass_time(120.0)
        assert world.routes() == {}
        traffic = world.traffic()
        assert (traffic["pairs"], traffic["brokenPairs"]) == (12, [])


@pytest.mark.slow
def test_nodes_of_a_prepared_cluster_join_with_an_alias_once_both_managers_are_configured_for_it() -> None:
    """Given no route controller and pod CIDRs from the cloud alone, when a VM with an alias joins, then its Node has
    that pod CIDR, a network and no route."""
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        world = Client(facts)
        prepared = run(facts, "prepare", "--yes", *PROBED)
        assert prepared.status == 0, prepared.err
        world.control("/trigger", "POST")
        world.control("/static-pods/kube-controller-manager", "PATCH", {"allocate-node-cidrs": "false"})
        world.eventually(
            lambda: (
                [
                    ("--allocate-node-cidrs=false" in words, phase)
                    for words, phase in world.pods_of("kube-controller-manager")
                ]
                == [(True, "Running")]
            )
        )
        world.configure(configure_cloud_routes="false", cidr_allocator_type="CloudAllocator", controllers="*")
        world.create_vm("by-hand", {"ipCidrRange": "100.96.9.0/24", "subnetworkRangeName": "ipv4-pod-cidr"})
        node = world.eventually(lambda: world.ready("by-hand"))
        assert node["spec"]["podCIDRs"] == ["100.96.9.0/24"]
        world.eventually(lambda: condition(world.nodes()["by-hand"], "NetworkUnavailable") == "False")
        world.eventually(lambda: (world.traffic()["laterPairs"], world.traffic()["current"]) == (8, 0))
        assert "100.96.9.0/24" not in world.routes().values()


@pytest.mark.slow
def test_a_mirror_pod_that_is_deleted_comes_back(world: Client) -> None:
    path = "/api/v1/namespaces/kube-system/pods/kube-scheduler-bar-control-plane"
    before = world.kube(path)["metadata"]["uid"]
    world.kube(path, "DELETE")
    listed = "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-scheduler"
    world.eventually(lambda: any(pod["metadata"]["uid"] != before for pod in world.kube(listed)["items"]))


@pytest.mark.slow
def test_a_guest_agent_that_no_metadata_stops_hides_the_pods_of_an_alias() -> None:
    arguments = ("--landscape", "kubeadm", "--knob", "guest-agent=on", "--speed", SPEED)
    with served(str(EXAMPLE), *arguments) as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        world.give_alias(min(world.nodes()))
        world.pass_time(10.0)
        broken = world.traffic()["brokenPairs"]
        assert {pair["reason"] for pair in broken} == {"STOLEN_BY_GUEST_AGENT"}


@pytest.mark.slow
def test_pools_in_several_zones_with_cilium() -> None:
    with served(str(LARGE), "--landscape", "kubeadm", "--nodes", "6", "--speed", SPEED) as facts:
        world = Client(facts)
        assert len(world.nodes()) == 7
        assert len(world.routes()) == 7
        zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in world.nodes().values()}
        assert len(zones) > 1


@pytest.mark.slow
def test_a_vm_of_a_resized_instance_group_of_kops_joins_with_a_route_and_the_labels_of_its_group() -> None:
    with served(str(LARGE), "--landscape", "kops", "--nodes", "3", "--speed", SPEED) as facts:
        world = Client(facts)
        before = world.nodes()
        assert {condition(node, "Ready") for node in before.values()} == {"True"}
        group = next(
            each
            for scope in world.compute("aggregated/instanceGroupManagers")["items"].values()
            for each in scope.get("instanceGroupManagers", ())
            if not each["name"].startswith(each["zone"][-1] + "-control-plane")
        )
        zone = group["zone"].rpartition("/")[2]
        path = f"zones/{zone}/instanceGroupManagers/{group['name']}"
        world.compute(f"{path}/resize?size={group['targetSize'] + 1}", "POST", {})
        world.eventually(lambda: len(world.nodes()) == len(before) + 1)
        (joined,) = world.nodes().keys() - before.keys()
        node = world.eventually(lambda: world.ready(joined))
        assert node["metadata"]["labels"]["kops.k8s.io/instancegroup"] == group["baseInstanceName"]
        world.eventually(lambda: node["spec"]["podCIDR"] in world.routes().values())
        assert all(route.startswith(group["name"].rpartition(zone + "-")[2]) for route in world.routes())
