"""Every rule of the registry is enforced by code, has a scenario, and cites the reference documents."""

from __future__ import annotations

import re

import pytest

from dualstack_sim.rules import RULES, Registry, Rule
from tests.sim.rules.catalogue import SCENARIOS
from tests.support.pages import ROOT, anchors

SOURCES = ("docs/reference/cut-over.md#r1",)


def test_each_rule_has_a_scenario_and_each_scenario_a_rule() -> None:
    assert set(SCENARIOS) == set(RULES)


def test_code_enforces_every_rule_and_no_other() -> None:
    asked = set()
    for path in (ROOT / "src" / "dualstack_sim").rglob("*.py"):
        if path.parent.name != "rules":
            asked.update(re.findall(r'enforced\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    assert asked == set(RULES)


@pytest.mark.parametrize("rule", sorted(SCENARIOS))
async def test_a_rule_makes_the_difference(rule: str) -> None:
    assert await SCENARIOS[rule](), f"{rule} does not hold although it is switched on"
    with RULES.without(rule):
        assert not await SCENARIOS[rule](), f"{rule} holds although it is switched off"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_cites_existing_anchors_and_is_one_sentence(rule: Rule) -> None:
    assert rule.statement.endswith(".")
    for source in rule.sources:
        path, _, anchor = source.partition("#")
        assert re.fullmatch(r"docs/reference/(?:compute-engine|cut-over)\.md", path), source
        assert anchor in anchors(ROOT / path), source


def test_a_missing_anchor_is_noticed() -> None:
    found = anchors(ROOT / "docs/reference/cut-over.md")
    assert {"r1", "e18", "rollback"} <= found
    assert "r99" not in found


def test_a_registry_refuses_bad_rules() -> None:
    rule = Rule("area.what", "documented", "It is so.", SOURCES)
    with pytest.raises(ValueError, match="two rules have the id"):
        Registry([rule, rule])
    with pytest.raises(ValueError, match="needs an id"):
        Rule("nodot", "documented", "It is so.", SOURCES)
    with pytest.raises(ValueError, match=r"needs an id .* and sources"):
        Rule("area.what", "documented", "It is so.", ())
    with pytest.raises(KeyError):
        Registry([rule]).enforced("area.other")


def test_a_switched_off_rule_comes_back() -> None:
    registry = Registry([Rule("area.what", "documented", "It is so.", SOURCES)])
    with registry.without("area.what"):
        assert not registry.enforced("area.what")
    assert registry.enforced("area.what")


def test_a_registry_records_which_rules_were_exercised() -> None:
    rules = [Rule(f"area.{name}", "inferred", "It is so.", SOURCES) for name in ("b", "a", "c")]
    registry = Registry(rules)
    registry.enforced("area.a")
    registry.enforced("area.b")
    assert [rule.id for rule in registry.exercised()] == ["area.b", "area.a"]
    registry.restart()
    assert registry.exercised() == []
