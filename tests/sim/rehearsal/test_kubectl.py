"""The real kubectl as a person uses it on a served world and in a rehearsal."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sim.rehearsal.command import EXAMPLE, SPEED, served, started

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--speed", "100") as facts:
        yield facts


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, timeout=60, check=False)


def kubectl(world: dict[str, Any], *arguments: str) -> str:
    done = run("--kubeconfig", world["kubeconfig"], *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_describe_apply_patch_scale_and_drain(world: dict[str, Any], tmp_path: Path) -> None:
    node = kubectl(world, "get", "nodes", "-o", "name").split()[0].removeprefix("node/")
    assert "PodCIDR" in kubectl(world, "describe", "node", node)
    manifest = tmp_path / "map.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {a: '1'}\n")
    assert "created" in kubectl(world, "apply", "-f", str(manifest))
    kubectl(world, "patch", "configmap", "notes", "--type", "merge", "-p", '{"data":{"a":"2"}}')
    assert kubectl(world, "get", "configmap", "notes", "-o", "jsonpath={.data.a}") == "2"
    kubectl(world, "scale", "deployment", "web", "--replicas", "4")
    kubectl(world, "rollout", "status", "deployment", "web", "--timeout", "30s")
    kubectl(world, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", "50s")
    assert kubectl(world, "get", "node", node, "-o", "jsonpath={.spec.unschedulable}") == "true"
    kubectl(world, "uncordon", node)


def test_the_garden_refuses_what_gardener_refuses(world: dict[str, Any]) -> None:
    patch = '{"spec":{"networking":{"ipFamilies":["IPv6"]}}}'
    arguments = ["-n", "garden-foo", "patch", "shoot", "bar", "--type", "merge", "-p", patch]
    done = run("--kubeconfig", world["gardenKubeconfig"], *arguments)
    assert done.returncode == 1
    assert "unsupported IP family update: oldIPFamilies=[IPv4], newIPFamilies=[IPv6]" in done.stderr


def test_a_manual_roll_out_waits_until_the_machines_are_deleted() -> None:
    arguments = ("rehearse", str(EXAMPLE), "--output", "json", "--speed", SPEED, "--rollout", "manual")
    with started(*arguments) as process:
        if process.stderr is None:
            raise RuntimeError("standard error is not a pipe")
        hint = ""
        for line in process.stderr:
            hint = hint or "".join(re.findall(r"kubectl .* delete machine", line))
            if "control-plane: done" in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()  # keeps the pipe from filling up
        command = hint.removeprefix("kubectl ").removesuffix(" delete machine").split()
        for machine in run(*command, "get", "machines", "-o", "name").stdout.split():
            assert run(*command, "delete", machine).returncode == 0
        if process.stdout is None:
            raise RuntimeError("standard output is not a pipe")
        result = json.loads(process.stdout.read())
    assert (result["result"], result["reason"]) == ("succeeded", None)
    assert result["nodes"]["replaced"] == 3
