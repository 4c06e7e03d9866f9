"""`--traffic` in the commands for live clusters: real measurements of the probers decide."""

from __future__ import annotations

import json

import pytest

from tests.sim.live.commands import run
from tests.sim.rehearsal.command import EXAMPLE, served

pytestmark = pytest.mark.slow

IMAGE = "--prober-image=dualstack:any"


def test_verify_measures_every_kind_of_flow_and_leaves_nothing_behind() -> None:
    with served(str(EXAMPLE), "--speed", "30", "--landscape", "kubeadm") as facts:
        outcome = run(facts, "verify", "--traffic", IMAGE, "-o", "json")
        found = json.loads(outcome.out)
        checks = {check["id"]: check["status"] for check in found["checks"]}
        assert outcome.status == 0, outcome.err
        assert checks["traffic.nodes"] == "passed"
        assert checks["traffic.pod-udp-ipv4"] == checks["traffic.pod-tcp-ipv4"] == "passed"
        again = json.loads(run(facts, "snapshot").out)
        spaces = {each["metadata"].get("namespace") for each in again["kubernetes"]["v1/Pod"]}
        assert spaces == {"default", "kube-system"}


def test_without_an_image_nothing_is_measured_and_nothing_changed() -> None:
    with served(str(EXAMPLE), "--speed", "30", "--landscape", "kubeadm") as facts:
        outcome = run(facts, "prepare", "--yes", "--traffic")
        assert outcome.status == 2
        assert "--traffic: it needs --prober-image" in outcome.err


def test_prepare_stops_at_the_first_node_whose_traffic_is_interrupted_and_goes_back() -> None:
    """The guest agent takes the alias of the canary: its pods are cut off, and no condition of a Node shows it."""
    with served(str(EXAMPLE), "--speed", "30", "--landscape", "kubeadm", "--knob", "guest-agent=on") as facts:
        refused = run(facts, "prepare", "--yes", IMAGE)
        assert refused.status == 1
        assert "guest-agent" in refused.err
        outcome = run(facts, "prepare", "--yes", IMAGE, "--traffic", "--accept", "guest-agent")
        assert outcome.status == 1
        assert "gate-alias-canary FAILED: measured traffic was interrupted" in outcome.err
        status = json.loads(run(facts, "status", "-o", "json").out)
        assert (status["standing"], {node["path"] for node in status["nodes"]}) == ("routes", {"route"})
        seconds = json.loads(run(facts, "verify", "-o", "json").out)
        assert seconds["result"] == "passed"
