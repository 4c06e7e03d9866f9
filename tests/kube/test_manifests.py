"""What deploy/ holds is accepted by a real API server, with strict validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube.cluster import Cluster

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACED = {
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "NetworkPolicy": "apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Role": "apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Service": "api/v1/namespaces/{}/services",
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}


def documents() -> list[tuple[str, dict[str, Any]]]:
    files = [*sorted((DEPLOY / "manifests").glob("*.yaml")), *sorted((DEPLOY / "crds").glob("*.yaml"))]
    return [(file.name, each) for file in files for each in yaml.safe_load_all(file.read_text()) if each]


def test_x6_every_manifest_is_accepted_with_strict_validation(cluster: Cluster) -> None:
    refused = []
    found = documents()
    assert {each["kind"] for _, each in found} >= {"Deployment", "ClusterRole", "CustomResourceDefinition"}
    for namespace in {each["metadata"].get("namespace") for _, each in found} - {None}:
        cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    for file, each in found:
        path = NAMESPACED[each["kind"]].format(each["metadata"].get("namespace"))
        status, answer = cluster.request("POST", f"/{path}?dryRun=All&fieldValidation=Strict", each)
        if status != 201:
            refused.append(f"{file}: {each['kind']} {each['metadata']['name']}: {answer}")
    assert not refused, refused
