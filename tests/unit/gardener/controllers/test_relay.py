"""The cut-over annotation reaches the Infrastructure controller while it works, without another pass."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gardener.controllers.migration import Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.names import CUT_OVER
from dualstack.model.json_path import dig


@pytest.mark.parametrize("value", ["back", None])
async def test_an_annotation_of_the_shoot_is_relayed_while_its_infrastructure_is_waited_for(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = Migration()
    if value is None:
        body = {"metadata": {"annotations": {CUT_OVER: "back"}}}
        migration.world.store.patch(gardener_kinds.SHOOT, "bar", body, "garden-foo")
    migration.trigger()
    seen: list[Any] = []
    react = migration.world.clock.sleep

    async def sleep(seconds: float) -> None:
        """No answer for three looks; the annotation changes after the first."""
        seen.append(
            dig(migration.get(gardener_kinds.CLUSTER, NS, None), "spec", "shoot", "metadata", "annotations", CUT_OVER)
        )
        if len(seen) == 1:
            body = {"metadata": {"annotations": {CUT_OVER: value}}}
            migration.world.store.patch(gardener_kinds.SHOOT, "bar", body, "garden-foo")
        if len(seen) >= 3:
            await react(seconds)

    monkeypatch.setattr(migration.world.clock, "sleep", sleep)
    await migration.controller.reconcile("bar", "garden-foo")
    before = None if value else "back"
    assert seen[:3] == [before, value, value]
