"""What the owner of a cluster can do next, and what to expect."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.live.advice import next_steps
from dualstack.live.identify import Identity, PlatformName
from dualstack.live.state import Standing
from tests.support.memory_platform import CLUSTER

WINDOW = "22:00 +01:00 to 23:00 +01:00"


def steps(platform: PlatformName, now: Standing, window: str = "", **given: Any) -> tuple[str, ...]:
    values = {"subnet_dual_stack": False, "nodes": 3, "dual_stack": 0, **given}
    return next_steps(Identity(platform, "", CLUSTER, window), now, **values)


@pytest.mark.parametrize(("window", "words"), [(WINDOW, f" ({WINDOW})"), ("", "")])
def test_a_prepared_shoot_says_what_a_reconcile_shows_and_when_it_comes(window: str, words: str) -> None:
    first = steps("gardener", "prepared", window)[0]
    assert "shows an error in the Shoot's status" in first
    assert f"in the maintenance window{words}, after a change" in first


def test_other_clusters_have_no_such_reconcile() -> None:
    found = steps("kubeadm", "prepared")
    assert not [step for step in found if "reconcile" in step]
    assert found[0].startswith("Set --configure-cloud-routes=false")


def test_a_cluster_back_on_routes_needs_its_route_controller_again() -> None:
    found = " ".join(steps("kubeadm", "routes", stopped=True))
    assert "set --configure-cloud-routes=true" in found
    assert "`dualstack verify`" in found
    assert "prepare" not in found
    assert steps("kubeadm", "routes") == ("Run `dualstack preflight`, then `dualstack prepare`.",)
    image = "Run `dualstack preflight`, then `dualstack prepare --prober-image IMAGE`."
    assert steps("gardener", "routes", stopped=True) == (image,)


def test_a_prepared_cluster_whose_route_controller_has_stopped_is_to_be_finished() -> None:
    found = steps("kubeadm", "prepared", stopped=True)
    assert found == ("The route controller has stopped. Run `dualstack finish`.",)


def test_a_prepared_shoot_whose_migration_has_begun_is_not_to_be_edited_again() -> None:
    """Given a prepared Shoot whose subnet Gardener has made dual-stack, then the advice is what it waits for."""
    found = " ".join(steps("gardener", "prepared", subnet_dual_stack=True))
    assert "ipFamilies" not in found
    assert "shoot.gardener.cloud/tasks=deployInfrastructure" in found
    assert "Run `dualstack finish`" in found
    assert "Set --configure-cloud-routes=false" in " ".join(steps("kubeadm", "prepared", subnet_dual_stack=True))


def test_a_finished_shoot_says_that_its_nodes_are_replaced_and_how_to_request_it() -> None:
    found = " ".join(steps("gardener", "finished", WINDOW, subnet_dual_stack=True))
    assert f"in the next maintenance window ({WINDOW})" in found
    assert "gardener.cloud/operation=rollout-workers=*" in found
    begun = " ".join(steps("gardener", "finished", WINDOW, subnet_dual_stack=True, dual_stack=1))
    assert begun.startswith("2 of 3 nodes are still IPv4. If Gardener does not replace them already, it does so in the")
    replaced = " ".join(steps("gardener", "finished", WINDOW, subnet_dual_stack=True, dual_stack=3))
    assert replaced.startswith("Every node is dual-stack.")
    assert "rollout-workers" not in replaced


@pytest.mark.parametrize(
    ("subnet", "words"),
    [(False, "`dualstack migrate` changes the subnet"), (True, "the nodes subnet is dual-stack")],
)
def test_a_finished_cluster_of_its_owner_says_what_is_left(subnet: bool, words: str) -> None:
    found = " ".join(steps("kubeadm", "finished", subnet_dual_stack=subnet))
    assert words in found
    assert "Run `dualstack verify`." in found
