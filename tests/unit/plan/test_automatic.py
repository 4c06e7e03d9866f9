"""Which strategy `auto` chooses, and the reason that it gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualstack.model.errors import InvalidInput
from dualstack.plan.automatic import NetworkFacts, decide
from dualstack.plan.strategies import choose, validate
from tests.support.cluster_facts import PODS, RANGE, at_rest

SMALL = NetworkFacts(interfaces=3, surge=1, custom_routes=3, hybrid_subnets=0)


def test_inside_the_limits_nothing_is_lost() -> None:
    choice = decide(at_rest(3), SMALL)
    assert choice.strategy == "overlap"
    assert choice.reason == (
        "the VPC network is within the limits of hybrid subnets: 3 NICs and up to 1 during a roll-out of 130, "
        "3 static routes of 300, 1 hybrid subnets of 25, internal forwarding rules (limit 25) could not be read"
    )


@pytest.mark.parametrize(
    ("network", "strategy", "says"),
    [
        (replace(SMALL, interfaces=129), "overlap", "129 NICs and up to 1 during a roll-out of 130"),
        (replace(SMALL, interfaces=130), "compressed", "130 NICs and up to 1 during a roll-out, limit 130"),
        (
            replace(SMALL, interfaces=128, decoys=1),
            "overlap",
            "up to 1 during a roll-out and 1 of the decoy check of 130",
        ),
        (
            replace(SMALL, interfaces=129, decoys=1),
            "compressed",
            "129 NICs, up to 1 during a roll-out and 1 of the decoy check, limit 130",
        ),
        (replace(SMALL, custom_routes=300), "overlap", "300 static routes of 300"),
        (replace(SMALL, custom_routes=301), "compressed", "301 static routes, limit 300"),
        (replace(SMALL, hybrid_subnets=24), "overlap", "25 hybrid subnets of 25"),
        (replace(SMALL, hybrid_subnets=25), "compressed", "25 other hybrid subnets"),
        (replace(SMALL, forwarding_rules=25), "overlap", "25 internal forwarding rules of 25"),
        (replace(SMALL, forwarding_rules=26), "compressed", "26 internal forwarding rules, limit 25"),
    ],
)
def test_each_limit_of_the_network_counts(network: NetworkFacts, strategy: str, says: str) -> None:
    choice = decide(at_rest(3), network)
    assert choice.strategy == strategy
    assert says in choice.reason


def test_all_limits_that_are_exceeded_are_named() -> None:
    reason = decide(at_rest(3), NetworkFacts(200, 20, 400, 30)).reason
    assert "200 NICs" in reason
    assert "400 static routes" in reason
    assert "30 other hybrid subnets" in reason


def test_an_api_that_does_not_know_the_flag_leaves_only_the_short_blackout() -> None:
    facts = replace(at_rest(3), subnet=replace(at_rest(3).subnet, flag_visible=False))
    assert decide(facts, SMALL).strategy == "compressed"


def test_a_known_limitation_of_the_cloud_rules_overlap_out() -> None:
    choice = decide(at_rest(3), SMALL, unsupported="it does not")
    assert (choice.strategy, choice.reason) == ("compressed", "it does not, as observed before")


def test_the_limits_do_not_apply_once_nothing_can_be_lost() -> None:
    huge = replace(SMALL, interfaces=5000, custom_routes=5000)
    assert decide(replace(at_rest(3), routes=()), huge).strategy == "overlap"
    ranged = replace(at_rest(3).subnet, secondary_ranges=((RANGE, PODS),), overlap_flag=True)
    assert decide(replace(at_rest(3), subnet=ranged), huge).strategy == "overlap"


def test_auto_is_a_valid_setting_but_not_a_strategy() -> None:
    validate("auto")
    with pytest.raises(InvalidInput, match="resolved from facts"):
        choose("auto")
