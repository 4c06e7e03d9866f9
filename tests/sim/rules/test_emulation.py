"""E1 to E18 of cutover.md 11, what an emulator must do or the rehearsal lies: where each of them is shown.

By rules of the registry, whose scenarios tell whether they are on or off, and by tests beside them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from dualstack_sim.rules import RULES
from tests.sim.rules import test_rules
from tests.sim.rules.scenarios import SCENARIOS

TESTS = Path(__file__).parents[2]
ACTOR = "sim/actors/test_cloud_controller_manager.py"
ROUTERS = "sim/fabric/test_advertisements.py"

E1_TO_E18: dict[int, tuple[str, ...]] = {
    1: ("sim/compute/test_compute_refusals.py::test_subnetwork_fingerprint_missing_or_stale_is_412",),
    2: ("sim/compute/test_compute_refusals.py::test_ranges_overlap_nothing_in_the_network",),
    3: ("sim/compute/test_compute_cutover.py::test_gardener_order_needs_routes_gone_first",),
    4: (
        "sim/compute/test_compute_cutover.py::test_route_into_a_range_fails_inside_the_operation",
        "sim/compute/test_compute_cutover.py::test_route_conflict_can_surface_in_the_request",
    ),
    5: ("sim/compute/test_compute_cutover.py::test_knob_one_decides_about_routes_into_a_flagged_range",),
    6: ("sim/compute/test_compute_cutover.py::test_knob_two_decides_whether_the_flag_clears_over_routes",),
    7: (
        "sim/compute/test_compute_refusals.py::test_interface_fingerprint_missing_is_400_and_stale_is_412",
        "sim/compute/test_compute_refusals.py::test_aliases_are_not_added_and_removed_together",
        "sim/compute/test_compute_refusals.py::test_bad_alias_is_refused",
        "sim/compute/test_compute_refusals.py::test_alias_of_somebody_else_fails_inside_the_operation",
    ),
    8: ("sim/compute/test_compute_cutover.py::test_new_node_gets_lowest_alias_and_first_96",),
    9: (
        "sim/fabric/test_forwarding.py::test_k3_no_an_alias_does_not_count_as_matched",
        "sim/fabric/test_orders.py::test_when_aliases_do_not_count_as_matched_the_first_route_delete_loses",
    ),
    10: (
        "sim/fabric/test_blackout.py::test_k4_without_barriers_between_flag_and_range_only_news_in_order_are_safe",
        "sim/fabric/test_feed.py::test_flag_and_ranges_of_a_subnet_travel_apart",
    ),
    11: (
        "sim/fabric/test_forwarding.py::test_r6_a_tagged_route_is_removed_in_the_second_pass_only",
        "sim/fabric/test_forwarding.py::test_r6_routes_broader_than_the_hybrid_range_are_removed",
        "sim/fabric/test_forwarding.py::test_r7_a_next_hop_in_another_region_drops",
    ),
    12: ("sim/compute/test_compute_cutover.py::test_knob_five_hides_the_flag",),
    13: (
        "sim/compute/test_compute_cutover.py::test_e13_an_empty_list_beside_a_new_stack_type_wipes_the_aliases",
        "contract/test_contract_gcloud.py::test_gcloud_wipes_the_aliases_that_it_is_not_told_again",
    ),
    14: (
        "sim/fabric/test_overload.py::test_e14_some_hosts_lose_packets_as_long_as_there_are_too_many_interfaces",
        "sim/rules/test_knobs.py::test_what_exceeds_a_quota_of_its_network_may_fail_at_once",
        "sim/rules/test_knobs.py::test_hybrid_limits_may_be_enforced",
    ),
    15: (
        f"{ACTOR}::test_a_terminating_pod_recreates_a_deleted_route_until_it_is_gone",
        f"{ACTOR}::test_a_refused_route_makes_the_network_unavailable_until_it_is_created",
    ),
    16: ("sim/fabric/test_blackout.py::test_the_guest_agent_steals_the_pods_of_a_node_as_long_as_it_has_an_alias",),
    17: (
        "sim/fabric/test_peers.py::test_t14_a_peers_sender_reaches_every_node_through_all_steps_of_the_overlap_strategy",
        f"{ROUTERS}::test_e17_a_router_in_default_mode_advertises_the_pod_range_as_soon_as_it_is_there",
        "sim/control/test_control_state.py::test_the_advertisements_of_routers_are_listed",
    ),
    18: (
        "sim/faults/test_fault_kinds.py::test_the_operation_is_pending_and_then_runs_its_time",
        "sim/compute/test_compute_operations.py::test_error_inside_the_operation_leaves_no_trace",
        "sim/compute/test_compute_operations.py::test_error_after_the_effect_and_the_repeated_request",
        "sim/compute/test_compute_operations.py::test_cut_connections",
    ),
}
WITHOUT_RULE = {
    15: "it is the work of an actor",
    18: "faults are asked for and no rule of Compute",
}
UNENFORCED = {
    3: "the hybrid subnets page, which contradicts R2: the other answer of knob K1",
    4: "the flag may be switched at any time: nothing to refuse",
    17: "the API does not check what the product requires: nothing to refuse",
}
"""Documented statements R1 to R17 of which no rule can be made, and why."""


def rules_of(letter: str) -> dict[int, list[str]]:
    """Number -> rules whose source names it."""
    found = defaultdict(list)
    for rule in RULES.values():
        for number in re.findall(rf"\b{letter}(\d+)\b", rule.source):
            found[int(number)].append(rule.id)
    return found


def test_all_eighteen_are_listed() -> None:
    assert list(E1_TO_E18) == list(range(1, 19))


@pytest.mark.parametrize("number", E1_TO_E18, ids=lambda number: f"E{number}")
def test_each_has_a_rule_with_a_scenario_and_tests_that_are_there(number: int) -> None:
    rules = rules_of("E")[number]
    assert bool(rules) is (number not in WITHOUT_RULE)
    assert test_rules.MODULES
    assert set(rules) <= set(SCENARIOS)
    assert E1_TO_E18[number]
    for place in E1_TO_E18[number]:
        path, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8"), place


@pytest.mark.parametrize("number", range(1, 18), ids=lambda number: f"R{number}")
def test_each_documented_rule_of_the_cut_over_is_enforced_or_says_why_not(number: int) -> None:
    rules = rules_of("R")[number]
    assert bool(rules) is (number not in UNENFORCED)
    assert set(rules) <= set(SCENARIOS)
