"""The files of `deploy` follow from the code, and what they deploy is confined (docs/install.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dualstack.cli.operator import operator
from dualstack.gce.methods import METHODS
from dualstack.operator.rights import rules
from tests.deploy.generate import HELM, MANIFESTS, ROOT, generated, rendered, template
from tests.deploy.manifests import objects, one

LANDSCAPES = {"gardener": ("seed",), "standalone": ("garden", "seed", "shoot")}
"""The landscapes with a manifest, and the API servers whose roles it has."""


@pytest.mark.parametrize("path", generated())
def test_x6_the_generated_files_are_up_to_date(path: str) -> None:
    """When one is not: python -m tests.deploy.generate"""
    assert (ROOT / path).read_text(encoding="utf-8") == generated()[path]


@pytest.mark.clients
@pytest.mark.parametrize("path", MANIFESTS)
def test_x6_the_manifests_are_what_helm_renders(path: str) -> None:
    """When they are not: make deploy"""
    assert HELM.exists(), "make deploy builds helm"
    assert (ROOT / path).read_text(encoding="utf-8") == rendered(path)


IMAGE, OTHER, PRIVATE = "registry.example.com/dualstack:0.1.0", "registry.example.com/other:2", "image.pullSecrets={a}"


@pytest.mark.clients
@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), IMAGE),
        ((f"prober.image={OTHER}",), OTHER),
        ((PRIVATE,), ""),
        ((PRIVATE, f"prober.image={OTHER}"), OTHER),
        (("prober.enabled=false", f"prober.image={OTHER}"), ""),
    ],
)
def test_the_image_is_that_of_the_probe_pods_too_where_nodes_can_pull_it(values: tuple[str, ...], image: str) -> None:
    rendered_objects = list(yaml.safe_load_all(template(*(f"--set={value}" for value in values))))
    (deployment,) = (each for each in rendered_objects if each and each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    given = [each for each in container["args"] if each.startswith("--prober-image")]
    assert given == [f"--prober-image={image}"] * bool(image)


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_x6_the_roles_of_the_manifests_equal_the_table_of_rights(landscape: str) -> None:
    roles = {each["metadata"]["name"]: each for each in objects(landscape) if each["kind"] == "ClusterRole"}
    expected = {f"dualstack-operator-{api}": rules(landscape, (api,)) for api in LANDSCAPES[landscape]}
    assert {name: role["rules"] for name, role in roles.items()} == expected
    (home,) = (each for each in objects(landscape) if each["kind"] == "Role")
    assert (home["metadata"]["namespace"], home["rules"]) == ("dualstack", rules(landscape, ("home",)))
    bound = {each["roleRef"]["name"]: each["subjects"] for each in objects(landscape) if "roleRef" in each}
    subject = {"kind": "ServiceAccount", "name": "dualstack-operator", "namespace": "dualstack"}
    assert bound == {name: [subject] for name in (*roles, "dualstack-operator")}


def test_x6_the_role_in_a_shoot_equals_the_table_of_rights() -> None:
    assert one("gardener-shoot", "ClusterRole")["rules"] == rules("gardener", ("shoot",))
    (subject,) = one("gardener-shoot", "ClusterRoleBinding")["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "dualstack", "namespace": "kube-system"}


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_x6_no_role_allows_what_it_does_not_name(landscape: str) -> None:
    for role in objects(landscape):
        for rule in role.get("rules", ()):
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"], *rule.get("resourceNames", ())}
            assert "*" not in words, rule
            assert not words & {"bind", "escalate", "impersonate", "deletecollection"}, rule
            if rule.get("resourceNames"):
                assert not {"create", "list", "watch"} & set(rule["verbs"]), f"{rule}: a name does not restrict these"


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_x6_the_pod_is_confined(landscape: str) -> None:
    pod = one(landscape, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_x6_the_command_of_the_pod_is_one_that_the_operator_takes(landscape: str) -> None:
    (container,) = one(landscape, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["dualstack", "operator"]
    taken = operator.make_context("operator", list(container["args"])).params
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert taken["landscape"] == landscape
    assert (taken["leader_elect"], taken["lease_namespace"]) == (True, "dualstack")
    assert (taken["health_port"], taken["metrics_port"]) == (ports["health"], ports["metrics"])
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "health"}


def test_x6_the_pod_in_a_seed_has_the_labels_of_the_network_policies_of_gardener() -> None:
    """docs/reference/gardener.md#network-policies"""
    template = one("gardener", "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert {name.rpartition("/")[2] for name, value in template.items() if value == "allowed"} == {
        "to-dns",
        "to-runtime-apiserver",
        "to-public-networks",
        "to-all-shoots-kube-apiserver-tcp-443",
    }
    ports = json.loads(
        one("gardener", "Service")["metadata"]["annotations"][
            "networking.resources.gardener.cloud/from-all-seed-scrape-targets-allowed-ports"
        ]
    )
    assert ports == [{"port": 8080, "protocol": "TCP"}]


def test_x6_the_standalone_pod_is_selected_by_its_network_policy_and_budget() -> None:
    labels = one("standalone", "Deployment")["spec"]["template"]["metadata"]["labels"]
    policy = one("standalone", "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert one("standalone", "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("role", sorted(path.stem for path in (ROOT / "deploy/gcp").glob("*.yaml")))
def test_x6_a_role_of_google_cloud_has_the_fields_that_gcloud_reads(role: str) -> None:
    """docs/permissions.md#custom-roles"""
    document = yaml.safe_load((ROOT / f"deploy/gcp/{role}.yaml").read_text(encoding="utf-8"))
    assert list(document) == ["title", "description", "stage", "includedPermissions"]
    assert len(document["title"]) <= 100
    known = {name for method in METHODS.values() for name in (*method.permissions, *method.inferred)}
    assert set(document["includedPermissions"]) <= known


def test_x6_the_read_only_role_changes_nothing() -> None:
    document = yaml.safe_load(Path(ROOT / "deploy/gcp/read-only.yaml").read_text(encoding="utf-8"))
    verbs = {name.rpartition(".")[2] for name in document["includedPermissions"]}
    assert verbs <= {"get", "list", "listPeeringRoutes", "getEffectiveFirewalls"}
