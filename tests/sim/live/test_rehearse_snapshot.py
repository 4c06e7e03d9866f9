"""A snapshot becomes a world of its own, on which the real `prepare` and `finish` run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.commands import run
from tests.sim.rehearsal.command import EXAMPLE, dualstack, served

pytestmark = pytest.mark.slow


def snapshot_of(landscape: str, folder: Path, *arguments: str) -> Path:
    file = folder / "cluster.json"
    with served(str(EXAMPLE), "--speed", "60", "--landscape", landscape) as facts:
        outcome = run(facts, "snapshot", *arguments, "-o", str(file))
    assert outcome.status == 0, outcome.err
    return file


def rehearsed(file: Path) -> tuple[int, dict[str, Any]]:
    outcome = dualstack("rehearse", "--snapshot", str(file), "--output", "json", within=240.0)
    return outcome.status, json.loads(outcome.out)


def add_tunnel(file: Path) -> None:
    """A resource that is not simulated."""
    document = json.loads(file.read_text())
    path = "regions/europe-west1/vpnTunnels/t"
    link = f"https://www.googleapis.com/compute/v1/projects/{document['project']}/{path}"
    document["compute"][path] = {"name": "t", "selfLink": link}
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(("landscape", "pairs"), [("gardener", 6), ("kubeadm", 12)])
def test_the_cluster_of_a_snapshot_loses_nothing(landscape: str, pairs: int, tmp_path: Path) -> None:
    file = snapshot_of(landscape, tmp_path, "--anonymise")
    add_tunnel(file)
    status, result = rehearsed(file)
    assert (status, result["result"]) == (0, "succeeded"), result["reason"]
    assert (result["prepare"]["standing"], result["finish"]["standing"]) == ("prepared", "finished")
    assert (result["traffic"]["pairs"], result["traffic"]["blackoutSeconds"]["max"]) == (pairs, 0.0)
    assert result["prepare"]["cluster"]["platform"] == landscape
    assert result["restsOn"]
    left_out = [text for text in result["leftOut"] if "derived from subnets" not in text]
    assert left_out == ["1 vpnTunnels: not simulated"]


def test_a_guest_agent_that_takes_aliases_is_found_before_the_first_change(tmp_path: Path) -> None:
    """The VMs of this cluster do not have the metadata key, and no Node would report that its pods are cut off."""
    file = snapshot_of("kubeadm", tmp_path)
    document = json.loads(file.read_text())
    for resource in document["compute"].values():
        for name in ("metadata", "commonInstanceMetadata"):
            if name in resource:
                resource[name]["items"] = []
    file.write_text(json.dumps(document))
    status, result = rehearsed(file)
    assert (status, result["result"]) == (1, "failed")
    assert "guest-agent" in result["reason"]
    assert result["traffic"]["blackoutSeconds"]["max"] == 0.0
    assert "prepare" not in result
