"""What a cluster is, from the objects that its API shows."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.live.identify import ClusterObjects, Stated, ipv4_ranges, platform_of, project_of
from dualstack.model.errors import InvalidInput


def node(name: str = "n1", provider: str = "gce://proj-1/europe-west1-b/n1", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"providerID": provider}}


def objects(*nodes: dict[str, Any], **config_maps: dict[str, str]) -> ClusterObjects:
    found = {name.replace("_", "-"): {"data": data} for name, data in config_maps.items()}
    return ClusterObjects(nodes or (node(),), found)


@pytest.mark.parametrize(
    ("found", "platform"),
    [
        (objects(shoot_info={"shootName": "bar"}), "gardener"),
        (objects(kubeadm_config={}), "kubeadm"),
        (objects(node(**{"kops.k8s.io/instancegroup": "nodes"})), "kops"),
        (objects(), "other"),
    ],
)
def test_the_platform_follows_from_its_objects(found: ClusterObjects, platform: str) -> None:
    assert platform_of(found)[0] == platform


@pytest.mark.parametrize("text", ["networking: 7", "networking: []", "networking: {podSubnet: 7}", "networking: x"])
def test_a_cluster_configuration_of_the_wrong_shape_is_refused_with_what_to_state(text: str) -> None:
    with pytest.raises(InvalidInput, match="IPv4 range of its pods; state it with --pod-cidr"):
        ipv4_ranges("kubeadm", objects(kubeadm_config={"ClusterConfiguration": text}), Stated())


@pytest.mark.parametrize(("pods", "refused"), [("10.0.0.0/8", True), ("100.96.0.0/11", False)])
def test_a_range_that_does_not_have_the_pods_of_every_node_is_refused(pods: str, refused: bool) -> None:
    found = objects({**node(), "spec": {"podCIDR": "100.96.1.0/24"}}, kubeadm_config={})
    stated = Stated(pods=pods, services="10.96.0.0/12")
    if refused:
        with pytest.raises(InvalidInput, match=r"--pod-cidr 10.0.0.0/8: Node n1 has pod CIDR 100.96.1.0/24 outside"):
            ipv4_ranges("kubeadm", found, stated)
    else:
        assert ipv4_ranges("kubeadm", found, stated)["pods"] == pods


def test_gke_is_refused_with_its_own_command() -> None:
    with pytest.raises(InvalidInput, match="gcloud container clusters update"):
        platform_of(objects(node(**{"cloud.google.com/gke-nodepool": "default"})))


@pytest.mark.parametrize(
    ("nodes", "stated", "message"),
    [
        ([node(provider="aws:///eu-west-1a/i-0")], Stated(), "not on Google Compute Engine"),
        ([node(provider="")], Stated(), "cloud-controller-manager sets it within minutes"),
        ([node(), node("n2", "gce://other/europe-west1-b/n2")], Stated(), "several projects, other, proj-1"),
        ([node()], Stated(project="else"), "--project else: the Nodes of the cluster are in project proj-1"),
    ],
)
def test_nodes_that_do_not_fit_are_refused(nodes: list[dict[str, Any]], stated: Stated, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        project_of(objects(*nodes), stated)


def test_a_cluster_without_nodes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no Node that can be listed"):
        project_of(ClusterObjects((), {}), Stated())
