"""Both examples at rest (docs/reference/gardener.md#golden-state-at-rest)."""

from __future__ import annotations

import base64
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dualstack.clock import ScaledClock, parse_rfc3339
from dualstack.cni.calico import IP_POOL
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.render.machine_class import machine_class, machine_deployment
from dualstack.model import kinds
from dualstack.model.cidr import at_offset, contains
from dualstack.model.conditions import find_condition
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest
from dualstack.model.workloads import flags_of
from dualstack_sim.actors.machine_facts import HASH_LABEL
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.api_servers import ApiServers
from dualstack_sim.world.gardener.builder import World, build
from tests.support.manifests import objects_of
from tests.unit.model import golden

_EXAMPLES = ("shoot.yaml", "shoot-large.yaml")
_TOKENS = "http://127.0.0.1:1/token"


@dataclass(frozen=True, slots=True)
class _Scene:
    store: KubeStore
    compute: Compute
    world: World

    @property
    def ns(self) -> str:
        return self.world.technical_id

    @property
    def shoot(self) -> ShootView:
        return ShootView.of(self.world.shoot)

    def get(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> Manifest:
        found = self.store.get(kind, name, namespace)
        assert found is not None, f"{kind.kind} {name} is missing"
        return found

    def resource(self, collection: str, scope: str, name: str) -> dict[str, Any]:
        found = self.compute.find(collection, scope, name)
        assert found is not None, f"{collection} {name} is missing"
        return found


def _read(name: str) -> Manifest:
    return load_shoot((golden.EXAMPLES / name).read_text(encoding="utf-8"))


def _build(shoot: Manifest, nodes: int | None = None, seed: int = 7) -> _Scene:
    clock, chance = ScaledClock(), Chance(seed)
    view = ShootView.of(shoot)
    zones = sorted({zone for pool in view.pools for zone in pool.zones})
    compute = Compute(clock, chance, regions={view.region: zones})
    store = KubeStore(clock, chance)
    world = build(ApiServers.one(store), compute, shoot, nodes=nodes, token_uri=_TOKENS, clock=clock, chance=chance)
    return _Scene(store, compute, world)


_SCENES: dict[str, _Scene] = {}


@pytest.fixture(params=_EXAMPLES)
def scene(request: pytest.FixtureRequest) -> _Scene:
    """Each example at rest, built once; no test changes it."""
    name: str = request.param
    if name not in _SCENES:
        _SCENES[name] = _build(_read(name))
    return _SCENES[name]


@pytest.fixture
def small() -> _Scene:
    if "shoot.yaml" not in _SCENES:
        _SCENES["shoot.yaml"] = _build(_read("shoot.yaml"))
    return _SCENES["shoot.yaml"]


@pytest.fixture
def large() -> _Scene:
    if "shoot-large.yaml" not in _SCENES:
        _SCENES["shoot-large.yaml"] = _build(_read("shoot-large.yaml"))
    return _SCENES["shoot-large.yaml"]


def test_the_shoot_is_reconciled_and_ipv4_only(scene: _Scene) -> None:
    status, shoot = scene.world.shoot["status"], scene.shoot

    assert status["technicalID"] == scene.ns
    assert (status["networking"]["pods"], status["networking"]["services"]) == ([shoot.pods], [shoot.services])
    assert status["networking"]["nodes"] == [shoot.nodes]
    assert status["lastOperation"]["state"] == "Succeeded"
    assert status["observedGeneration"] == scene.world.shoot["metadata"]["generation"] == 1
    assert not {"DualStackNodesMigrationReady", "DNSServiceMigrationReady"} & {
        constraint["type"] for constraint in status["constraints"]
    }


def test_unknown_fields_of_the_shoot_are_kept() -> None:
    shoot = _read("shoot.yaml")
    shoot["spec"]["futureField"] = {"deep": True}

    assert _build(shoot).world.shoot["spec"]["futureField"] == {"deep": True}


def test_the_cluster_is_the_copy_of_the_shoot(scene: _Scene) -> None:
    assert scene.get(gardener_kinds.CLUSTER, scene.ns)["spec"]["shoot"] == scene.world.shoot


@pytest.mark.parametrize(
    "kind", [gardener_kinds.INFRASTRUCTURE, gardener_kinds.CONTROL_PLANE, gardener_kinds.NETWORK, gardener_kinds.WORKER]
)
def test_every_extension_has_completed_the_last_request(scene: _Scene, kind: kinds.Kind) -> None:
    """The conditions that gardenlet waits for (docs/reference/gardener.md#wait-conditions)."""
    found = scene.get(kind, scene.shoot.name, scene.ns)
    metadata, status = found["metadata"], found["status"]

    assert set(metadata["annotations"]) == {"gardener.cloud/timestamp"}
    assert metadata["finalizers"] == [f"extensions.gardener.cloud/{kind.kind.lower()}"]
    assert status["observedGeneration"] == metadata["generation"]
    assert (status["lastOperation"]["type"], status["lastOperation"]["state"]) == ("Reconcile", "Succeeded")
    assert status["lastOperation"]["progress"] == 100
    assert "lastError" not in status
    asked = parse_rfc3339(metadata["annotations"]["gardener.cloud/timestamp"])
    assert asked <= parse_rfc3339(status["lastOperation"]["lastUpdateTime"])


def test_the_infrastructure_reports_the_resources_of_the_cloud(scene: _Scene) -> None:
    status = scene.get(gardener_kinds.INFRASTRUCTURE, scene.shoot.name, scene.ns)["status"]
    provider = InfrastructureStatus.from_raw(status["providerStatus"]).networks
    region = f"regions/{scene.shoot.region}"

    assert provider.ipfamilies == ("IPv4",)
    assert status["state"]["data"] == {"resources_exist": "true"}
    assert "routes" not in status["state"]
    scene.resource("networks", "global", provider.vpc.name)
    assert provider.vpc.cloud_router is not None
    scene.resource("routers", region, provider.vpc.cloud_router.name)
    for subnet in provider.subnets:
        scene.resource("subnetworks", region, subnet.name)
    assert status["egressCIDRs"] == [f"{address.ip}/32" for address in provider.nat_ips]


def test_the_infrastructure_of_the_golden_scenario_verbatim(small: _Scene) -> None:
    status = small.get(gardener_kinds.INFRASTRUCTURE, "bar", "shoot--foo--bar")["status"]

    assert status["providerStatus"]["networks"] == {
        "vpc": {"name": "shoot--foo--bar", "cloudRouter": {"name": "shoot--foo--bar-cloud-router"}},
        "subnets": [{"name": "shoot--foo--bar-nodes", "purpose": "nodes"}],
        "ipfamilies": ["IPv4"],
    }
    assert status["networking"] == {"pods": [golden.P4], "nodes": [golden.N4], "services": [golden.S4]}


def test_the_nodes_subnet_is_ipv4_only_and_has_no_range(scene: _Scene) -> None:
    subnet = scene.resource("subnetworks", f"regions/{scene.shoot.region}", f"{scene.ns}-nodes")

    assert subnet["ipCidrRange"] == scene.shoot.infrastructure_config.workers
    assert subnet["stackType"] == "IPV4_ONLY"
    assert not subnet.get("secondaryIpRanges")
    assert not subnet.get("allowSubnetCidrRoutesOverlap")


def test_the_users_own_network_router_addresses_and_flow_logs(large: _Scene) -> None:
    region = "regions/europe-west1"
    nodes = large.resource("subnetworks", region, f"{large.ns}-nodes")
    internal = large.resource("subnetworks", region, f"{large.ns}-internal")
    (nat,) = large.resource("routers", region, "shop-live-router")["nats"]
    addresses = [large.resource("addresses", region, f"shop-egress-{index}") for index in (1, 2)]

    assert nodes["network"].endswith("/global/networks/shop-live")
    assert large.compute.find("networks", "global", large.ns) is None
    assert nodes["logConfig"] == {
        "enable": True,
        "aggregationInterval": "INTERVAL_10_MIN",
        "flowSampling": 0.2,
        "metadata": "INCLUDE_ALL_METADATA",
    }
    assert internal["ipCidrRange"] == "10.179.0.0/20"
    assert nat["name"] == f"{large.ns}-cloud-nat"
    assert (nat["natIpAllocateOption"], nat["minPortsPerVm"]) == ("MANUAL_ONLY", 4096)
    assert nat["natIps"] == [address["selfLink"] for address in addresses]
    egress = large.world.shoot["status"]["networking"]["egressCIDRs"]
    assert egress == [f"{address['address']}/32" for address in addresses]


def test_the_nat_of_a_managed_router(small: _Scene) -> None:
    (nat,) = small.resource("routers", "regions/europe-west1", f"{small.ns}-cloud-router")["nats"]

    assert (nat["natIpAllocateOption"], nat["minPortsPerVm"], nat["maxPortsPerVm"]) == ("AUTO_ONLY", 2048, 65536)
    (source,) = nat["subnetworks"]
    assert source["name"].endswith(f"/subnetworks/{small.ns}-nodes")
    assert source["sourceIpRangesToNat"] == ["ALL_IP_RANGES"]


def test_the_firewall_allows_pods_and_nodes(scene: _Scene) -> None:
    networks_ = scene.shoot.infrastructure_config.networks
    inside = scene.resource("firewalls", "global", f"{scene.ns}-allow-internal-access")
    health = scene.resource("firewalls", "global", f"{scene.ns}-allow-health-checks")

    assert set(inside["sourceRanges"]) == {scene.shoot.pods, networks_.workers} | (
        {networks_.internal} if networks_.internal else set()
    )
    assert "35.191.0.0/16" in health["sourceRanges"]
    assert scene.compute.find("firewalls", "global", f"{scene.ns}-allow-internal-access-ipv6") is None


def test_s2_nodes_and_machines_have_provider_ids_in_the_spelling_of_their_program(scene: _Scene) -> None:
    """Two slashes by cloud-controller-manager, three by machine-controller-manager."""
    machines = scene.store.list(gardener_kinds.MACHINE, scene.ns)
    spelled = {machine["metadata"]["name"]: machine["spec"]["providerID"] for machine in machines}
    for node in scene.store.list(kinds.NODE):
        name, zone = node["metadata"]["name"], node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        assert node["spec"]["providerID"] == f"gce://{scene.world.project}/{zone}/{name}"
        assert spelled.pop(name) == f"gce:///{scene.world.project}/{zone}/{name}"
    assert not spelled


def test_each_node_is_one_machine_one_vm_and_one_route(scene: _Scene) -> None:
    expected = sum(pool.minimum for pool in scene.shoot.pools)
    nodes = {node["metadata"]["name"]: node for node in scene.store.list(kinds.NODE)}
    machines = {machine["metadata"]["name"] for machine in scene.store.list(gardener_kinds.MACHINE, scene.ns)}
    routes = [
        route for route in scene.compute.snapshot()["routes"].values() if route["description"] == "k8s-node-route"
    ]

    assert len(scene.world.nodes) == len(nodes) == len(routes) == expected
    assert set(nodes) == machines == {node.name for node in scene.world.nodes}
    by_name = {route["name"]: route for route in routes}
    for name, node in nodes.items():
        zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        vm = scene.resource("instances", f"zones/{zone}", name)
        route = by_name[f"{scene.ns[:26]}-{node['metadata']['uid']}"]
        assert node["spec"]["podCIDRs"] == [node["spec"]["podCIDR"]] == [route["destRange"]]
        assert (route["nextHopInstance"], route["network"]) == (vm["selfLink"], scene.world.network)
        assert route["priority"] == 1000
        assert contains(scene.shoot.pods, route["destRange"])


def test_the_vms_are_those_of_the_machine_controller(scene: _Scene) -> None:
    for node in scene.world.nodes:
        vm = scene.resource("instances", f"zones/{node.zone}", node.name)
        (interface,) = vm["networkInterfaces"]
        assert (vm["status"], vm["canIpForward"]) == ("RUNNING", True)
        assert set(vm["tags"]["items"]) == {scene.ns, f"kubernetes-io-cluster-{scene.ns}", "kubernetes-io-role-node"}
        assert interface["subnetwork"].endswith(f"/subnetworks/{scene.ns}-nodes")
        assert interface["stackType"] == "IPV4_ONLY"
        assert not interface.get("aliasIpRanges")
        assert interface["networkIP"] == node.address


def test_the_nodes_are_ready_and_have_a_route(scene: _Scene) -> None:
    for node in scene.store.list(kinds.NODE):
        conditions = node["status"]["conditions"]
        network = find_condition(conditions, "NetworkUnavailable")
        ready = find_condition(conditions, "Ready")
        assert network is not None
        assert ready is not None
        assert (network["status"], network["reason"]) == ("False", "RouteCreated")
        assert network["message"] == "RouteController created a route"
        assert ready["status"] == "True"
        assert not node["spec"].get("taints")
        assert [entry["type"] for entry in node["status"]["addresses"]] == ["InternalIP", "Hostname"]
        assert node["metadata"]["labels"]["worker.gardener.cloud/pool"] in {pool.name for pool in scene.shoot.pools}


def test_the_labels_of_a_pool_are_on_its_nodes(large: _Scene) -> None:
    labelled = large.store.list(kinds.NODE, labels="workload=cache")

    assert len(labelled) == 10
    assert {node["metadata"]["labels"]["worker.gardener.cloud/pool"] for node in labelled} == {"memory"}


def test_machines_are_owned_by_sets_and_sets_by_deployments(scene: _Scene) -> None:
    deployments = {
        each["metadata"]["uid"]: each for each in scene.store.list(gardener_kinds.MACHINE_DEPLOYMENT, scene.ns)
    }
    sets = {each["metadata"]["uid"]: each for each in scene.store.list(gardener_kinds.MACHINE_SET, scene.ns)}
    machines = scene.store.list(gardener_kinds.MACHINE, scene.ns)

    assert len(deployments) == len(sets) == sum(len(pool.zones) for pool in scene.shoot.pools)
    for machine_set in sets.values():
        (owner,) = machine_set["metadata"]["ownerReferences"]
        deployment = deployments[owner["uid"]]
        digest = machine_set["metadata"]["labels"][HASH_LABEL]
        template = deepcopy(machine_set["spec"]["template"])
        assert template["metadata"]["labels"].pop(HASH_LABEL) == digest
        assert template == deployment["spec"]["template"]
        assert machine_set["metadata"]["name"] == f"{deployment['metadata']['name']}-{digest}"
        assert deployment["status"]["availableReplicas"] == deployment["spec"]["replicas"]
        assert deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
    owned = [machine["metadata"]["ownerReferences"][0]["uid"] for machine in machines]
    assert {uid: owned.count(uid) for uid in sets} == {uid: each["spec"]["replicas"] for uid, each in sets.items()}
    for machine in machines:
        assert machine["status"]["currentStatus"]["phase"] == "Running"
        assert machine["metadata"]["labels"]["node"] == machine["metadata"]["name"]


def test_the_worker_controller_has_nothing_to_change(scene: _Scene) -> None:
    view = scene.shoot
    raw = scene.get(gardener_kinds.WORKER, view.name, scene.ns)["spec"]["infrastructureProviderStatus"]
    status = InfrastructureStatus.from_raw(raw)
    for pool in view.pools:
        for part in pool.parts:
            wanted = machine_class(view, status, pool, part).new
            found = scene.get(gardener_kinds.MACHINE_CLASS, wanted["metadata"]["name"], scene.ns)
            assert found["providerSpec"] == wanted["providerSpec"]
            assert found["providerSpec"]["networkInterfaces"] == [
                {"subnetwork": f"{scene.ns}-nodes", "disableExternalIP": True}
            ]
            deployment = machine_deployment(view, pool, part, replicas=part.minimum)
            live = scene.get(gardener_kinds.MACHINE_DEPLOYMENT, deployment["metadata"]["name"], scene.ns)
            assert live["spec"] == deployment["spec"]


def test_cloud_controller_manager_makes_the_routes(scene: _Scene) -> None:
    deployment = scene.get(kinds.DEPLOYMENT, "cloud-controller-manager", scene.ns)
    flags = flags_of(deployment)

    assert deployment["spec"]["replicas"] == 1
    assert (flags["cidr-allocator-type"], flags["configure-cloud-routes"]) == ("RangeAllocator", "true")
    assert (flags["cluster-cidr"], flags["node-cidr-mask-size-ipv4"]) == (scene.shoot.pods, "24")


def test_every_managed_resource_is_applied_and_its_objects_are_there(scene: _Scene) -> None:
    by_kind = {
        kind.kind: kind for kind in (kinds.CONFIG_MAP, kinds.DEPLOYMENT, kinds.DAEMON_SET, kinds.SERVICE, IP_POOL)
    }
    resources = scene.store.list(gardener_kinds.MANAGED_RESOURCE, scene.ns)

    assert {each["metadata"]["name"] for each in resources} == {
        "extension-controlplane-seed",
        f"extension-networking-{scene.shoot.cni}-config",
        "shoot-core-kube-proxy",
        "shoot-core-coredns",
    }
    for resource in resources:
        name = resource["metadata"]["name"]
        assert "resources.gardener.cloud/ignore" not in resource["metadata"].get("annotations", {})
        objects = objects_of(scene.get(kinds.SECRET, name, scene.ns))
        assert len(objects) == len(resource["status"]["resources"]) > 0
        for item in objects:
            metadata = item["metadata"]
            live = scene.get(by_kind[item["kind"]], metadata["name"], metadata.get("namespace"))
            for field in ("data", "spec"):
                assert _covers(live.get(field), item.get(field)), f"{item['kind']} {metadata['name']}"


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_covers(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(_covers, live, wanted))
    return bool(live == wanted)


def test_services_have_the_addresses_that_gardener_gives_them(scene: _Scene) -> None:
    current = networks(scene.shoot)
    dns = scene.get(kinds.SERVICE, "kube-dns", "kube-system")["spec"]
    api = scene.get(kinds.SERVICE, "kubernetes", "default")["spec"]

    assert dns["clusterIPs"] == list(current.dns_ips) == [at_offset(scene.shoot.services, 10)]
    assert api["clusterIP"] == current.api_server_ips[0]
    for service in scene.store.list(kinds.SERVICE):
        assert (service["spec"]["ipFamilies"], service["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
        assert contains(scene.shoot.services, service["spec"]["clusterIP"])


def test_the_workload_grows_with_the_nodes_up_to_40(small: _Scene, large: _Scene) -> None:
    assert small.get(kinds.DEPLOYMENT, "web", "default")["spec"]["replicas"] == 6
    assert large.get(kinds.DEPLOYMENT, "web", "default")["spec"]["replicas"] == 40


def test_there_are_no_pods(scene: _Scene) -> None:
    assert scene.store.list(kinds.POD) == []
    scene.get(kinds.DAEMON_SET, "network-problem-detector-pod", "kube-system")


def test_the_key_of_the_service_account_is_a_real_one(small: _Scene) -> None:
    secret = small.get(kinds.SECRET, "cloudprovider", small.ns)

    account = msgspec.json.decode(base64.b64decode(secret["data"]["serviceaccount.json"]))

    assert account["project_id"] == small.world.project
    assert account["token_uri"] == _TOKENS
    assert load_pem_private_key(account["private_key"].encode(), password=None)


def test_nodes_can_be_fewer_or_more_than_the_shoot_says() -> None:
    scene = _build(_read("shoot-large.yaml"), nodes=8)

    assert len(scene.world.nodes) == 8
    counts = [pool["minimum"] for pool in scene.world.shoot["spec"]["provider"]["workers"]]
    assert counts == [6, 2]
    worker = scene.get(gardener_kinds.WORKER, "orders", scene.ns)
    assert sum(entry["minimum"] for entry in worker["status"]["machineDeployments"]) == 8


def test_the_same_seed_builds_the_same_world() -> None:
    first, again = (_build(_read("shoot.yaml"), seed=3).world for _ in range(2))

    assert first.nodes == again.nodes
    assert _build(_read("shoot.yaml"), seed=4).world.nodes != first.nodes


def test_more_nodes_than_routes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="STATIC_ROUTES_PER_NETWORK is 200; use at most 199 nodes"):
        _build(_read("shoot.yaml"), nodes=200)


def test_a_shoot_that_is_dual_stack_already_is_refused() -> None:
    shoot = _read("shoot.yaml")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]

    with pytest.raises(InvalidInput, match="starts from an IPv4-only Shoot"):
        _build(shoot)


def test_a_technical_id_in_the_status_is_kept() -> None:
    """Older clusters have names of another form, and longer ones."""
    shoot = _read("shoot.yaml")
    shoot["status"] = {"technicalID": "shoot-garden-of-long-ago-bar"}

    scene = _build(shoot)

    assert scene.ns == "shoot-garden-of-long-ago-bar"
    assert scene.get(gardener_kinds.SHOOT, "bar", "garden-foo")["status"]["technicalID"] == scene.ns
    assert scene.get(kinds.DEPLOYMENT, "cloud-controller-manager", scene.ns)


def test_building_counts_no_api_calls(small: _Scene) -> None:
    assert small.compute.statistics()["calls"] == 0
    assert small.compute.operations_running() == 0


def test_s10_the_garden_has_the_cloud_profile_of_the_shoot(scene: _Scene) -> None:
    """It has what the Shoot uses, the regions and zones of the cloud, and the Cluster has a copy of it."""
    profile = scene.get(gardener_kinds.CLOUD_PROFILE, "gcp")
    spec, shoot = profile["spec"], ShootView.of(scene.world.shoot)
    assert spec["type"] == "gcp"
    assert shoot.kubernetes_version in [each["version"] for each in spec["kubernetes"]["versions"]]
    assert {zone for pool in shoot.pools for zone in pool.zones} <= {
        zone["name"] for region in spec["regions"] if region["name"] == shoot.region for zone in region["zones"]
    }
    types = {each["name"]: each for each in spec["machineTypes"]}
    images = {(each["name"], item["version"]) for each in spec["machineImages"] for item in each["versions"]}
    sources = {
        (each["name"], item["version"]) for each in spec["providerConfig"]["machineImages"] for item in each["versions"]
    }
    for pool in shoot.pools:
        assert pool.machine_type in types
        assert (pool.image_name, pool.image_version) in images == sources
    assert (types["n1-standard-4"]["cpu"], types["n1-standard-4"]["memory"]) == ("4", "15360Mi")
    assert scene.get(gardener_kinds.CLUSTER, scene.world.technical_id)["spec"]["cloudProfile"] == profile
