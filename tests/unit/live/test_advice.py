"""What the owner of a prepared cluster can do next, and what to expect."""

from __future__ import annotations

import pytest

from dualstack.live.advice import next_steps
from dualstack.live.identify import Identity
from tests.support.memory_platform import CLUSTER


@pytest.mark.parametrize(
    ("window", "words"), [("220000+0000 to 230000+0000", " (220000+0000 to 230000+0000)"), ("", "")]
)
def test_a_prepared_shoot_says_what_a_reconcile_shows_and_when_it_comes(window: str, words: str) -> None:
    first = next_steps(Identity("gardener", "", CLUSTER, window), "prepared")[0]
    assert "shows an error in the Shoot's status" in first
    assert f"in the maintenance window{words}, after a change" in first


def test_other_clusters_have_no_such_reconcile() -> None:
    steps = next_steps(Identity("kubeadm", "", CLUSTER), "prepared")
    assert not [step for step in steps if "reconcile" in step]


def test_a_prepared_cluster_whose_route_controller_has_stopped_is_to_be_finished() -> None:
    steps = next_steps(Identity("kubeadm", "", CLUSTER), "prepared", stopped=True)
    assert steps == ("The route controller has stopped. Run `dualstack finish`.",)
