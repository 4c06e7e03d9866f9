"""The main job as a user runs it: one command takes a cluster from IPv4 to dual-stack and says what happened."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from dualstack.cli.rehearsal.record import GOLDEN_CONSTRAINTS, GOLDEN_CONSTRAINTS_BACK
from dualstack.model.events import PHASES, PHASES_BACK
from dualstack.verify.checks import ON_ALIASES
from tests.sim.rehearsal.command import EXAMPLE, LARGE, Outcome, rehearse

KEYS = {
    "schema",
    "result",
    "reason",
    "shoot",
    "strategy",
    "profile",
    "assumptions",
    "time",
    "phases",
    "constraints",
    "notices",
    "nodes",
    "changes",
    "traffic",
    "compute",
    "checks",
    "kills",
    "faults",
    "nextSteps",
    "nodeHistory",
    "landscape",
    "prepared",
    "commands",
    "infrastructure",
    "owner",
}


def succeeded(outcome: Outcome) -> None:
    failed = [check for check in outcome.result["checks"] if check["status"] == "failed"]
    assert (outcome.result["result"], outcome.result["reason"], failed) == ("succeeded", None, [])
    assert outcome.status == 0


@pytest.fixture(scope="module")
def overlap() -> Outcome:
    return rehearse()


@pytest.mark.slow
class TestOverlap:
    def test_everything_is_verified(self, overlap: Outcome) -> None:
        succeeded(overlap)
        assert len(overlap.result["checks"]) >= 15

    def test_standard_output_is_one_object_of_the_schema(self, overlap: Outcome) -> None:
        assert overlap.result["schema"] == "dualstack.rehearsal/v2"
        assert overlap.result.keys() == KEYS

    def test_no_pair_loses_connectivity(self, overlap: Outcome) -> None:
        traffic = overlap.result["traffic"]
        assert traffic["pairs"] == 6
        assert traffic["laterPairs"] > 0
        assert traffic["blackoutSeconds"] == {"max": 0.0, "p99": 0.0, "total": 0.0}
        assert traffic["brokenPairs"] == []

    def test_the_history_of_each_node_goes_from_route_to_dual(self, overlap: Outcome) -> None:
        """Samples may miss a short way, but none shows a node that nothing leads to and that was served before."""
        order = ["none", "route", "overlap", "alias", "gone"]
        for node in overlap.result["nodeHistory"]:
            ways = [change["way"] for change in node["changes"]]
            if ways[0] in ("none", "dual"):
                assert ways[-1] == "dual"
            else:
                assert (ways[0], ways[-1]) == ("route", "gone")
                assert ways == sorted(ways, key=order.index)
        assert len(overlap.result["nodeHistory"]) == 6

    def test_the_verdict_names_what_it_rests_on(self, overlap: Outcome) -> None:
        assert any("K3" in assumption for assumption in overlap.result["assumptions"])

    def test_constraints_come_in_gardeners_order_and_words(self, overlap: Outcome) -> None:
        changes = overlap.result["constraints"]
        seen = [(change["type"], change["status"], change["reason"], change["message"]) for change in changes]
        assert seen == list(GOLDEN_CONSTRAINTS)
        assert [change["at"] for change in changes] == sorted(change["at"] for change in changes)

    def test_every_phase_ran_once_in_order(self, overlap: Outcome) -> None:
        phases = overlap.result["phases"]
        assert [phase["name"] for phase in phases] == list(PHASES)
        for phase, following in pairwise(phases):
            assert phase["startedAt"] <= phase["finishedAt"] <= following["startedAt"]

    def test_every_node_is_replaced_and_dual_stack(self, overlap: Outcome) -> None:
        assert overlap.result["nodes"] == {"atStart": 3, "atEnd": 3, "replaced": 3, "dualStack": 3}

    def test_the_changes_are_reported(self, overlap: Outcome) -> None:
        changes = {change["what"]: (change["before"], change["after"]) for change in overlap.result["changes"]}
        assert changes["node routes"] == ("3", "0")
        assert changes["nodes"] == ("3 IPv4", "3 dual-stack")
        assert changes["calico"] == ("IPv4", "IPv4, IPv6")
        assert changes["kube-dns"][0] == "100.64.0.10"
        assert changes["kube-dns"][1].startswith("100.64.0.10, 2600:")

    def test_compute_is_changed_as_little_as_possible(self, overlap: Outcome) -> None:
        calls = overlap.result["compute"]["byMethod"]
        # those of the nodes, and those of the decoys, whose VM and routes are also created and deleted
        assert calls["routes.delete"] == 3 + 2
        assert calls["instances.updateNetworkInterface"] == 3 + 1
        # flag on, the decoys' range added and removed, the pod range, flag off, stack type
        assert calls["subnetworks.patch"] == 6
        assert overlap.result["compute"]["mutations"] == 15 + 7
        assert overlap.result["compute"]["rateLimited"] == 0


@pytest.mark.slow
def test_kills_at_three_stages_of_the_cut_over_change_nothing() -> None:
    steps = ["set-overlap-flag", "add-aliases", "delete-route-canary"]
    outcome = rehearse(*(word for step in steps for word in ("--kill-at", step)))
    succeeded(outcome)
    assert [kill["step"] for kill in outcome.result["kills"]] == steps
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert outcome.result["compute"]["byMethod"]["routes.delete"] >= 3


@pytest.mark.slow
def test_faults_are_survived_and_reported(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        "faults:\n"
        "  - {method: routes.delete, operationError: {code: INTERNAL_ERROR, message: Internal error.}}\n"
        "  - {method: instances.updateNetworkInterface, cut: after}\n"
        "  - {method: subnetworks.patch, nth: 2, errorBefore: {status: 503}}\n"
        "  - {method: disks.resize, latency: 1}\n"
    )
    outcome = rehearse("--faults", str(faults))
    succeeded(outcome)
    fired = outcome.result["faults"]["fired"]
    assert sorted(fault["method"] for fault in fired) == [
        "instances.updateNetworkInterface",
        "routes.delete",
        "subnetworks.patch",
    ]
    assert all(0.0 < fault["at"] < outcome.result["time"]["simulatedSeconds"] for fault in fired)
    assert outcome.result["faults"]["neverMatched"] == [4]
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0


@pytest.mark.slow
def test_verifying_uses_no_quota_and_triggers_no_fault(tmp_path: Path) -> None:
    """Given reads that fail and six requests a minute for good, the product copes and the verdict is not disturbed."""
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        "faults:\n"
        "  - {method: firewalls.list, errorBefore: {status: 503}}\n"
        "  - {method: subnetworks.get, errorBefore: {status: 503}, count: 3}\n"
        "  - {method: routes.delete, quota: {limit: REQUESTS_PER_MINUTE, value: 6}}\n"
    )
    outcome = rehearse("--faults", str(faults))
    succeeded(outcome)
    before = {change["what"]: change["before"] for change in outcome.result["changes"]}
    assert before["subnet shoot--foo--bar-nodes"] == "IPV4_ONLY"
    assert [fault["at"] for fault in outcome.result["faults"]["fired"] if fault["at"] <= 0.0] == []
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0


@pytest.mark.slow
def test_the_owners_taints_are_no_fault_and_pools_may_go_without_surge(tmp_path: Path) -> None:
    shoot = yaml.safe_load(EXAMPLE.read_text())
    pools = shoot["spec"]["provider"]["workers"]
    tainted = {"name": "w2", "minimum": 1, "maximum": 1, "maxSurge": 0, "maxUnavailable": 1}
    pools.append({**pools[0], **tainted, "taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]})
    path = tmp_path / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot))
    outcome = rehearse("--nodes", "2", shoot=path)
    succeeded(outcome)
    assert outcome.result["nodes"]["replaced"] == 2


@pytest.mark.slow
def test_a_single_node_and_a_proxy_without_cluster_cidr(tmp_path: Path) -> None:
    shoot = yaml.safe_load(EXAMPLE.read_text())
    shoot["spec"]["kubernetes"]["kubeProxy"]["mode"] = "IPVS"
    path = tmp_path / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot))
    outcome = rehearse("--nodes", "1", "--quiet", shoot=path)
    succeeded(outcome)
    assert outcome.err == ""
    assert outcome.result["traffic"]["pairs"] == 0


@pytest.mark.slow
def test_a_cluster_without_kube_proxy(tmp_path: Path) -> None:
    shoot = yaml.safe_load(LARGE.read_text())
    shoot["spec"]["kubernetes"]["kubeProxy"]["enabled"] = False
    path = tmp_path / "shoot.yaml"
    path.write_text(yaml.safe_dump(shoot))
    outcome = rehearse("--nodes", "3", shoot=path)
    succeeded(outcome)
    assert "update-kube-proxy" not in outcome.err


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_forty_nodes_in_three_zones() -> None:
    outcome = rehearse(shoot=LARGE, speed="120", within=180.0)
    succeeded(outcome)
    assert outcome.result["nodes"] == {"atStart": 40, "atEnd": 40, "replaced": 40, "dualStack": 40}
    assert outcome.result["traffic"]["pairs"] == 40 * 39
    assert outcome.result["traffic"]["blackoutSeconds"]["max"] == 0.0
    assert outcome.result["shoot"]["cni"] == "cilium"


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("cluster", [EXAMPLE, LARGE], ids=["calico", "cilium"])
def test_w34_there_and_back_without_a_lost_packet(cluster: Path) -> None:
    """The finished migration goes back to IPv4; kills on both ways; nothing is left to do, and nothing grows again."""
    kills = ["add-aliases", "back:update-kube-dns", "back:update-kube-apiserver"]
    words = [word for step in kills for word in ("--kill-at", step)]
    outcome = rehearse("--and-back", "--nodes", "3", *words, shoot=cluster, within=150.0)
    succeeded(outcome)
    assert [kill["step"] for kill in outcome.result["kills"] if kill["at"]] == kills
    back = outcome.result["back"]
    assert [(check["id"], check["evidence"]) for check in back["checks"] if check["status"] != "passed"] == []
    assert {check["id"] for check in back["checks"]} >= {"reconcile.nothing-to-do", "reconcile.still-ipv4"}
    changes = [
        (change["type"], change["status"], change["reason"], change["message"]) for change in back["constraints"]
    ]
    assert changes == list(GOLDEN_CONSTRAINTS_BACK)
    assert [phase["name"] for phase in back["phases"]] == list(PHASES_BACK)
    assert back["nodes"] == {"atStart": 3, "atEnd": 3, "replaced": 3, "dualStack": 0}
    assert {notice["reason"] for notice in back["notices"]} == {"ReturningToIPv4"}
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
    assert any("nodeCIDRMaskSizeIPv6" in assumption for assumption in outcome.result["assumptions"])


@pytest.mark.slow
def test_a_garden_that_keeps_the_mask_refuses_the_way_back_in_its_words() -> None:
    """docs/reference/gardener.md#mask-blocks-rollback"""
    outcome = rehearse("--and-back", "--knob", "ipv6-mask=stays")
    assert outcome.status == 1
    assert "nodeCIDRMaskSizeIPv6: Invalid value: null: field is immutable" in outcome.result["reason"]
    checks = {check["id"]: check["status"] for check in outcome.result["back"]["checks"]}
    assert {name: checks[name] for name in ON_ALIASES} == dict.fromkeys(ON_ALIASES, "passed")
    assert outcome.result["nodes"]["dualStack"] == 3
    assert outcome.result["traffic"]["blackoutSeconds"]["total"] == 0.0
