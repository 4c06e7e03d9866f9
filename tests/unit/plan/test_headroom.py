"""The trial before an outage: its range has an address for each VM, and a few VMs hold them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.plan.facts import CutoverFacts, RouteFacts
from dualstack.plan.settings import Settings
from dualstack.plan.steps.headroom import trial_aliases, trial_range
from dualstack.plan.strategies import STRATEGIES, choose
from tests.support.cluster_facts import alias, at_rest, node, states


@pytest.mark.parametrize(
    ("nodes", "block"),
    [
        (1, "10.127.255.248/29"),
        (8, "10.127.255.248/29"),
        (9, "10.127.255.240/28"),
        (256, "10.127.255.0/24"),
        (257, "10.127.254.0/23"),
    ],
)
def test_the_range_has_an_address_for_each_vm_and_is_no_smaller_than_the_cloud_accepts(nodes: int, block: str) -> None:
    assert trial_range(at_rest(nodes)) == block


def test_a_small_route_at_the_end_leaves_room_for_every_address() -> None:
    facts = replace(at_rest(100), foreign_routes=(RouteFacts("small", "10.127.255.240/28"),))
    assert trial_range(facts) == "10.127.255.0/25"


def test_no_range_is_found_in_a_pod_cidr_without_room() -> None:
    full = replace(at_rest(0), pods_cidr="10.96.0.0/23", nodes=(node(0), node(1)))
    assert trial_range(full) is None


def shares(facts: CutoverFacts) -> dict[str, int]:
    """How many addresses each VM holds."""
    return {name: len(held) for name, held in trial_aliases(facts, "10.127.254.0/23").items()}


def test_each_address_is_held_once() -> None:
    held = trial_aliases(at_rest(3), "10.127.255.248/29")
    assert held == {"node-0": ["10.127.255.248/32", "10.127.255.249/32", "10.127.255.250/32"]}


def test_a_vm_holds_at_most_a_hundred_addresses() -> None:
    assert shares(at_rest(100)) == {"node-0": 100}
    assert shares(at_rest(201)) == {"node-0": 100, "node-1": 100, "node-10": 1}


def test_the_addresses_go_to_running_vms_of_the_subnet_with_the_fewest_aliases() -> None:
    facts = at_rest(4)
    stopped, elsewhere, first, second = facts.nodes
    changed = (
        replace(stopped, running=False),
        replace(elsewhere, subnet_ok=False),
        replace(first, aliases=(alias(2),)),
        second,
    )
    assert shares(replace(facts, nodes=changed)) == {"node-3": 4}


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_an_interrupted_trial_left_behind_is_removed(name: str) -> None:
    facts = replace(at_rest(2), headroom_trial=True)
    left = [after for step, after in states(choose(name), facts, Settings()) if step.id == "remove-headroom-trial"]
    assert [after.headroom_trial for after in left] == [False]
