"""The checks of addresses, agents, exposure and quotas: each passes where all is right, and fails for its reason."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dualstack.kube.interface import Unavailable
from dualstack.verify.expectations import EXPECTED
from dualstack.verify.facts import ControllerManager, Facts, NotApplicable, Reading
from dualstack.verify.judging import RISKS
from tests.unit.verify.right_cluster import (
    IPV6,
    PROXY,
    facts,
    node,
    not_passed,
    pod,
    service,
)


@pytest.mark.parametrize("state", EXPECTED)
def test_every_check_passes_in_the_expected_state(state: str) -> None:
    assert not_passed(facts(state), state) == {}


@pytest.mark.parametrize("state", EXPECTED)
@pytest.mark.parametrize("other", EXPECTED)
def test_another_state_than_the_expected_one_fails(state: str, other: str) -> None:
    failed = [name for name, (status, _) in not_passed(facts(state), other).items() if status == "failed"]
    assert bool(failed) == (state != other)


EDITS: list[tuple[str, str, str, Any, str]] = [
    ("dual-stack", "nodes.addresses", "nodes", [{**node(True), "status": node(False)["status"]}], "no IPv6 address"),
    ("routes", "services.addresses", "services", [service(True)], "families IPv4, IPv6"),
    ("dual-stack", "agents.kube-proxy", "proxy_configurations", [PROXY.format(ranges="10.96.0.0/16")], "10.96.0.0/16"),
    ("dual-stack", "compute.firewall", "firewalls", [], f"no ingress rule admits {IPV6}/64"),
    (
        "routes",
        "agents.rolled-out",
        "daemon_sets",
        [{"metadata": {"name": "cni"}, "status": {"desiredNumberScheduled": 2, "numberReady": 1}}],
        "DaemonSet cni is not rolled out",
    ),
    ("routes", "compute.quotas", "quotas", [{"metric": "CPUS", "limit": 24, "usage": 24}], "CPUS: 24 of 24"),
]


@pytest.mark.parametrize(("state", "check", "field", "value", "words"), EDITS, ids=[edit[1] for edit in EDITS])
def test_a_check_fails_for_its_own_reason_alone(state: str, check: str, field: str, value: Any, words: str) -> None:
    found = changed(facts(state), field, value)
    ((name, (status, evidence)),) = not_passed(found, state).items()
    assert name == check
    assert status == ("risk" if check in RISKS else "failed")
    assert words in evidence


def changed(found: Facts, field: str, value: Any) -> Facts:
    values = {name: getattr(found, name) for name in Facts.__dataclass_fields__}
    return Facts(**{**values, field: Reading(value)})


def test_a_pod_outside_of_the_range_of_its_node() -> None:
    stray = deepcopy(pod(True))
    stray["status"]["podIPs"][1]["ip"] = "2600::9"
    failed = not_passed(changed(facts("dual-stack"), "pods", [stray]), "dual-stack")
    assert failed == {"pods.ranges": ("failed", "kube-system/dns has 2600::9, which is in no pod CIDR of n1")}


def test_the_main_address_of_a_pod_is_the_first() -> None:
    swapped = deepcopy(pod(True))
    swapped["status"]["podIP"] = f"{IPV6}5"
    assert "but podIP" in not_passed(changed(facts("dual-stack"), "pods", [swapped]), "dual-stack")["pods.ranges"][1]


def test_a_service_that_prefers_both_families_and_has_one_is_a_risk() -> None:
    alone = deepcopy(service(False))
    alone["spec"]["ipFamilyPolicy"] = "PreferDualStack"
    status, evidence = not_passed(changed(facts("dual-stack"), "services", [alone]), "dual-stack")["services.addresses"]
    assert (status, "but IPv4 alone" in evidence) == ("risk", True)


def test_an_open_ipv6_rule_is_a_risk() -> None:
    rules = [*facts("dual-stack").firewalls.value]
    rules.append({"name": "all", "direction": "INGRESS", "allowed": [{}], "sourceRanges": ["::/0"]})
    failed = not_passed(changed(facts("dual-stack"), "firewalls", rules), "dual-stack")
    assert failed == {"compute.exposure": ("risk", "firewall rule all admits ::/0")}


def test_what_cannot_be_read_is_unknown_and_what_does_not_exist_here_does_not_apply() -> None:
    values = {name: getattr(facts("routes"), name) for name in Facts.__dataclass_fields__}
    hidden = Facts(
        **{
            **values,
            "cloud_controller_manager": Reading(NotApplicable("in the seed")),
            "daemon_sets": Reading(Unavailable("no answer")),
            "proxy_configurations": Reading([]),
        }
    )
    assert {name: status for name, (status, _) in not_passed(hidden, "routes").items()} == {
        "control-plane.cloud-controller-manager": "not-applicable",
        "agents.rolled-out": "unknown",
        "agents.kube-proxy": "not-applicable",
    }


@pytest.mark.parametrize("flags", [{"configure-cloud-routes": "true"}, {"configure-cloud-routes": "false"}])
def test_after_the_cut_over_every_pod_takes_ranges_from_aliases(flags: dict[str, str]) -> None:
    good = {"configure-cloud-routes": "false", "cidr-allocator-type": "CloudAllocator"}
    found = changed(facts("aliases"), "cloud_controller_manager", ControllerManager((good, flags), 2, 2))
    assert list(not_passed(found, "aliases")) == ["control-plane.cloud-controller-manager"]
