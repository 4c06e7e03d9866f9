"""The plan of a live cluster, from its facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pytest

from dualstack.cli.live.measured_cloud import refuse_contradicted
from dualstack.cli.live.plan import plan_of
from dualstack.cli.live.plan_document import Plan, describe, read_plan, refuse_moved, save
from dualstack.cli.live.result import ClusterName
from dualstack.live.identify import Identity, PlatformName
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.errors import InvalidInput
from dualstack.plan.facts import ControllerFacts, CutoverFacts
from dualstack.plan.settings import Settings
from dualstack.plan.strategies.finish import FINISH
from dualstack.plan.strategies.prepare import PREPARE
from dualstack.trial.measurements import Measurements
from tests.support.cluster_facts import STOPPED, ZONE, at_rest, last, node, states

KEPT = ControllerFacts(1, 1, ignored=False, kept=True)
FACTS = replace(at_rest(3), controller=KEPT)
CLUSTER = Cluster(
    name="bar",
    project="p",
    region="europe-west1",
    network="vpc",
    nodes_subnet="nodes",
    nodes="10.250.0.0/16",
    pods="10.96.0.0/11",
    services_subnet="bar-services",
    services="100.64.0.0/13",
    pools=(NodePool("w", (ZONE,), surge=2, nodes=3),),
)
BUDGET = {
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "db", "namespace": "default"},
    "status": {"expectedPods": 1, "disruptionsAllowed": 0},
}


def plan(facts: CutoverFacts = FACTS, platform: PlatformName = "kubeadm", **given: Any) -> Plan:
    name = ClusterName(
        name="bar", platform=platform, evidence="", context="", project="p", region="r", nodes_subnet="nodes", pods=""
    )
    values = {"routes_created": True, "budgets": [], "shoot_info": None, "made_at": 0.0, **given}
    settings = Settings(repeat_alias=platform == "gardener")
    return plan_of(Identity(platform, "", CLUSTER), name, facts, settings, **values)


def test_the_person_stops_the_route_controller_between_the_two_parts() -> None:
    found = plan()
    assert [(part.command, part.by) for part in found.parts] == [
        ("dualstack prepare", "dualstack"),
        ("", "You"),
        ("dualstack finish", "dualstack"),
    ]
    assert "--configure-cloud-routes=false" in found.parts[1].actions[0]
    assert found.parts[1].point_of_no_return.startswith("none")
    assert found.parts[2].point_of_no_return == (
        "delete-routes, where the cloud refuses a route inside the pod range; otherwise `dualstack rollback` creates "
        "the routes again (docs/rollback.md)"
    )
    assert [step.id for step in found.parts[2].steps if step.id.startswith("delete")] != []


def test_gardener_deletes_the_routes_itself() -> None:
    found = plan(platform="gardener")
    assert [part.by for part in found.parts] == ["dualstack", "Gardener", "dualstack"]
    assert found.parts[1].point_of_no_return.startswith("the edit of ipFamilies")
    assert [step.id for step in found.parts[2].steps] == ["barrier-aliases", "gate-aliases-alone", "clear-overlap-flag"]
    assert found.parts[2].seconds is not None
    assert found.parts[2].seconds > 300  # another process than `prepare`, which observes the aliases anew
    assert describe(found).endswith("\nNext: `dualstack prepare` begins with part 1.")


def test_without_a_route_controller_nothing_is_left_to_the_other_side() -> None:
    assert [part.command for part in plan(routes_created=False).parts] == ["dualstack prepare", "dualstack finish"]


def test_a_prepared_cluster_has_only_what_follows() -> None:
    *_, (_, facts) = states(PREPARE, FACTS, Settings())
    found = plan(replace(facts, passed={}))
    assert found.standing == "prepared"
    assert [part.by for part in found.parts][-2:] == ["You", "dualstack"]
    assert not any(step.calls for part in found.parts[:-2] for step in part.steps)
    proven = plan(replace(facts, passed={}), proven=True)
    assert [part.by for part in proven.parts] == ["You", "dualstack"]


def test_what_cannot_be_performed_ends_the_plan() -> None:
    taken = replace(FACTS.subnet, secondary_ranges=((FACTS.range_name, "10.0.0.0/16"),))
    found = plan(replace(FACTS, subnet=taken))
    assert found.obstacles
    assert "STOPS HERE: " in describe(found)
    assert [part.by for part in found.parts] == ["dualstack"]


def test_the_text_names_what_disturbs_workloads_and_fits_the_terminal() -> None:
    info = {"data": {"maintenanceBegin": "220000+0100", "maintenanceEnd": "230000+0100"}}
    platforms: tuple[PlatformName, ...] = get_args(PlatformName)
    for platform in platforms:
        text = describe(plan(platform=platform, budgets=[BUDGET], shoot_info=info))
        assert all(len(line) <= 80 for line in text.splitlines())
        words = " ".join(text.split())
        assert "pool w: 3 nodes in europe-west1-b; 2 at a time, about 20 min 00 s" in words
        assert "allow no eviction now, so drains wait for them: default/db" in words
        assert "maintenance window: 22:00 +01:00 to 23:00 +01:00" in words
        assert "Expected outage: none." in text
    assert "PodDisruptionBudgets cannot be read" in describe(plan(budgets=None))


@pytest.mark.parametrize("platform", ["gardener", "kubeadm"])
def test_a_finished_cluster_has_nothing_left_to_be_planned(platform: PlatformName) -> None:
    finished = last(FINISH, replace(last(PREPARE, FACTS, Settings()), controller=STOPPED), Settings())
    found = plan(replace(finished, passed={}), platform, routes_created=False)
    assert (found.standing, found.parts, found.obstacles) == ("finished", (), ())
    assert "Nothing is left to be done for the routes" in describe(found)


def test_the_plan_with_an_image_has_the_steps_of_the_decoy_check() -> None:
    name = ClusterName(
        name="bar", platform="kubeadm", evidence="", context="", project="p", region="r", nodes_subnet="n", pods=""
    )
    found = plan_of(
        Identity("kubeadm", "", CLUSTER),
        name,
        FACTS,
        Settings(decoys=True),
        routes_created=True,
        budgets=[],
        shoot_info=None,
        made_at=0.0,
    )
    assert "create-decoys" in [step.id for step in found.parts[0].steps]
    assert "add-range-canary" not in [step.id for step in found.parts[0].steps]


def test_blockers_of_the_preflight_are_named_once_with_the_command_that_explains_them() -> None:
    text = describe(msgspec.structs.replace(plan(), blockers=("alias-matched", "network-watched")))
    assert (
        "Not ready: `dualstack prepare` refuses to begin because of alias-matched,\n"
        "  network-watched; `dualstack preflight` shows why and what to do.\n"
    ) in text
    assert "Not ready" not in describe(plan())


def connected(name: str = "bar") -> Any:
    return SimpleNamespace(identity=SimpleNamespace(cluster=replace(CLUSTER, name=name)))


def test_a_saved_plan_is_refused_when_the_world_has_moved_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    save(plan(), path)
    assert read_plan(path) == plan()
    refuse_moved(None, connected(), FACTS)
    refuse_moved(path, connected(), FACTS)
    for _, facts in states(PREPARE, FACTS, Settings()):
        refuse_moved(path, connected(), facts)
    with pytest.raises(InvalidInput, match="since the plan was made, node node-9 is new"):
        refuse_moved(path, connected(), replace(FACTS, nodes=(*FACTS.nodes, node(9))))
    with pytest.raises(InvalidInput, match="it is for cluster bar, not foo; check the context of the kubeconfig"):
        refuse_moved(path, connected("foo"), FACTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "it is not a plan"),
        ("[]", "its schema is None"),
        ('{"schema": "dualstack.plan/v2"}', "its schema is 'dualstack.plan/v2'"),
        ('{"schema": "dualstack.plan/v1"}', "it is not a plan"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        read_plan(path)


def measured(**answers: str) -> Measurements:
    return Measurements({name.replace("_", "-"): value for name, value in answers.items()}, "2026-11-29", "r1", "0.1.0")


def test_a_measured_cloud_that_contradicts_the_order_without_loss_leads_to_another_one() -> None:
    found = plan(measured=measured(alias_matched="no"))
    assert (found.strategy, found.obstacles) == ("compressed", ())
    assert [(part.command, part.by) for part in found.parts] == [
        ("", "You"),
        ("dualstack migrate --strategy compressed", "dualstack"),
    ]
    assert found.parts[1].expected_outage_seconds
    assert any("routes.delete" in step.calls for step in found.parts[1].steps)
    text = describe(found)
    assert all(len(line) <= 80 for line in text.splitlines())
    words = " ".join(text.split())
    assert (
        "Strategy compressed: overlap assumes that an alias range counts as a matched resource of a hybrid subnet, but "
        "alias-matched is no, measured on 2026-11-29 in r1." in words
    )
    assert "Expected outage: about " in words
    assert "--configure-cloud-routes=false" in words


def test_a_measured_cloud_that_agrees_changes_no_step() -> None:
    plain, found = plan(), plan(measured=measured(alias_matched="yes", overlap_flag="shown"))
    assert (found.parts, found.strategy) == (plain.parts, "overlap")
    assert plain.reasons == ()
    (reason,) = found.reasons
    assert reason == (
        "measured on 2026-11-29 in r1, the cloud contradicts no assumption of overlap; not measured: "
        "unmatched-to-instances, alias-over-route"
    )


@pytest.mark.parametrize("answers", [{"repeated_alias": "request"}, {"unmatched_to_instances": "no"}])
def test_a_gardener_shoot_is_not_prepared_in_a_cloud_that_contradicts_it(answers: dict[str, str]) -> None:
    found = plan(platform="gardener", measured=measured(**answers))
    (obstacle,) = found.obstacles
    assert found.parts == ()
    assert f"is {next(iter(answers.values()))}, measured on 2026-11-29 in r1. Do not prepare this Shoot" in obstacle
    kubeadm = plan(measured=measured(**answers))
    assert kubeadm.strategy == ("overlap" if "repeated_alias" in answers else "compressed")


def test_t7_a_cloud_that_shows_changes_later_than_a_barrier_gets_another_strategy() -> None:
    slow = replace(measured(), longest={"range added": 140.0, "alias added": 140.0})
    found = plan(measured=slow)
    assert found.strategy == "compressed"
    assert found.reasons[0] == (
        "overlap assumes that every host sees the overlap flag within 120 s, but 'range added' took 140 s; and that "
        "every host sees a range within 120 s, but 'range added' took 140 s, measured on 2026-11-29 in r1"
    )
    assert plan(measured=replace(slow, longest={"range added": 119.0})).strategy == "overlap"


@pytest.mark.parametrize("answers", [{}, {"alias_matched": "no"}])
def test_what_no_strategy_avoids_is_stated_with_its_reason(answers: dict[str, str]) -> None:
    breaking = replace(measured(established_flows="break", **answers), lost={"T10": "lost 3 packets"})
    lost, broken = plan(measured=breaking).reasons[1:]
    assert lost == "the transition of T10 lost 3 packets, measured on 2026-11-29 in r1"
    assert broken.startswith("every TCP connection between pods on different nodes breaks once, ")
    assert broken.endswith("established-flows is break, measured on 2026-11-29 in r1")
    assert measured(established_flows="move").risks == ()


def test_a_prepared_cluster_keeps_its_way() -> None:
    *_, (_, facts) = states(PREPARE, FACTS, Settings())
    found = plan(replace(facts, passed={}), measured=measured(alias_matched="no"))
    assert found.strategy == "overlap"


def test_a_strategy_that_was_measured_not_to_work_is_refused() -> None:
    refuse_contradicted(None, "overlap")
    refuse_contradicted(measured(alias_matched="yes"), "overlap", gardener=True)
    refuse_contradicted(measured(alias_matched="no"), "compressed")
    with pytest.raises(
        InvalidInput, match=r"--profile: overlap assumes .* alias-matched is no, measured on 2026-11-29"
    ):
        refuse_contradicted(measured(alias_matched="no"), "overlap")
