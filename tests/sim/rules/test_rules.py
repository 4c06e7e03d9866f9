"""Every rule of the registry is enforced by code, and its scenario tells whether it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dualstack_sim.rules import RULES, Registry, Rule
from tests.sim.rules import in_the_data_path, over_instances, over_machines, over_networks, over_peering, over_requests
from tests.sim.rules.scenarios import SCENARIOS

SOURCES = Path(__file__).parents[3] / "src" / "dualstack_sim"
MODULES = (in_the_data_path, over_instances, over_machines, over_networks, over_peering, over_requests)


def test_each_rule_has_a_scenario_and_each_scenario_a_rule() -> None:
    assert MODULES
    assert set(SCENARIOS) == set(RULES)


def test_enforcing_code_asks_for_every_rule_and_for_no_other() -> None:
    asked = set()
    for path in SOURCES.rglob("*.py"):
        if path.parent.name != "rules":
            asked.update(re.findall(r'enforced\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    assert asked == set(RULES)


@pytest.mark.parametrize("rule", sorted(SCENARIOS))
async def test_a_rule_makes_the_difference(rule: str) -> None:
    assert await SCENARIOS[rule](), f"{rule} does not hold although it is switched on"
    with RULES.without(rule):
        assert not await SCENARIOS[rule](), f"{rule} holds although it is switched off"


def test_rules_are_tagged_and_say_where_they_come_from() -> None:
    for rule in RULES.values():
        assert rule.tag in ("documented", "observed", "inferred")
        assert re.search(r"(?:compute-api|cutover)\.md \d|cutover\.md [ERK]\d|compute-api\.md", rule.source), rule
        assert rule.statement.endswith("."), rule


def test_a_registry_refuses_bad_rules() -> None:
    rule = Rule("area.what", "It is so.", "cutover.md R1", "documented")
    with pytest.raises(ValueError, match="two rules have the id"):
        Registry([rule, rule])
    with pytest.raises(ValueError, match="needs an id"):
        Rule("nodot", "It is so.", "cutover.md R1", "documented")
    with pytest.raises(KeyError):
        Registry([rule]).enforced("area.other")


def test_a_switched_off_rule_comes_back() -> None:
    registry = Registry([Rule("area.what", "It is so.", "cutover.md R1", "documented")])
    with registry.without("area.what"):
        assert not registry.enforced("area.what")
    assert registry.enforced("area.what")


def test_a_registry_knows_what_was_exercised() -> None:
    rules = [Rule(f"area.{name}", "It is so.", "cutover.md R1", "inferred") for name in ("b", "a", "c")]
    registry = Registry(rules)
    registry.enforced("area.a")
    registry.enforced("area.b")
    assert [rule.id for rule in registry.exercised()] == ["area.b", "area.a"]
    registry.restart()
    assert registry.exercised() == []
