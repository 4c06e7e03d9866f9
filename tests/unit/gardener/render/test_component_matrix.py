"""The configuration of each component in each phase (docs/reference/gardener.md#component-matrix)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
import yaml
from tests.support.manifests import cluster_dns_of
from tests.unit.model import golden
from tests.unit.model.golden import DNS4, DNS6, N4, N6, P4, P6, PHASES, S4, S6

from dualstack.cni import network_types
from dualstack.cni.interface import Cni
from dualstack.gardener.model.infrastructure import InfrastructureStatus, NetworkStatus, StatusVPC, Subnet
from dualstack.gardener.model.networks import kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import (
    control_plane,
    coredns,
    extensions,
    ingress_gce,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
    network,
)
from dualstack.model.kinds import Manifest
from dualstack.model.parts import rendered
from dualstack.model.workloads import flags_of

_GATED = ("P0", "P1")
_STATUS = InfrastructureStatus(
    networks=NetworkStatus(vpc=StatusVPC(name="my-vpc"), subnets=(Subnet(name="NS-nodes", purpose="nodes"),))
)


def _named(objects: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def _environment(objects: list[Manifest]) -> dict[str, str]:
    container = _named(objects, "DaemonSet", "calico-node")["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def _expected(phase: str, single: str, dual: str) -> str:
    return single if phase in _GATED else f"{single},{dual}"


@pytest.mark.parametrize("phase", PHASES)
def test_kube_apiserver(phase: str) -> None:
    view = golden.view_in(phase)

    flags = flags_of(kube_apiserver.deployment(view, networks(view)).new)

    assert flags["service-cluster-ip-range"] == _expected(phase, S4, S6)


def test_kube_apiserver_rolls_once_when_it_becomes_dual() -> None:
    templates = [
        kube_apiserver.deployment(view, networks(view)).new["spec"]["template"] for view in map(golden.view_in, PHASES)
    ]

    assert templates[0] == templates[1]
    assert templates[1] != templates[2]
    assert templates[2] == templates[3] == templates[4] == templates[5]


@pytest.mark.parametrize("phase", PHASES)
def test_kube_controller_manager(phase: str) -> None:
    view = golden.view_in(phase)

    flags = flags_of(kube_controller_manager.deployment(view, networks(view)).new)

    assert flags["cluster-cidr"] == _expected(phase, P4, P6)
    assert flags["service-cluster-ip-range"] == _expected(phase, S4, S6)
    assert (flags["allocate-node-cidrs"], flags["cloud-provider"]) == ("false", "external")
    masks = {name: value for name, value in flags.items() if name.startswith("node-cidr-mask-size")}
    if phase in _GATED:
        assert masks == {"node-cidr-mask-size": "24"}, "upstream uses mask 64 in P1: docs/reference/weaknesses.md#w25"
    else:
        assert masks == {"node-cidr-mask-size-ipv4": "24", "node-cidr-mask-size-ipv6": "64"}


@pytest.mark.parametrize("phase", PHASES)
def test_kube_proxy(phase: str) -> None:
    view = golden.view_in(phase)

    config = _named(rendered(kube_proxy.objects(view, networks(view))), "ConfigMap", "kube-proxy-config")

    assert yaml.safe_load(config["data"]["config.yaml"])["clusterCIDR"] == _expected(phase, P4, P6)


def test_kube_proxy_rolls_with_its_configuration() -> None:
    before, after = (
        _named(rendered(kube_proxy.objects(view, networks(view))), "DaemonSet", "kube-proxy")["spec"]["template"]
        for view in (golden.view_in("P1"), golden.view_in("P2"))
    )

    assert before != after


def test_an_ipvs_proxy_gets_no_cluster_cidr() -> None:
    shoot = golden.shoot_in("P2")
    shoot["spec"]["kubernetes"]["kubeProxy"]["mode"] = "IPVS"
    view = ShootView.of(shoot)

    config = _named(rendered(kube_proxy.objects(view, networks(view))), "ConfigMap", "kube-proxy-config")
    assert "clusterCIDR" not in yaml.safe_load(config["data"]["config.yaml"])


@pytest.mark.parametrize("phase", PHASES)
def test_cloud_controller_manager(phase: str) -> None:
    view = golden.view_in(phase)
    objects = rendered(control_plane.objects(view, _STATUS, "proj-1"))
    deployment = _named(objects, "Deployment", "cloud-controller-manager")

    flags = flags_of(deployment)

    assert (deployment["metadata"]["namespace"], deployment["spec"]["replicas"]) == ("shoot--foo--bar", 1)
    assert flags["cluster-name"] == "shoot--foo--bar"
    assert flags["allocate-node-cidrs"] == "true"
    if phase == "P0":
        assert flags["cidr-allocator-type"] == "RangeAllocator"
        assert flags["configure-cloud-routes"] == "true"
        assert (flags["cluster-cidr"], flags["service-cluster-ip-range"]) == (P4, S4)
        assert flags["node-cidr-mask-size-ipv4"] == "24"
    else:
        assert flags["cidr-allocator-type"] == "CloudAllocator"
        assert flags["configure-cloud-routes"] == "false"
        assert (flags["cluster-cidr"], flags["service-cluster-ip-range"]) == (f"{P4},{P6}", f"{S4},{S6}")
        assert "node-cidr-mask-size-ipv4" not in flags


def test_cloud_controller_manager_makes_no_routes_under_an_overlay() -> None:
    shoot = golden.shoot_in("P0")
    shoot["spec"]["networking"]["providerConfig"]["overlay"]["enabled"] = True
    objects = rendered(control_plane.objects(ShootView.of(shoot), _STATUS, "proj-1"))

    assert flags_of(_named(objects, "Deployment", "cloud-controller-manager"))["configure-cloud-routes"] == "false"


@pytest.mark.parametrize("phase", PHASES)
def test_ingress_gce(phase: str) -> None:
    deployment = ingress_gce.deployment(golden.view_in(phase), "generic-token-kubeconfig-1")

    if phase == "P0":
        assert deployment is None
    else:
        assert deployment is not None
        assert deployment["spec"]["replicas"] == 1
        assert flags_of(deployment)["enable-l4netlb-dual-stack"] == "true"


def test_ingress_gce_stays_without_replica_on_the_way_back() -> None:
    shoot = golden.shoot_in("P5")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]

    deployment = ingress_gce.deployment(ShootView.of(shoot), "generic-token-kubeconfig-1")

    assert deployment is not None
    assert deployment["spec"]["replicas"] == 0


def test_p19_ingress_gce_has_what_it_needs_to_run() -> None:
    """Every file of its flags and variables is on a volume, and every volume leads to an object of the namespace."""
    deployment = ingress_gce.deployment(golden.view_in("P1"), "generic-token-kubeconfig-1")
    assert deployment is not None
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert set(mounts.values()) == set(volumes)
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    files = [
        flags_of(deployment)["config-file-path"],
        flags_of(deployment)["kubeconfig"],
        variables["GOOGLE_APPLICATION_CREDENTIALS"],
    ]
    sources = []
    for file in files:
        folder, _, name = file.rpartition("/")
        volume = volumes[mounts[folder]]
        if "configMap" in volume:
            sources.append(volume["configMap"]["name"])
            continue
        secrets = [source["secret"] for source in volume["projected"]["sources"]]
        assert name in {item["path"] for secret in secrets for item in secret["items"]}
        sources += [secret["name"] for secret in secrets]
    assert sources == [
        "cloud-provider-config-ingress-gce",
        "generic-token-kubeconfig-1",
        "shoot-access-cloud-controller-manager",
        "cloudprovider",
    ]
    assert str(container["livenessProbe"]["httpGet"]["port"]) == flags_of(deployment)["healthz-port"]


@pytest.mark.parametrize("phase", PHASES)
def test_p19_ingress_gce_comes_with_its_rights_and_its_configuration(phase: str) -> None:
    view = golden.view_in(phase)
    seed = {(item["kind"], item["metadata"]["name"]) for item in rendered(control_plane.objects(view, _STATUS, "p"))}
    shoot = [(item["kind"], item["subjects"][0]["name"]) for item in rendered(control_plane.shoot_objects(view))]
    enabled = phase != "P0"
    assert (("Deployment", "ingress-gce") in seed) is enabled
    assert (("ServiceAccount", "glbc") in seed) is enabled
    assert (("ConfigMap", "cloud-provider-config-ingress-gce") in seed) is enabled
    assert shoot == ([("ClusterRoleBinding", "cloud-controller-manager")] if enabled else [])


def test_the_configuration_of_the_cloud_provider() -> None:
    """6.3: the internal subnet only if there is one; ingress-gce gets that of the nodes."""
    objects = rendered(control_plane.objects(golden.view_in("P1"), _STATUS, "proj-1"))

    own = _named(objects, "ConfigMap", "cloud-provider-config")["data"]["cloudprovider.conf"]
    ingress = _named(objects, "ConfigMap", "cloud-provider-config-ingress-gce")["data"]["cloudprovider.conf"]

    assert own == (
        '[Global]\nproject-id="proj-1"\nnetwork-name="my-vpc"\nmultizone=true\nlocal-zone="europe-west1-b"\n'
        'token-url=nil\nnode-tags="shoot--foo--bar"\n'
    )
    assert 'subnetwork-name="NS-nodes"\n' in ingress


@pytest.mark.parametrize("phase", PHASES)
def test_calico(phase: str) -> None:
    view = golden.view_in(phase)
    objects = rendered(network.objects(view, networks(view)))
    data = _named(objects, "ConfigMap", "calico-config")["data"]
    (ipam,) = [
        plugin["ipam"] for plugin in msgspec.json.decode(data["cni_network_config"])["plugins"] if "ipam" in plugin
    ]
    environment = _environment(objects)
    pools = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "IPPool"}

    assert (data["calico_backend"], ipam["type"], ipam["assign_ipv4"]) == ("none", "host-local", "true")
    assert environment["IP_AUTODETECTION_METHOD"] == f"cidr={N4}"
    assert pools["default-ipv4-ippool"] == {
        "cidr": P4,
        "blockSize": 26,
        "natOutgoing": True,
        "ipipMode": "Never",
        "vxlanMode": "Never",
        "nodeSelector": "all()",
    }
    assert (pools["no-snat-for-node-cidr"]["cidr"], pools["no-snat-for-node-cidr"]["disabled"]) == (N4, True)
    if phase in _GATED:
        assert (ipam["assign_ipv6"], ipam["subnet"]) == ("false", "usePodCidr")
        assert "ranges" not in ipam
        assert (environment["FELIX_IPV6SUPPORT"], "IP6" in environment) == ("false", False)
        assert "default-ipv6-ippool" not in pools
    else:
        assert (ipam["assign_ipv6"], "subnet" in ipam) == ("true", False)
        assert ipam["ranges"] == [[{"subnet": "usePodCidrIPv6"}], [{"subnet": "usePodCidr"}]]
        assert environment["IP6"] == "autodetect"
        assert environment["IP6_AUTODETECTION_METHOD"] == f"cidr={N6}"
        assert environment["CALICO_IPV6POOL_NAT_OUTGOING"] == "false"
        assert environment["CALICO_ROUTER_ID"] == "hash"
        assert pools["default-ipv6-ippool"]["cidr"] == P6
        assert (pools["default-ipv6-ippool"]["blockSize"], pools["default-ipv6-ippool"]["natOutgoing"]) == (122, False)


def test_calico_with_pod_routes_uses_bird() -> None:
    shoot = golden.shoot_in("P0")
    shoot["spec"]["networking"]["providerConfig"]["overlay"]["createPodRoutes"] = True

    view = ShootView.of(shoot)
    objects = rendered(network.objects(view, networks(view)))
    assert _named(objects, "ConfigMap", "calico-config")["data"]["calico_backend"] == "bird"
    assert _environment(objects)["CALICO_NETWORKING_BACKEND"] == "bird"


@pytest.mark.parametrize("phase", PHASES)
def test_cilium(phase: str) -> None:
    view = golden.view_in(phase, cni="cilium")

    data = _named(rendered(network.objects(view, networks(view))), "ConfigMap", "cilium-config")["data"]

    assert (data["routing-mode"], data["ipv4-native-routing-cidr"], data["ipam"]) == ("native", P4, "kubernetes")
    assert (data["enable-ipv4-masquerade"], data["enable-ipv6-masquerade"]) == ("true", "false")
    dual = "false" if phase in _GATED else "true"
    assert (data["enable-ipv4"], data["enable-ipv6"], data["k8s-require-ipv6-pod-cidr"]) == ("true", dual, dual)
    assert data.get("ipv6-native-routing-cidr") == (None if phase in _GATED else P6)


@pytest.mark.parametrize("cni", network_types().values(), ids=network_types())
def test_the_cni_rolls_once_when_it_becomes_dual(cni: Cni) -> None:
    """The DaemonSet restarts in P2 and at no other time; the ConfigMap then shows both families."""
    views = [golden.view_in(phase, cni=cni.network_type) for phase in PHASES]
    components = [rendered(network.objects(view, networks(view))) for view in views]
    templates = [_named(objects, "DaemonSet", cni.daemon_set)["spec"]["template"] for objects in components]
    dual = [cni.is_dual_stack(_named(objects, "ConfigMap", cni.config_map)["data"]) for objects in components]

    assert dual == [phase not in _GATED for phase in PHASES]

    assert [left == right for left, right in pairwise(templates)] == [
        True,
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("phase", PHASES)
def test_kube_dns(phase: str) -> None:
    view = golden.view_in(phase)

    spec = _named(rendered(coredns.objects(view, networks(view))), "Service", "kube-dns")["spec"]

    dual = phase in ("P4", "P5")
    assert spec["ipFamilyPolicy"] == ("PreferDualStack" if dual else "SingleStack")
    assert spec["clusterIP"] == DNS4
    assert spec["clusterIPs"] == ([DNS4, DNS6] if dual else [DNS4])
    assert "ipFamilies" not in spec, "the API server derives them"


def test_coredns_restarts_by_an_annotation_on_its_pods() -> None:
    view = golden.view_in("P3")
    stamp = "2026-01-01T00:00:00Z"

    plain, restarted = (
        _named(rendered(coredns.objects(view, networks(view), restarted_at=at)), "Deployment", "coredns")["spec"]
        for at in (None, stamp)
    )

    assert "annotations" not in plain["template"]["metadata"]
    assert restarted["template"]["metadata"]["annotations"] == {"gardener.cloud/restarted-at": stamp}
    assert restarted["selector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert restarted["replicas"] == 2


def test_coredns_tolerates_the_taints_of_the_pools() -> None:
    shoot = golden.shoot_in("P0")
    shoot["spec"]["provider"]["workers"][0]["taints"] = [
        {"key": "dedicated", "value": "jobs", "effect": "NoSchedule"},
        {"key": "gpu", "effect": "NoExecute"},
    ]
    view = ShootView.of(shoot)

    spec = _named(rendered(coredns.objects(view, networks(view))), "Deployment", "coredns")["spec"]["template"]["spec"]

    assert spec["tolerations"] == [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": "dedicated", "operator": "Equal", "value": "jobs", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute"},
    ]


@pytest.mark.parametrize("phase", PHASES)
def test_kubelets(phase: str) -> None:
    view = golden.view_in(phase)
    dns = kubelet_dns(view, networks(view))

    config = kubelet.operating_system_config(view, view.pools[0], dns).new

    assert config["metadata"]["name"] == "gardener-node-agent-w1"
    assert cluster_dns_of(config) == ((DNS4, DNS6) if phase in ("P4", "P5") else (DNS4,))


@pytest.mark.parametrize("phase", PHASES)
def test_the_network_object_has_every_family_at_once_and_ipv4_ranges_only(phase: str) -> None:
    spec = extensions.network(golden.view_in(phase))["spec"]

    assert spec["ipFamilies"] == (["IPv4"] if phase == "P0" else ["IPv4", "IPv6"])
    assert (spec["type"], spec["podCIDR"], spec["serviceCIDR"]) == ("calico", P4, S4)


def test_nothing_in_the_infrastructure_object_depends_on_the_families() -> None:
    assert len({msgspec.json.encode(extensions.infrastructure(golden.view_in(phase))) for phase in PHASES}) == 1
