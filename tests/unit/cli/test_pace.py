"""Which clusters are too large for a rehearsal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dualstack.cli.rehearsal.pace import MOST_NODES, too_large
from dualstack.gardener.model.shoot import ShootView
from dualstack_sim.world.gardener.node_placements import with_node_count

EXAMPLE = yaml.safe_load((Path(__file__).parents[3] / "examples" / "shoot.yaml").read_text(encoding="utf-8"))


def cluster(nodes: int, surge: int) -> ShootView:
    provider = EXAMPLE["spec"]["provider"]
    (pool,) = provider["workers"]
    workers = [{**pool, "maxSurge": surge}]
    shoot = {**EXAMPLE, "spec": {**EXAMPLE["spec"], "provider": {**provider, "workers": workers}}}
    return ShootView.of(with_node_count(shoot, nodes))


def largest(reason: str) -> int:
    return int(reason.partition("the largest possible number is ")[2].partition(",")[0])


@pytest.mark.parametrize(("nodes", "surge"), [(3, 1), (100, 1), (200, 1), (500, 125), (1000, 250)])
def test_r3_a_cluster_that_takes_minutes_is_not_refused(nodes: int, surge: int) -> None:
    assert too_large(cluster(nodes, surge)) is None


@pytest.mark.parametrize(("nodes", "surge"), [(500, 1), (2000, 1), (2000, 500)])
def test_r3_a_cluster_that_takes_hours_is_refused_with_the_largest_possible_number(nodes: int, surge: int) -> None:
    reason = too_large(cluster(nodes, surge))
    assert reason is not None
    assert f"with {surge} {'node' if surge == 1 else 'nodes'} replaced at a time" in reason
    assert too_large(cluster(largest(reason), surge)) is None
    assert too_large(cluster(largest(reason) + 1, surge)) is not None


@given(st.integers(1, 3000), st.integers(1, 500))
def test_r3_the_largest_number_is_exact_for_every_surge(nodes: int, surge: int) -> None:
    reason = too_large(cluster(nodes, surge))
    if reason is not None:
        assert largest(reason) < nodes
        assert largest(reason) <= MOST_NODES
        assert too_large(cluster(largest(reason), surge)) is None
