"""The result names the strategy that ran and its cost, however it was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.sim.rehearsal.command import EXAMPLE, rehearse

pytestmark = pytest.mark.slow


def test_compressed_reports_its_blackout_and_the_loss_is_accepted() -> None:
    outcome = rehearse("--strategy", "compressed")
    assert outcome.status == 0, outcome.err
    assert outcome.result["strategy"] == "compressed"
    assert outcome.result["traffic"]["blackoutSeconds"]["max"] > 0.0
    assert {check["status"] for check in outcome.result["checks"] if check["id"] == "traffic.ipv4"} == {"accepted"}
    assert "The pods of all 3 nodes become unreachable from other nodes at once" in outcome.err
    assert "Measured: the pods of 3 nodes could not reach other nodes" in outcome.err


def test_auto_names_the_strategy_that_ran_and_why() -> None:
    outcome = rehearse("--strategy", "auto")
    assert outcome.status == 0, outcome.err
    assert outcome.result["strategy"] == "overlap"
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert "strategy overlap: the VPC network is within the limits of hybrid subnets" in outcome.err


def test_the_annotation_of_the_shoot_comes_before_the_option(tmp_path: Path) -> None:
    shoot = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    shoot["metadata"].setdefault("annotations", {})["dualstack.dev/strategy"] = "compressed"
    path = tmp_path / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot), encoding="utf-8")
    outcome = rehearse("--strategy", "overlap", shoot=path)
    assert outcome.status == 0, outcome.err
    assert outcome.result["strategy"] == "compressed"
