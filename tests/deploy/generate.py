"""Writes the files of `deploy` that follow from the code; a test compares them.

python -m tests.deploy.generate              # needs no other program
python -m tests.deploy.generate --manifests  # also `helm template`; `make deploy` does both
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dualstack.gce.methods import CUT_OVER, METHODS, permissions
from dualstack.operator.rights import GARDEN, HOME, LANDSCAPES, RIGHTS, SEED, SHOOT, rules
from dualstack.trial.estimate import methods_of
from dualstack.trial.experiments.registry import EXPERIMENTS
from tests.deploy.crds import crds
from tests.deploy.dashboard import dashboard

ROOT = Path(__file__).parents[2]
HELM = ROOT / "tests/deploy/go/build/helm"
CHART = "deploy/chart"
ALERTS = "deploy/monitoring/alerts.yaml"
KUBERNETES = "1.37.0"
"""Helm built as a Go module knows no version."""

HEAD = "# Generated: python -m tests.deploy.generate\n"

MANIFESTS: Mapping[str, tuple[str, ...]] = {
    "deploy/manifests/gardener.yaml": (),
    "deploy/manifests/gardener-shoot.yaml": (
        "--set=operator.enabled=false",
        "--set=rbac.apis={shoot}",
        "--set=rbac.subject.kind=ServiceAccount",
        "--set=rbac.subject.name=dualstack",
        "--set=rbac.subject.namespace=kube-system",
    ),
    "deploy/manifests/standalone.yaml": ("--values=deploy/values/standalone.yaml",),
}
"""The committed manifests and the options of `helm template` for each."""


def generated() -> dict[str, str]:
    """Path and content of each file that the code determines."""
    return {**_rights(), **_roles(), **_definitions(), **_monitoring()}


def rendered(path: str) -> str:
    """What one of `MANIFESTS` must be."""
    return f"# Generated: python -m tests.deploy.generate --manifests\n{template(*MANIFESTS[path])}"


def template(*options: str) -> str:
    """What `helm template` makes of the chart with these options. Raises RuntimeError with what it says."""
    command = [
        str(HELM),
        "template",
        "dualstack",
        CHART,
        "--namespace=dualstack",
        f"--kube-version={KUBERNETES}",
        *options,
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return run.stdout


def _rights() -> dict[str, str]:
    """The rules of each API server and landscape, which the chart reads."""
    found = {}
    for landscape in LANDSCAPES:
        for api in (GARDEN, SEED, SHOOT, HOME):
            if any(right.api == api and right.applies(landscape) for right in RIGHTS):
                found[f"{CHART}/rights/{landscape}-{api}.yaml"] = HEAD + _dump(rules(landscape, (api,)))
    return found


def _roles() -> dict[str, str]:
    """Custom roles as `gcloud iam roles create --file` reads them."""
    reading = {name: method for name, method in METHODS.items() if method.read_only}
    roles = {
        "operator": ("Dualstack operator", "All that dualstack operator calls", permissions()),
        "cut-over": (
            "Dualstack prepare and finish",
            "All that dualstack prepare, finish and rollback call",
            permissions(of=[*reading, *CUT_OVER]),
        ),
        "read-only": (
            "Dualstack read-only",
            "All that the commands call which change nothing",
            permissions(read_only=True),
        ),
        "trial": ("Dualstack trial", "All that dualstack trial calls", permissions(of=methods_of(EXPERIMENTS))),
    }
    return {
        f"deploy/gcp/{name}.yaml": HEAD
        + _dump(
            {"title": title, "description": description, "stage": "GA", "includedPermissions": list(needed)},
        )
        for name, (title, description, needed) in roles.items()
    }


def _definitions() -> dict[str, str]:
    """A file for each CustomResourceDefinition."""
    return {f"deploy/crds/{name}.yaml": HEAD + _dump(definition) for name, definition in crds().items()}


def _monitoring() -> dict[str, str]:
    """The dashboard, and the alert rules as an object of the Prometheus operator."""
    alerts = yaml.safe_load((ROOT / ALERTS).read_text(encoding="utf-8"))
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "dualstack-operator", "labels": {"app.kubernetes.io/name": "dualstack-operator"}},
        "spec": alerts,
    }
    return {
        "deploy/monitoring/prometheus-rule.yaml": HEAD + _dump(rule),
        "deploy/monitoring/dashboard.json": json.dumps(dashboard(), indent=2) + "\n",
    }


def _dump(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=200)


if __name__ == "__main__":
    files = generated()
    for path, content in files.items():
        (ROOT / path).write_text(content, encoding="utf-8")
    for path in MANIFESTS if "--manifests" in sys.argv[1:] else ():
        (ROOT / path).write_text(rendered(path), encoding="utf-8")
