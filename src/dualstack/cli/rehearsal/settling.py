"""What is waited for before the verdict: the agents of the last new node start while the Shoot already says done.

The constraints speak of Nodes alone (gardener-behaviour.md 2), and a Node is Ready before each of its pods is.
"""

from __future__ import annotations

from dualstack.cli.rehearsal.cluster_checks import nodes_ready
from dualstack.cli.rehearsal.endpoints import Endpoints
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.kinds import DAEMON_SET, Manifest

LOOKS = 40
"""Looks rather than seconds: on a busy machine minutes of a fast clock may pass in which nobody gets to act."""

EVERY = 15.0
"""Simulated seconds from one look to the next."""


async def settle(endpoints: Endpoints, shoot: ShootView) -> bool:
    """Return when every node is Ready and runs every agent, in its newest form; False if that does not come about.

    The checks that follow say what is missing then.
    """
    for _ in range(LOOKS):
        if await _at_rest(endpoints, shoot):
            return True
        await endpoints.clock.sleep(EVERY)
    return False


async def _at_rest(endpoints: Endpoints, shoot: ShootView) -> bool:
    ready, _ = await nodes_ready(endpoints, shoot)
    return ready and not any(map(_is_behind, await endpoints.list_all(DAEMON_SET, "kube-system")))


def _is_behind(daemon_set: Manifest) -> bool:
    status = daemon_set.get("status") or {}
    counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady")
    return len({status.get(count, 0) for count in counts}) > 1
