"""The network problem detector: which nodes report a problem, and when it ends."""

from __future__ import annotations

from dualstack.model.conditions import find_condition
from dualstack.model.kinds import NODE, Manifest
from dualstack_sim.actors.network_problem_detector import CONDITION, NetworkProblemDetector, problems
from tests.sim.actors.fixtures import ActorsFixture, running_actors


def test_both_directions_count() -> None:
    assert problems([("a", "b")], ["a", "b", "c"]) == {"a": "pods do not reach b", "b": "pods do not reach a"}


def test_only_the_unreachable_node_among_many_reports_a_problem() -> None:
    nodes = [f"n{index:02d}" for index in range(20)]
    found = problems([(other, "n07") for other in nodes if other != "n07"], nodes)
    assert set(found) == {"n07"}
    assert found["n07"] == "pods do not reach n00, n01, n02, n03, n04 and 14 more"


def test_a_deleted_node_reports_nothing() -> None:
    assert problems([("a", "gone")], ["a", "b"]) == {"a": "pods do not reach gone"}


def condition(made: ActorsFixture, name: str) -> Manifest | None:
    return find_condition(made.get(NODE, name)["status"]["conditions"], CONDITION)


async def test_the_condition_follows_the_problem() -> None:
    async with running_actors(lambda context: [NetworkProblemDetector(context)]) as made:
        for name in ("a", "b", "c"):
            made.place_node(name, "100.96.0.0/24")
        made.traffic.unseen = [("a", "b"), ("b", "a")]
        found = await made.eventually(lambda: condition(made, "a") if condition(made, "c") else None)
        assert (found["status"], found["message"]) == ("True", "pods do not reach b")
        assert (condition(made, "c") or {}).get("status") == "False"
        ready = find_condition(made.get(NODE, "a")["status"]["conditions"], "Ready")
        assert ready is not None
        assert ready["status"] == "True"
        made.traffic.unseen = []

        def over() -> bool:
            return all((condition(made, name) or {}).get("status") == "False" for name in ("a", "b"))

        assert await made.eventually(over)
