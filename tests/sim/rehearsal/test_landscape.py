"""`rehearse --landscape gardener`: what the owner of a Shoot gets from upstream's own Infrastructure controller."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from dualstack.cli.main import cli
from dualstack.cli.operator import ControllerNames
from dualstack.cli.rehearsal.checks import ipv4_loss
from dualstack.cli.rehearsal.landscape import Landscape
from dualstack.model.errors import InvalidInput
from dualstack.operator.landscape import CONTROLLERS
from tests.sim.rehearsal.command import EXAMPLE, Outcome, rehearse


def succeeded(outcome: Outcome) -> None:
    assert outcome.status == 0, outcome.err
    assert outcome.result["result"] == "succeeded"


@pytest.mark.slow
def test_r2_upstreams_outage_is_measured_reported_and_accepted() -> None:
    """Two subnet changes, each polled after ten seconds, lie between the routes and the aliases. A failed attempt, such
    as after a route that cloud-controller-manager created again, adds to it."""
    outcome = rehearse("--landscape", "gardener")
    succeeded(outcome)
    result = outcome.result
    assert (result["landscape"], result["prepared"], result["strategy"]) == ("gardener", False, None)
    traffic = result["traffic"]
    assert len(traffic["brokenPairs"]) == traffic["pairs"] == 6
    assert all(pair["seconds"] > 20.0 for pair in traffic["brokenPairs"])
    statuses = {check["id"]: check["status"] for check in result["checks"]}
    assert statuses["traffic.ipv4"] == "accepted"
    assert statuses["traffic.ipv4-at-end"] == "passed"
    calls = result["compute"]["byMethod"]
    assert calls["routes.delete"] >= 3
    assert calls["networks.patch"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["documented", "optimistic"])
def test_r2_a_prepared_cluster_loses_nothing_with_upstreams_controller(profile: str) -> None:
    """In each named profile in which aliases are matched; the pessimistic one denies that."""
    outcome = rehearse("--landscape", "gardener", "--prepared", "--profile", profile)
    succeeded(outcome)
    result = outcome.result
    assert (result["landscape"], result["prepared"], result["strategy"]) == ("gardener", True, None)
    assert result["traffic"]["blackoutSeconds"]["total"] == 0.0
    statuses = {check["id"]: check["status"] for check in result["checks"]}
    assert statuses["traffic.ipv4"] == "passed"
    assert statuses["compute.subnet"] == "passed"
    prepare, finish = result["commands"]
    assert (prepare["command"], prepare["standing"], prepare["nodesWithAlias"]) == ("prepare", "prepared", 3)
    assert prepare["routes"] == 3
    assert "gate-decoy-handover" in prepare["steps"]
    assert (finish["command"], finish["standing"], finish["routes"]) == ("finish", "finished", 0)
    assert finish["steps"][-1] == "clear-overlap-flag"
    assert [command["outageSeconds"] for command in (prepare, finish)] == [0.0, 0.0]


@pytest.mark.slow
def test_p23_our_infrastructure_controller_migrates_alone_among_gardenlet_and_upstreams_extensions() -> None:
    outcome = rehearse("--landscape", "gardener", "--infrastructure", "dualstack", speed="120")
    succeeded(outcome)
    result = outcome.result
    assert (result["landscape"], result["infrastructure"], result["strategy"]) == ("gardener", "dualstack", "overlap")
    assert result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert {check["status"] for check in result["checks"]} <= {"passed", "unknown"}
    assert "Failed" not in {seen["state"] for seen in result["owner"]}
    assert result["owner"][-1]["state"] == "Succeeded"


@pytest.mark.parametrize(
    "option", [["--strategy", "overlap"], ["--decoys"], ["--kill-at", "add-aliases"], ["--and-back"]]
)
def test_r2_options_of_the_operators_cut_over_are_refused(option: list[str]) -> None:
    arguments = ["rehearse", str(EXAMPLE), "--landscape", "gardener", "--output", "json", *option]
    outcome = CliRunner().invoke(cli, arguments)
    assert isinstance(outcome.exception, InvalidInput)
    document = json.loads(outcome.stdout)
    assert document["result"] == "refused"
    assert document["reason"].startswith(f"{option[0]}: no effect with --landscape gardener")


def test_r2_preparing_needs_upstreams_controller() -> None:
    with pytest.raises(InvalidInput, match="--prepared: it needs --landscape gardener"):
        Landscape(prepared=True).refuse({}, and_back=False, infrastructure_given=False)


@pytest.mark.parametrize(
    ("landscape", "status"), [(Landscape("gardener"), "accepted"), (Landscape("gardener", prepared=True), "failed")]
)
def test_r2_the_loss_of_a_prepared_cluster_is_not_accepted(landscape: Landscape, status: str) -> None:
    broken = [{"from": "a", "to": "b", "family": "IPv4", "seconds": 12.0, "waited": 0.0, "since": 5.0}]
    assert ipv4_loss({"pairs": 6, "brokenPairs": broken}, str(landscape.way)).status == status


def test_p23_no_operator_of_ours_runs_beside_gardenlet_but_its_infrastructure_controller() -> None:
    assert Landscape("gardener").controllers == ()
    assert Landscape("gardener", infrastructure="dualstack").controllers == ("infrastructure",)
    assert Landscape().controllers == CONTROLLERS
    assert ControllerNames.known == CONTROLLERS
