"""The announcement of a migration on the Infrastructure."""

from __future__ import annotations

from dualstack.model import kinds
from tests.sim.infrastructure.scene import Scene


def announced(made: Scene) -> dict[str, str]:
    """Reason and message of the Events on the Infrastructure."""
    listed = made.store.list(kinds.EVENT, made.namespace)
    return {event["reason"]: event["message"] for event in listed if event["involvedObject"]["name"] == made.shoot}
