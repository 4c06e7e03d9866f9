"""A seeded world, anonymised: no name, address or number of its owner is left anywhere, and what checks read stays."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.preflight.management import LABELS
from dualstack.snapshot.anonymise import anonymised
from dualstack.snapshot.document import Refusal, Snapshot

KEY = b"1" * 32
DEFAULT_ACCOUNT = "765432109876-compute@developer.gserviceaccount.com"


def owners(suffix: str) -> list[str]:
    """Ten names of which none contains another."""
    return [f"zq{letter * 3}{suffix}" for letter in "abcdefghij"]


def world(n: list[str]) -> Snapshot:
    """A cluster in which everything that a person names contains one of the names `n`."""
    project, vpc, pool, namespace, service, tag, peer, image, host, account = n
    link = f"https://www.googleapis.com/compute/v1/projects/{project}"
    node = f"shoot--{peer}--{vpc}-{pool}-z1-abcde"
    firewall: dict[str, Any] = {
        "name": f"allow-{tag}",
        "description": f"asked for by {account} of {image}; made with Terraform",
        "network": f"{link}/global/networks/{vpc}",
        "sourceTags": [tag],
        "targetTags": [f"{tag}-node"],
        "targetServiceAccounts": [f"{account}@{project}.iam.gserviceaccount.com", DEFAULT_ACCOUNT],
        "sourceRanges": ["10.200.0.0/16"],
    }  # fmt: skip
    network = {
        "name": vpc,
        "selfLink": f"{link}/global/networks/{vpc}",
        "peerings": [{"name": f"to-{peer}", "network": f"{link}-host/global/networks/{peer}-net"}],
    }  # fmt: skip
    foreign = {"name": f"{peer}-vpn", "description": f"to {host}", "destRange": "10.201.0.0/24"}
    instance = {
        "name": node,
        "description": "",
        "tags": {"items": [tag]},
        "labels": {account: image, "goog-terraform-provisioned": "true"},
        "networkInterfaces": [{"network": f"https://x/compute/v1/projects/987654321098/global/networks/{vpc}"}],
    }
    container = {
        "name": image,
        "image": f"europe-docker.pkg.dev/{project}/{namespace}/{image}:v1.2.3",
        "command": [f"/opt/{image}", f"--database={host}.{account}.com", "--verbose=true", f"--{tag}-mode=x"],
        "args": [f"serve-{service}"],
    }
    pod = {
        "metadata": {
            "name": f"{service}-7f9c-x1",
            "namespace": namespace,
            "labels": {"app": service, "app.kubernetes.io/name": service},
            "annotations": {f"{account}.com/owner": account, "cluster-autoscaler.kubernetes.io/note": f"ask {account}"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{service}-7f9c"}],
        },
        "spec": {"nodeName": node, "nodeSelector": {tag: pool}, "containers": [container]},
    }
    kubernetes: dict[str, list[dict[str, Any]]] = {
        "v1/ConfigMap": [
            {"metadata": {"name": "shoot-info", "namespace": "kube-system"},
             "data": {"projectName": peer, "shootName": vpc, "domain": f"{vpc}.{host}.org",
                      "podNetwork": "10.202.0.0/16"}},
            {"metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
             "data": {"ClusterConfiguration": f"controlPlaneEndpoint: api.{host}.com:6443"}},
        ],
        "v1/Namespace": [{"metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}}],
        "v1/Node": [
            {"metadata": {"name": node, "labels": {"worker.gardener.cloud/pool": pool, "kubernetes.io/hostname": node,
                                                   "topology.kubernetes.io/zone": "europe-west1-b"}},
             "spec": {"providerID": f"gce://{project}/europe-west1-b/{node}", "podCIDR": "10.202.1.0/24"},
             "status": {"nodeInfo": {"machineID": account, "kubeletVersion": "v1.31.2"}}},
        ],
        "v1/Pod": [pod],
        "v1/Service": [
            {"metadata": {"name": service, "namespace": namespace},
             "spec": {"selector": {"app": service}, "externalName": f"db.{host}.net"}},
        ],
        "apps/v1/DaemonSet": [
            {"metadata": {"name": f"{image}-agent", "namespace": "kube-system"},
             "spec": {"selector": {"matchLabels": {"k8s-app": image}},
                      "template": {"spec": {"containers": [container]}}}},
        ],
        "policy/v1/PodDisruptionBudget": [{"metadata": {"name": f"{service}-pdb", "namespace": namespace}}],
        "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": [
            {"metadata": {"name": f"{host}-policy"},
             "webhooks": [{"name": f"check.{host}.io",
                           "clientConfig": {"url": f"https://hooks.{host}.io:8443/{account}"}}]},
        ],
    }  # fmt: skip
    return Snapshot(
        project=project,
        compute={
            "": {"name": project, "defaultServiceAccount": "765432109876-compute@developer.gserviceaccount.com"},
            f"global/firewalls/allow-{tag}": firewall,
            f"global/networks/{vpc}": network,
            f"global/routes/{peer}-vpn": foreign,
            f"zones/europe-west1-b/instances/{node}": instance,
        },
        answers={
            f"GET zones/europe-west1-b/instances/{node}/getEffectiveFirewalls": {
                "firewalls": [firewall],
                "firewallPolicys": [
                    {
                        "name": f"{host}-policy",
                        "shortName": f"{image}-base",
                        "type": "HIERARCHY",
                        "rules": [
                            {
                                "ruleName": f"deny-{account}",
                                "description": f"wanted by {tag}",
                                "action": "deny",
                                "match": {"srcIpRanges": ["10.200.0.0/16"], "srcFqdns": [f"{host}.{account}.com"]},
                                "targetServiceAccounts": [f"{account}@{project}.iam.gserviceaccount.com"],
                            }
                        ],
                    }
                ],
            }
        },
        kubernetes=kubernetes,
        refusals={f"GET global/networks/{vpc}": Refusal(403, "forbidden", f"denied for {account}@{host}.com")},
    )


@settings(max_examples=25)
@given(st.text("abcdefghij-0123456789", min_size=0, max_size=6), st.sampled_from("kvxz"))
def test_no_name_of_the_owner_is_left_anywhere(middle: str, last: str) -> None:
    n = owners(f"{middle}{last}")
    text = anonymised(world(n), KEY).as_json()
    left = [name for name in n if name in text]
    assert left == [], [text[max(0, text.index(name) - 60) : text.index(name) + 40] for name in left]
    assert "765432109876" not in text
    assert "987654321098" not in text
    for address in ("10.200.0.0", "10.201.0.0", "10.202.0.0", "10.202.1.0"):
        assert address not in text


def test_what_checks_read_stays() -> None:
    n = owners("k")
    found = anonymised(world(n), KEY)
    (firewall,) = [each for path, each in found.compute.items() if "firewalls" in path]
    assert firewall["description"].startswith("terraform ")
    assert len(firewall["targetServiceAccounts"]) == 2
    assert all(re.fullmatch(r"account-\w+@gserviceaccount\.com", each) for each in firewall["targetServiceAccounts"])
    (instance,) = [each for path, each in found.compute.items() if "instances" in path]
    assert instance["labels"]["goog-terraform-provisioned"] == "true"
    assert firewall["sourceTags"] == instance["tags"]["items"]
    (node,) = found.kubernetes["v1/Node"]
    pool, name = node["metadata"]["labels"]["worker.gardener.cloud/pool"], node["metadata"]["name"]
    shoot = found.kubernetes["v1/ConfigMap"][0]["data"]
    assert name == instance["name"]
    assert name.startswith(f"shoot--{shoot['projectName']}--{shoot['shootName']}-{pool}-z1-")
    assert node["spec"]["providerID"] == f"gce://{found.project}/europe-west1-b/{name}"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.31.2"
    (pod,) = found.kubernetes["v1/Pod"]
    assert pod["spec"]["containers"][0]["image"].endswith(":v1.2.3")
    (webhook,) = found.kubernetes["admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"][0]["webhooks"]
    assert re.fullmatch(r"https://host-\w+\.example:8443/.*", webhook["clientConfig"]["url"])


def test_the_labels_of_managers_are_kept() -> None:
    resource = {"name": "s", "labels": dict.fromkeys(LABELS, "true")}
    found = anonymised(Snapshot(project="p-1", compute={"regions/r/subnetworks/s": resource}), KEY)
    (changed,) = found.compute.values()
    assert changed["labels"] == resource["labels"]


def test_permissions_are_no_hosts_and_short_names_of_pools_stay_those_of_their_vms() -> None:
    answer = {"permissions": ["compute.routes.create"]}
    node = {"metadata": {"name": "shoot--zq--zz-w1-z1-a", "labels": {"worker.gardener.cloud/pool": "w1"}}}
    found = anonymised(Snapshot(project="p-1", answers={"POST x": answer}, kubernetes={"v1/Node": [node]}), KEY)
    assert list(found.answers.values()) == [answer]
    assert found.kubernetes["v1/Node"][0]["metadata"]["labels"] == {"worker.gardener.cloud/pool": "w1"}
