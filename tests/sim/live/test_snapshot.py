"""A snapshot of a served world: the same facts without the world, from a live cluster and from files; no secrets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.commands import mutations, of_world, read, run
from tests.sim.rehearsal.command import EXAMPLE, dualstack, served

SECRET = "hunter2-never-in-a-document"  # noqa: S105 (it is searched for)


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--speed", "60", "--landscape", "gardener") as facts:
        yield facts


def findings(*arguments: str) -> list[dict[str, Any]]:
    outcome = dualstack("preflight", "-o", "json", *arguments)
    found: list[dict[str, Any]] = json.loads(outcome.out)["findings"]
    return found


def status(*arguments: str) -> dict[str, Any]:
    outcome = dualstack("status", "-o", "json", *arguments)
    assert outcome.status == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    del found["cluster"]["context"]
    return found


@pytest.mark.slow
def test_a_snapshot_shows_what_the_live_cluster_shows(world: dict[str, Any], tmp_path: Path) -> None:
    file, before = tmp_path / "s.json", mutations(world)
    outcome = run(world, "snapshot", "-o", str(file))
    assert (outcome.status, outcome.out) == (0, ""), outcome.err
    assert "refused" not in outcome.err  # kinds that the cluster does not have are no refusals
    assert mutations(world) == before
    live = json.loads(run(world, "status", "-o", "json").out)
    del live["cluster"]["context"]
    assert status("--snapshot", str(file)) == live
    assert findings("--snapshot", str(file)) == findings(*of_world(world))


@pytest.mark.slow
def test_an_anonymised_snapshot_shows_the_same_state_under_other_names(world: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    assert run(world, "snapshot", "--anonymise", "-o", str(file)).status == 0
    text = file.read_text()
    for name in ("shoot--foo", "proj-1", '"foo"', '"bar"'):
        assert name not in text
    found = status("--snapshot", str(file))
    live = json.loads(run(world, "status", "-o", "json").out)
    same = ("standing", "overlapFlag", "podRange", "stackType", "routes")
    assert {name: found[name] for name in same} == {name: live[name] for name in same}
    assert [node["path"] for node in found["nodes"]] == ["route"] * 3
    before = {(each["id"], each["status"]) for each in findings(*of_world(world))}
    assert {(each["id"], each["status"]) for each in findings("--snapshot", str(file))} == before


@pytest.mark.slow
def test_secrets_environments_and_metadata_values_are_left_out(world: dict[str, Any], tmp_path: Path) -> None:
    compute = f"{world['computeEndpoint']}/compute/v1/projects/{world['project']}"
    (name,) = {
        each["name"]
        for each in read(f"{compute}/zones/europe-west1-b/instances")["items"]
        if each["name"].endswith("bmsx5")
    }
    instance = read(f"{compute}/zones/europe-west1-b/instances/{name}")
    assert SECRET not in json.dumps(instance)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker", "namespace": "default", "annotations": {"note": "kept"}},
        "spec": {"containers": [{"name": "c", "image": "i:1", "env": [{"name": "PASSWORD", "value": SECRET}]}]},
    }
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(pod))
    target = tmp_path / "s.json"
    assert dualstack("snapshot", "--from", str(file), "-o", str(target)).status == 0
    assert SECRET not in target.read_text()
    instance["metadata"] = {"items": [{"key": "kube-env", "value": SECRET}]}
    file.write_text(json.dumps([instance]))
    assert dualstack("snapshot", "--from", str(file), "-o", str(target)).status == 0
    assert SECRET not in target.read_text()
    assert name in target.read_text()
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}}))
    refused = dualstack("snapshot", "--from", str(file), "-o", str(target))
    assert (refused.status, refused.err.strip()) == (2, f"dualstack: {file}: has Secret token; leave Secrets out")


def gcloud_files(world: dict[str, Any], folder: Path) -> list[str]:
    """What `gcloud compute ... list --format=json` writes: the items of the API's answers, whole."""
    compute = f"{world['computeEndpoint']}/compute/v1/projects/{world['project']}"
    region = f"{compute}/regions/europe-west1"
    files = []
    for name, answer in {
        "routes": read(f"{compute}/global/routes")["items"],
        "networks": read(f"{compute}/global/networks")["items"],
        "firewall-rules": read(f"{compute}/global/firewalls")["items"],
        "subnets": read(f"{region}/subnetworks")["items"],
        "instances": read(f"{compute}/zones/europe-west1-b/instances")["items"],
        "project-info": read(compute),
        "region": read(region),
    }.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(answer))
        files += ["--from", str(file)]
    return files


@pytest.mark.clients
def test_files_of_gcloud_and_kubectl_make_the_same_state(world: dict[str, Any], tmp_path: Path) -> None:
    files = gcloud_files(world, tmp_path)
    for kind in ("nodes", "pods", "services", "configmaps", "daemonsets"):
        scope = [] if kind == "nodes" else ["--all-namespaces"]
        command = ["kubectl", "--kubeconfig", world["kubeconfig"], "get", kind, *scope, "-o", "json"]
        file = tmp_path / f"{kind}.json"
        file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        files += ["--from", str(file)]
    target = tmp_path / "s.json"
    outcome = dualstack("snapshot", *files, "-o", str(target))
    assert outcome.status == 0, outcome.err
    live = json.loads(run(world, "status", "-o", "json").out)
    del live["cluster"]["context"]
    assert status("--snapshot", str(target)) == live


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ('{"schema": "dualstack.snapshot/v9"}', "schema is 'dualstack.snapshot/v9', must be 'dualstack.snapshot/v1'"),
        ('{"schema": "dualstack.snapshot/v1", "compute": 3}', "not a snapshot: Expected `object`, got `int`"),
        ('{"schema": "dualstack.snapshot/v1"}', "the snapshot does not have the nodes of the cluster"),
    ],
)
def test_a_document_that_cannot_be_used_is_one_error(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(content)
    outcome = dualstack("status", "--snapshot", str(file))
    assert outcome.status in (1, 2)
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
