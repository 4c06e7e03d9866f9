"""Cluster IPs, as the running kube-apiserver allocates them."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.clock import ScaledClock
from dualstack.model.kinds import DEPLOYMENT, NAMESPACE, POD, SERVICE, Manifest
from dualstack_sim.actors.service_addresses import ServiceAddresses
from dualstack_sim.chance import Chance
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from tests.sim.actors.fixtures import NS

S4, S6 = "100.64.0.0/13", "2600:1900:4010:5678::/108"


def apiserver_spec(ranges: str) -> Manifest:
    command = ["/usr/local/bin/kube-apiserver", f"--service-cluster-ip-range={ranges}"]
    return {"containers": [{"name": "kube-apiserver", "image": "x", "command": command}]}


def pod(name: str, ranges: str) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": NS, "labels": {"role": "apiserver"}},
        "spec": {**apiserver_spec(ranges), "nodeName": "seed-worker-0"},
    }


class Cluster:
    def __init__(self, ranges: str = S4) -> None:
        self.store = KubeStore(ScaledClock(), Chance(1))
        self.store.create(NAMESPACE, {"metadata": {"name": NS}})
        labels = {"role": "apiserver"}
        template = {"metadata": {"labels": labels}, "spec": apiserver_spec(ranges)}
        self.store.create(
            DEPLOYMENT,
            {
                "metadata": {"name": "kube-apiserver", "namespace": NS},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
        )
        self.store.admission.register("", "services", ServiceAddresses(self.store, NS))

    def run_apiserver(self, name: str, ranges: str) -> None:
        self.store.create(POD, pod(name, ranges))
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.store.patch(POD, name, {"status": status}, NS, subresource="status")

    def end_apiserver(self, name: str) -> None:
        self.store.delete(POD, name, NS, grace=0)

    def create(self, name: str = "web", **spec: Any) -> Manifest:
        body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}
        found: Manifest = self.store.create(SERVICE, body)["spec"]
        return found

    def patch(self, name: str = "web", **spec: Any) -> Manifest:
        found: Manifest = self.store.patch(SERVICE, name, {"spec": spec}, "default")["spec"]
        return found


def shape(spec: Manifest) -> tuple[str, list[str], int]:
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    return spec["ipFamilyPolicy"], spec["ipFamilies"], len(spec["clusterIPs"])


def test_a_single_stack_cluster_allocates_one_address_in_its_range() -> None:
    cluster = Cluster()
    first, second = cluster.create("a"), cluster.create("b")
    assert shape(first) == ("SingleStack", ["IPv4"], 1)
    assert first["clusterIP"] == "100.64.1.1"
    assert second["clusterIP"] == "100.64.1.2"
    assert shape(cluster.create("c", ipFamilyPolicy="PreferDualStack")) == ("PreferDualStack", ["IPv4"], 1)


def test_a_single_stack_cluster_refuses_dual_stack_services() -> None:
    cluster = Cluster()
    with pytest.raises(StatusError) as caught:
        cluster.create(ipFamilyPolicy="RequireDualStack")
    assert caught.value.code == 422
    assert caught.value.message == (
        'Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
        "this cluster is not configured for dual-stack services"
    )
    with pytest.raises(StatusError, match=r'spec.ipFamilies.0.: Invalid value: "IPv6": not configured on this cluster'):
        cluster.create(ipFamilies=["IPv6"])
    both = ["100.64.0.10", "2600:1900:4010:5678::a"]
    with pytest.raises(StatusError, match="IPv6 is not configured on this cluster"):
        cluster.create(clusterIP=both[0], clusterIPs=both, ipFamilyPolicy="PreferDualStack")


def test_a_requested_address_is_allocated_or_refused() -> None:
    cluster = Cluster()
    assert cluster.create("kube-dns", clusterIP="100.64.0.10")["clusterIPs"] == ["100.64.0.10"]
    with pytest.raises(StatusError) as caught:
        cluster.create("other", clusterIP="100.64.0.10")
    assert caught.value.message == (
        'Service "other" is invalid: spec.clusterIPs: Invalid value: ["100.64.0.10"]: '
        "failed to allocate IP 100.64.0.10: provided IP is already allocated"
    )
    with pytest.raises(StatusError) as caught:
        cluster.create("other", clusterIP="10.0.0.1")
    assert caught.value.message == (
        'Service "other" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.1"]: failed to allocate IP '
        "10.0.0.1: the provided network does not match the current range"
    )
    with pytest.raises(StatusError, match="must be a valid IP address"):
        cluster.create("other", clusterIP="nonsense")


def test_headless_and_external_name_services_have_no_address() -> None:
    cluster = Cluster()
    headless = cluster.create("a", clusterIP="None")
    assert (headless["clusterIP"], headless["clusterIPs"]) == ("None", ["None"])
    external = cluster.create("b", type="ExternalName", externalName="example.org")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & external.keys()


def test_old_ranges_apply_until_the_last_old_pod_is_gone() -> None:
    cluster = Cluster()
    cluster.run_apiserver("old-1", S4)
    cluster.run_apiserver("old-2", S4)
    assert shape(cluster.create("a", ipFamilyPolicy="PreferDualStack"))[2] == 1
    cluster.run_apiserver("new-1", f"{S4},{S6}")
    cluster.end_apiserver("old-1")
    assert shape(cluster.create("b", ipFamilyPolicy="PreferDualStack"))[2] == 1
    with pytest.raises(StatusError):
        cluster.create("c", ipFamilyPolicy="RequireDualStack")
    cluster.end_apiserver("old-2")
    assert shape(cluster.create("c", ipFamilyPolicy="RequireDualStack")) == ("RequireDualStack", ["IPv4", "IPv6"], 2)
    cluster.end_apiserver("new-1")
    assert shape(cluster.create("d", ipFamilyPolicy="PreferDualStack"))[2] == 2


def test_a_dual_stack_cluster_allocates_two_addresses_on_request() -> None:
    cluster = Cluster(f"{S4},{S6}")
    assert shape(cluster.create("a")) == ("SingleStack", ["IPv4"], 1)
    both = cluster.create("b", ipFamilyPolicy="PreferDualStack")
    assert shape(both) == ("PreferDualStack", ["IPv4", "IPv6"], 2)
    assert both["clusterIPs"] == ["100.64.1.2", "2600:1900:4010:5678::101"]
    assert shape(cluster.create("c", ipFamilies=["IPv6"])) == ("SingleStack", ["IPv6"], 1)
    turned = cluster.create("d", ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6"])
    assert shape(turned) == ("PreferDualStack", ["IPv6", "IPv4"], 2)
    for policy in ({}, {"ipFamilyPolicy": "SingleStack"}):
        with pytest.raises(StatusError, match="when multiple IP families are specified"):
            cluster.create("e", ipFamilies=["IPv4", "IPv6"], **policy)


def test_a_service_becomes_dual_stack_and_single_stack_again() -> None:
    cluster = Cluster(f"{S4},{S6}")
    first = cluster.create("kube-dns", clusterIP="100.64.0.10")
    assert shape(first)[2] == 1
    wanted = ["100.64.0.10", "2600:1900:4010:5678::a"]
    grown = cluster.patch("kube-dns", ipFamilyPolicy="PreferDualStack", clusterIPs=wanted)
    assert shape(grown) == ("PreferDualStack", ["IPv4", "IPv6"], 2)
    assert grown["clusterIPs"] == wanted
    shrunk = cluster.patch("kube-dns", ipFamilyPolicy="SingleStack")
    assert shape(shrunk) == ("SingleStack", ["IPv4"], 1)
    again = cluster.patch("kube-dns", ipFamilyPolicy="PreferDualStack")
    assert again["clusterIPs"] == ["100.64.0.10", "2600:1900:4010:5678::101"]


def test_an_update_without_changes_keeps_the_addresses() -> None:
    cluster = Cluster()
    cluster.create("a", ipFamilyPolicy="PreferDualStack")
    cluster.run_apiserver("new", f"{S4},{S6}")
    assert shape(cluster.patch("a", sessionAffinity="ClientIP"))[2] == 1
    body = cluster.store.get(SERVICE, "a", "default")
    assert body is not None
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        del body["spec"][name]
    assert cluster.store.replace(SERVICE, body)["spec"]["clusterIP"] == "100.64.1.1"


def test_the_primary_address_and_family_are_immutable() -> None:
    cluster = Cluster(f"{S4},{S6}")
    cluster.create("a")
    with pytest.raises(StatusError, match="may not change once set"):
        cluster.patch("a", clusterIP="100.64.9.9", clusterIPs=["100.64.9.9"])
    with pytest.raises(StatusError, match=r"expected an IPv6 value as indicated by `ipFamilies.0.`"):
        cluster.patch("a", ipFamilies=["IPv6"])


def test_a_full_range_is_reported() -> None:
    cluster = Cluster("10.0.0.0/30")
    cluster.create("a")
    cluster.create("b")
    with pytest.raises(StatusError, match="range is full"):
        cluster.create("c")


def test_without_a_kube_apiserver_services_are_not_changed() -> None:
    store = KubeStore(ScaledClock(), Chance(1))
    store.admission.register("", "services", ServiceAddresses(store, NS))
    body = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    assert "clusterIP" not in store.create(SERVICE, body)["spec"]


WEB = {"selector": {"app": "web"}}


@pytest.mark.parametrize("ranges", [S4, f"{S4},{S6}"], ids=["single-stack", "dual-stack"])
@pytest.mark.parametrize(
    ("spec", "policy", "families"),
    [
        ({}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"selector": {}}, "RequireDualStack", ["IPv4", "IPv6"]),
        ({"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", ["IPv4", "IPv6"]),
        ({"ipFamilies": ["IPv6"]}, "RequireDualStack", ["IPv6", "IPv4"]),
        ({"ipFamilyPolicy": "SingleStack"}, "SingleStack", ["IPv4"]),
        ({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}, "SingleStack", ["IPv6"]),
    ],
)
def test_s6_a_headless_service_without_selector_may_have_any_families(
    ranges: str, spec: Manifest, policy: str, families: list[str]
) -> None:
    found = Cluster(ranges).create("manual", clusterIP="None", **spec)
    assert shape(found) == (policy, families, 1)
    assert found["clusterIPs"] == ["None"]


def test_s6_a_headless_service_with_a_selector_follows_the_cluster() -> None:
    single, dual = Cluster(), Cluster(f"{S4},{S6}")
    assert shape(single.create("a", clusterIP="None", **WEB)) == ("SingleStack", ["IPv4"], 1)
    prefer = {"clusterIP": "None", "ipFamilyPolicy": "PreferDualStack", **WEB}
    assert shape(single.create("b", **prefer)) == ("PreferDualStack", ["IPv4"], 1)
    assert shape(dual.create("b", **prefer)) == ("PreferDualStack", ["IPv4", "IPv6"], 1)
    with pytest.raises(StatusError, match="not configured for dual-stack"):
        single.create("c", clusterIP="None", ipFamilyPolicy="RequireDualStack", **WEB)


def test_s6_an_old_headless_service_gets_both_families_with_the_change_of_its_policy_only() -> None:
    cluster = Cluster()
    cluster.create("a", clusterIP="None", ipFamilyPolicy="PreferDualStack", **WEB)
    cluster.run_apiserver("new", f"{S4},{S6}")
    assert shape(cluster.patch("a", sessionAffinity="ClientIP"))[1] == ["IPv4"]
    assert shape(cluster.patch("a", ipFamilyPolicy="RequireDualStack"))[1] == ["IPv4", "IPv6"]


def test_s6_the_second_address_is_released_by_single_stack_only() -> None:
    cluster = Cluster(f"{S4},{S6}")
    first = cluster.create("a", ipFamilyPolicy="PreferDualStack")
    with pytest.raises(StatusError, match="must be 'SingleStack' to release the secondary cluster IP"):
        cluster.patch("a", clusterIPs=first["clusterIPs"][:1])
    with pytest.raises(StatusError, match="must be 'SingleStack' to release the secondary IP family"):
        cluster.patch("a", ipFamilies=["IPv4"])
    reduced = cluster.patch("a", ipFamilyPolicy="SingleStack", clusterIPs=first["clusterIPs"][:1], ipFamilies=["IPv4"])
    assert shape(reduced) == ("SingleStack", ["IPv4"], 1)
    with pytest.raises(StatusError, match="when multiple cluster IPs are specified"):
        cluster.patch("a", clusterIPs=first["clusterIPs"])


def test_s6_an_external_name_has_no_families_and_loses_those_that_it_had() -> None:
    cluster = Cluster(f"{S4},{S6}")
    with pytest.raises(StatusError, match=r"spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"):
        cluster.create("a", type="ExternalName", externalName="example.org", ipFamilyPolicy="PreferDualStack")
    cluster.create("a", ipFamilyPolicy="PreferDualStack")
    external = cluster.patch("a", type="ExternalName", externalName="example.org")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & external.keys()
    assert shape(cluster.patch("a", type="ClusterIP")) == ("SingleStack", ["IPv4"], 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ipFamilyPolicy": "Dual"}, 'Unsupported value: "Dual"'),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv4"]}, "Duplicate value"),
        ({"ipFamilies": ["ipv6"]}, 'spec.ipFamilies.0.: Unsupported value: "ipv6"'),
        ({"clusterIPs": ["100.64.0.9"]}, "must be empty when `clusterIP` is not specified"),
        ({"clusterIP": "100.64.0.9", "clusterIPs": ["100.64.0.8"]}, "first value must match `clusterIP`"),
        (
            {"clusterIP": "100.64.0.9", "ipFamilies": ["IPv6"]},
            "spec.clusterIPs.0.: .*expected an IPv6 value as indicated by `ipFamilies.0.`",
        ),
        (
            {
                "clusterIP": "100.64.0.9",
                "clusterIPs": ["100.64.0.9", "100.64.0.8"],
                "ipFamilyPolicy": "PreferDualStack",
            },
            "may specify no more than one IP for each IP family",
        ),
        ({"clusterIP": "None", "type": "LoadBalancer"}, "may not be set to 'None' for LoadBalancer services"),
        ({"clusterIP": "None", "clusterIPs": ["None", "100.64.0.9"]}, "'None' must be the first and only value"),
    ],
)
def test_s6_what_kube_apiserver_refuses(spec: Manifest, message: str) -> None:
    with pytest.raises(StatusError, match=message):
        Cluster(f"{S4},{S6}").create("a", **spec)
