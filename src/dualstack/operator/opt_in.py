"""Only Shoots whose owner has opted in are touched (docs/reference/design-rules.md#opt-in)."""

from __future__ import annotations

import structlog

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.model.kinds import CLUSTER, SHOOT
from dualstack.gardener.model.names import ENABLED
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.operator.queue import Key

OF_SHOOTS = ("shoot", "annotations")
"""The controllers whose keys name a Shoot; those of the others name an extension object."""


RECHECK = 60.0
"""Seconds until the request of an extension object is looked at again; the watch shows only Shoots that opt in."""


def is_opted_in(shoot: Manifest | None) -> bool:
    """Whether the Shoot has the annotation."""
    return bool(dig(shoot, "metadata", "annotations", ENABLED) == "true")


class OptIn:
    """Whether the Shoot of a key has opted in, read at each reconcile from the Shoot or its copy in the Cluster."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._told: set[Key] = set()

    async def allows(self, key: Key) -> bool:
        """False, with one line in the log, for a Shoot without the annotation. Raises KubeError."""
        if key.controller in OF_SHOOTS:
            shoot = await self._clusters.garden.get(SHOOT, key.name, key.namespace)
        else:
            shoot = dig(await self._clusters.seed.get(CLUSTER, key.namespace), "spec", "shoot")
        if is_opted_in(shoot):
            self._told.discard(key)
            return True
        if shoot is not None and key not in self._told:
            self._told.add(key)
            words = f"left alone: its Shoot does not have the annotation {ENABLED}: true"
            structlog.get_logger("dualstack").info(
                words, controller=key.controller, namespace=key.namespace, object=key.name
            )
        return False

    @staticmethod
    def recheck(key: Key) -> float | None:
        """Seconds until a key that is not allowed is tried again; None if a watch event does that."""
        return None if key.controller in OF_SHOOTS else RECHECK
