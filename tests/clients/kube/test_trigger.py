"""The edit of `prepare --trigger` on an API server with the garden's admission: tried first, then made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import yaml
from tests.sim.rehearsal.command import EXAMPLE
from tests.support.loopback import connection, on_loopback

from dualstack.cli.live.trigger import Trigger
from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import OPERATION, TASK_DEPLOY_INFRASTRUCTURE, TASKS
from dualstack.kube.client import LightkubeKube
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, NAMESPACE, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.admission import register
from dualstack_sim.world.gardener.definitions import definitions

NAMESPACE_NAME = "garden-foo"
AT = 1_800_000_000.0  # 2027-01-15 08:00 UTC

Make = Callable[..., Trigger]


@pytest.fixture
def garden() -> KubeStore:
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"metadata": {"name": NAMESPACE_NAME}})
    register(store.admission)
    return store


@pytest.fixture
async def make(garden: KubeStore) -> AsyncIterator[Make]:
    async with on_loopback(create_app(garden)) as root:
        kube = LightkubeKube.connect(connection(root))
        yield lambda now=False: Trigger(kube, NAMESPACE_NAME, "bar", now)
        await kube.close()


def place(garden: KubeStore, maintenance: dict[str, Any] | None = None) -> None:
    shoot: Manifest = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    shoot["spec"] = {**shoot["spec"], **({"maintenance": maintenance} if maintenance else {})}
    garden.create(SHOOT, shoot)


def shoot_of(garden: KubeStore) -> Manifest:
    found = garden.get(SHOOT, "bar", NAMESPACE_NAME)
    assert found is not None
    return found


async def test_the_edit_is_tried_without_being_stored_and_then_made(garden: KubeStore, make: Make) -> None:
    place(garden)
    before = shoot_of(garden)
    await make().rehearse()
    assert shoot_of(garden) == before
    said = await make().pull(AT)
    assert "is now IPv4, IPv6; Gardener reconciles it now." in said
    after = shoot_of(garden)
    assert after["spec"]["networking"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert after["metadata"]["annotations"][TASKS] == TASK_DEPLOY_INFRASTRUCTURE
    assert OPERATION not in after["metadata"]["annotations"]
    assert await make().pull(AT) == "Shoot garden-foo/bar already has IPv4, IPv6."
    assert shoot_of(garden) == after


async def test_a_shoot_that_confines_changes_to_its_window_is_said_and_now_overrides_it(
    garden: KubeStore, make: Make
) -> None:
    window = {"begin": "220000+0100", "end": "230000+0100"}
    place(garden, {"confineSpecUpdateRollout": True, "timeWindow": window})
    said = await make().pull(AT)
    assert "next maintenance window, which begins at 2027-01-15 21:00 UTC" in said
    assert OPERATION not in (shoot_of(garden)["metadata"].get("annotations") or {})
    assert "already has IPv4, IPv6; Gardener reconciles it now." in await make(now=True).pull(AT)
    assert shoot_of(garden)["metadata"]["annotations"][OPERATION] == "reconcile"


async def test_an_edit_that_the_garden_refuses_is_found_before_the_first_change(garden: KubeStore, make: Make) -> None:
    place(garden)
    garden.admission.register(SHOOT.group, SHOOT.plural, _refuse)
    with pytest.raises(InvalidInput, match=r"the garden refuses the edit of Shoot garden-foo/bar: .*overlay"):
        await make().rehearse()


def _refuse(operation: str, kind: Any, old: Manifest | None, new: Manifest) -> Manifest:
    raise StatusError(403, "Forbidden", "admission webhook denied the request: overlay must be set to false")


async def test_a_shoot_that_is_being_deleted_is_refused(garden: KubeStore, make: Make) -> None:
    place(garden)
    garden.patch(SHOOT, "bar", {"metadata": {"finalizers": ["gardener"]}}, NAMESPACE_NAME)
    garden.delete(SHOOT, "bar", NAMESPACE_NAME)
    with pytest.raises(InvalidInput, match="Shoot garden-foo/bar is being deleted"):
        await make().rehearse()
