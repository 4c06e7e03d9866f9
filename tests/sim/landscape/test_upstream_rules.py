"""Upstream's rules for the constraints and its conditions for an answer, as gardenlet the actor applies them."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.gardener.model.constraints import (
    DNS_MIGRATING,
    DNS_READY,
    NODES_MIGRATED,
    NODES_MIGRATING_BACK,
    NODES_NOT_MIGRATED,
    RemoveConstraint,
)
from dualstack.gardener.model.names import DNS_MIGRATION, NODES_MIGRATION
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import Manifest
from dualstack_sim.actors.gardenlet.constraints import Dns, Nodes, at_end, at_start
from dualstack_sim.actors.gardenlet.requests import missing_answer

DUAL, SINGLE = ("IPv4", "IPv6"), ("IPv4",)


def a_view(families: tuple[str, ...], **constraints: str) -> ShootView:
    status = {"constraints": [{"type": kind, "status": value} for kind, value in constraints.items()]}
    return ShootView.of(
        {
            "metadata": {"name": "bar", "namespace": "garden-foo"},
            "spec": {"networking": {"ipFamilies": list(families)}, "provider": {"type": "gcp"}},
            "status": status,
        }
    )


def nodes_of(
    families: tuple[str, ...], network: int | None, *pod_cidrs: int, infrastructure: int = 2, constraint: str = ""
) -> Nodes:
    """`network` and `pod_cidrs`: how many families the Network reports and each Node has."""
    constraints = {NODES_MIGRATION: constraint} if constraint else {}
    status: dict[str, Any] = {} if network is None else {"ipFamilies": list(DUAL[:network])}
    return Nodes(
        a_view(families, **constraints),
        {"status": status},
        {"status": {"networking": {"nodes": ["x"] * infrastructure}}},
        [{"spec": {"podCIDRs": ["x"] * count}} for count in pod_cidrs],
    )


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        (nodes_of(DUAL, 2, 1), ()),  # A
        (nodes_of(DUAL, 1, 2, 2), (NODES_MIGRATED,)),  # B
        (nodes_of(DUAL, 1, 2, 1), (NODES_NOT_MIGRATED,)),  # C
        (nodes_of(DUAL, 1), (NODES_NOT_MIGRATED,)),  # C, without nodes
        (nodes_of(SINGLE, 2, 2), (NODES_MIGRATING_BACK,)),  # D
        (nodes_of(DUAL, 1, 2, constraint="Progressing"), ()),  # E
        (nodes_of(DUAL, None, 1), ()),
    ],
)
def test_rules_at_the_start(facts: Nodes, changes: tuple[object, ...]) -> None:
    assert at_start(facts) == changes


GONE = RemoveConstraint(NODES_MIGRATION)


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        (nodes_of(DUAL, 1, 2), ()),  # F
        (nodes_of(DUAL, 1, 2, infrastructure=1, constraint="Progressing"), ()),  # G
        (nodes_of(DUAL, 1, 2, constraint="Progressing"), (NODES_MIGRATED,)),  # H
        (nodes_of(DUAL, 1, 1, constraint="Progressing"), (NODES_NOT_MIGRATED,)),  # H
        (nodes_of(DUAL, 2, 1, constraint="True"), (GONE, DNS_MIGRATING)),  # I
        (nodes_of(SINGLE, 1, 1, constraint="True"), (GONE,)),  # J
        (nodes_of(SINGLE, 1, 2, constraint="True"), ()),  # K
    ],
)
def test_rules_at_the_end(facts: Nodes, changes: tuple[object, ...]) -> None:
    assert at_end(facts) == changes


def a_pod(addresses: int) -> Manifest:
    return {"status": {"podIPs": [{"ip": "x"}] * addresses}}


@pytest.mark.parametrize(
    ("constraint", "service", "pods", "changes", "restart"),
    [
        (None, 1, [1], (), False),
        ("Progressing", 1, [], (), False),
        ("Progressing", 1, [1, 2], (), True),
        ("Progressing", 1, [2, 2], (DNS_READY,), False),
        ("True", 1, [1], (), False),
        ("True", 2, [2], (RemoveConstraint(DNS_MIGRATION),), False),
    ],
)
def test_rules_of_the_dns_constraint(
    constraint: str | None, service: int, pods: list[int], changes: tuple[object, ...], restart: bool
) -> None:
    known = {} if constraint is None else {DNS_MIGRATION: constraint}
    facts = Dns(a_view(DUAL, **known), {"spec": {"clusterIPs": ["x"] * service}}, [a_pod(count) for count in pods])
    assert (facts.changes(), facts.restart_due) == (changes, restart)


STAMP = "2026-11-28T10:00:00.500000Z"


def an_answer(state: str = "Succeeded", at: str = "2026-11-28T10:00:00Z", **changes: Any) -> Manifest:
    status = {"observedGeneration": 1, "lastOperation": {"state": state, "lastUpdateTime": at}}
    annotations = {"gardener.cloud/timestamp": STAMP}
    return {
        "metadata": {"generation": 1, "annotations": annotations | changes.get("annotations", {})},
        "status": status | changes.get("status", {}),
    }


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (an_answer(), None),
        (None, "the object does not exist"),
        (an_answer(annotations={"gardener.cloud/timestamp": "another"}), "wrong operation timestamp annotation"),
        (an_answer(status={"lastError": {"description": "no."}}), "error during reconciliation: no."),
        (an_answer(status={"observedGeneration": 0}), "observed generation outdated (0/1)"),
        (an_answer(annotations={"gardener.cloud/operation": "reconcile"}), "not yet picked up"),
        (an_answer("Processing"), "extension state is not Succeeded but Processing"),
        (an_answer(at="2026-11-28T09:59:59Z"), "was not updated since the request"),
    ],
)
def test_p7_an_answer_is_complete_for_gardenlet(found: Manifest | None, missing: str | None) -> None:
    answer = missing_answer(found, STAMP)
    assert answer is None if missing is None else missing in str(answer)
