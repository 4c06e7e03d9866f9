"""Which rules and tests prove each requirement on the simulator (docs/reference/cut-over.md#simulator).

The requirements are the anchors e1 to e18, the statements about Google Cloud r1 to r17. A rule of the registry refers
to them in its sources; its scenario fails when the rule is switched off.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dualstack_sim.rules import RULES
from tests.sim.rules.catalogue import SCENARIOS

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
        "sim/compute/test_compute_refusals.py::test_alias_in_use_fails_inside_the_operation",
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
        "sim/compute/test_compute_cutover.py::test_an_empty_list_with_a_new_stack_type_clears_the_aliases",
        "contract/test_contract_gcloud.py::test_gcloud_clears_aliases_that_the_command_omits",
    ),
    14: (
        "sim/fabric/test_overload.py::test_e14_some_hosts_lose_packets_as_long_as_there_are_too_many_interfaces",
        "sim/rules/test_knobs.py::test_a_resource_beyond_a_quota_may_fail_in_the_request",
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
    15: "an actor implements it",
    18: "fault injection is a feature of the simulator, not a rule of Compute Engine",
}
UNENFORCED = {
    3: "it contradicts docs/reference/cut-over.md#r2 and is the other answer of knob K1",
    4: "the flag may be changed at any time, so there is nothing to refuse",
    17: "a requirement on the product that the API does not check",
}
"""Numbers of the statements without a rule, and why they have none."""


def rules_of(anchor: str) -> set[str]:
    """The rules that cite an anchor of the cut-over document."""
    source = f"docs/reference/cut-over.md#{anchor}"
    return {rule.id for rule in RULES.values() if source in rule.sources}


def test_all_eighteen_are_listed() -> None:
    assert list(E1_TO_E18) == list(range(1, 19))


@pytest.mark.parametrize("number", E1_TO_E18, ids=lambda number: f"E{number}")
def test_each_has_a_rule_with_a_scenario_and_tests_that_are_there(number: int) -> None:
    rules = rules_of(f"e{number}")
    assert bool(rules) is (number not in WITHOUT_RULE)
    assert rules <= set(SCENARIOS)
    assert E1_TO_E18[number]
    for place in E1_TO_E18[number]:
        path, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8"), place


@pytest.mark.parametrize("number", range(1, 18), ids=lambda number: f"R{number}")
def test_each_documented_rule_of_the_cut_over_is_enforced_or_says_why_not(number: int) -> None:
    rules = rules_of(f"r{number}")
    assert bool(rules) is (number not in UNENFORCED)
    assert rules <= set(SCENARIOS)
