"""Answers the product's annotations of a Shoot and of its Infrastructure at once, also while a pass runs.

What is wrong with them is reported in `lastErrors` of the Shoot, as an Event and in the log, all faults together. No
cut-over begins with such an annotation (dualstack.gardener.controllers.infrastructure.shoot_findings).
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from dualstack.clock import Clock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.controllers.shoot.record import ANNOTATIONS, ShootRecord
from dualstack.gardener.model.annotations import BACK, infrastructure_faults, no_way_to_routes, shoot_faults
from dualstack.gardener.model.error_texts import CONFIGURATION_PROBLEM
from dualstack.gardener.model.kinds import INFRASTRUCTURE
from dualstack.gardener.model.names import CUT_OVER
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.errors import InvalidInput
from dualstack.model.events import Listener
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest


class AnnotationController:
    """Checks the annotations of Shoots."""

    def __init__(self, clusters: Clusters, clock: Clock, emit: Listener) -> None:
        self._clusters = clusters
        self._clock = clock
        self._emit = emit
        self._log = structlog.get_logger("dualstack.annotations")

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """Report what is wrong now, once, and remove what was reported and is right. Never repeated by itself."""
        record = ShootRecord(self._clusters, self._clock, name, namespace)
        shoot = await record.find()
        if shoot is None or shoot["metadata"].get("deletionTimestamp"):
            return None
        if dig(shoot, "spec", "provider", "type") != "gcp":
            return None
        faults = await self._faults(shoot)
        if not faults:
            await record.accepted(ANNOTATIONS)
            return None
        text = "; ".join(faults)
        if await record.refused(text, (CONFIGURATION_PROBLEM,), ANNOTATIONS):
            self._log.warning("annotation without effect", shoot=name, namespace=namespace, error=text)
            await record.events.announce_again("InvalidAnnotation", text, series=text)
            Reporter(self._emit, self._clock, ShootView.of(shoot).technical_id).notice("InvalidAnnotation", text)
        return None

    async def _faults(self, shoot: Manifest) -> list[str]:
        try:
            view = ShootView.of(shoot)
        except InvalidInput:  # the pass reports it
            return list(shoot_faults(dig(shoot, "metadata", "annotations") or {}))
        found = await self._clusters.seed.get(INFRASTRUCTURE, view.name, view.technical_id)
        return list(_all_faults(view, found))


def _all_faults(view: ShootView, infrastructure: Manifest | None) -> Iterator[str]:
    yield from shoot_faults(view.annotations)
    yield from infrastructure_faults(view.name, dig(infrastructure, "metadata", "annotations") or {})
    if view.annotations.get(CUT_OVER) == BACK:
        published = len(dig(infrastructure, "status", "networking", "nodes") or ()) > 1
        why = no_way_to_routes(dual_stack=view.dual_stack, published=published)
        if why is not None:
            yield f"metadata.annotations[{CUT_OVER}]: {BACK} has no effect: {why}"
