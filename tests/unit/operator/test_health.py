"""What /healthz and /readyz answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dualstack.gardener.model.kinds import INFRASTRUCTURE, SHOOT
from dualstack.kube.interface import NotFound, Unauthenticated, Unavailable
from dualstack.model.errors import KubeError
from dualstack.model.kinds import Kind
from dualstack.operator import health as health_module
from dualstack.operator.health import Health
from dualstack.operator.leadership import Leadership
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from tests.support.store_kube import StoreKube
from tests.unit.operator.clocks import StillClock


def leadership() -> Leadership:
    return Leadership(StoreKube(KubeStore(StillClock(), Chance(1))), "default", "me", StillClock())


def expecting(lease: Leadership | None = None) -> Health:
    health = Health()
    health.expect([INFRASTRUCTURE])
    health.leadership = lease
    return health


def test_p12_it_is_not_ready_before_each_kind_is_listed() -> None:
    assert Health().unready() == "the operator is starting"
    health = expecting()
    assert health.unready() == "infrastructures: not listed yet"
    health.listed(INFRASTRUCTURE)
    assert (health.unready(), health.unhealthy(), health.remark()) == ("", "", "ok")


def test_p12_refused_credentials_are_not_ready_and_after_a_while_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart reads a kubeconfig with a static token again."""
    now = 1000.0
    monkeypatch.setattr("dualstack.operator.health.time.monotonic", lambda: now)
    health = expecting()
    health.listed(INFRASTRUCTURE)
    health.failed(INFRASTRUCTURE, Unauthenticated("Unauthorized"))
    assert (health.unready(), health.unhealthy()) == ("infrastructures: Unauthorized", "")
    now += health_module.REFUSED + 1
    health._beat = now
    health.failed(INFRASTRUCTURE, Unauthenticated("Unauthorized"))
    assert health.unhealthy() == "the API server has not accepted the credentials for 301 s"
    health.failed(INFRASTRUCTURE, Unavailable("down"))
    assert (health.unready(), health.unhealthy()) == ("infrastructures: down", "")


def test_p12_the_credentials_of_one_api_server_are_refused_although_another_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("dualstack.operator.health.time.monotonic", lambda: now)
    health = Health()
    health.expect([INFRASTRUCTURE, SHOOT])
    health.failed(INFRASTRUCTURE, Unauthenticated("Unauthorized"))
    now += health_module.REFUSED + 1
    health._beat = now
    health.failed(SHOOT, Unavailable("down"))
    health.listed(SHOOT)
    assert health.unhealthy() == "the API server has not accepted the credentials for 301 s"
    health.listed(INFRASTRUCTURE)
    assert health.unhealthy() == ""


async def test_x6_a_process_that_stands_by_is_ready_and_says_so() -> None:
    lease = leadership()
    health = expecting(lease)
    assert health.unready() == "the Lease has not been read yet"
    lease.problem, lease.leader = "", "other"
    assert (health.unready(), health.remark()) == ("", "ok: stands by, other leads")
    await lease.acquire()
    assert health.unready() == "infrastructures: not listed yet"
    health.listed(INFRASTRUCTURE)
    assert (health.unready(), health.remark()) == ("", "ok")
    lease.problem = "Lease default/dualstack-operator: down"
    assert health.unready() == lease.problem


class Server:
    """An API server that hangs, answers with an error, or answers."""

    def __init__(self) -> None:
        self.hangs = False
        self.error: KubeError | None = None

    async def probe(self, kind: Kind) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


async def until(found: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if found():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("not within 10 s")


async def test_p12_an_api_server_that_hangs_is_not_ready_although_its_watches_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a kind that is followed, when its API server hangs or fails, then the process is not ready until it answers
    again; a refusal is an answer."""
    assert health_module.ASK + health_module.ANSWER <= 30.0
    monkeypatch.setattr(health_module, "ASK", 0.001)
    monkeypatch.setattr(health_module, "ANSWER", 0.01)
    health, server = expecting(), Server()
    health.listed(INFRASTRUCTURE)
    asking = asyncio.create_task(health.ask(server, "https://seed", INFRASTRUCTURE))
    server.hangs = True
    await until(lambda: health.unready() == "https://seed has not answered within 0 s")
    server.hangs, server.error = False, Unavailable("etcd is down")
    await until(lambda: health.unready() == "https://seed: etcd is down")
    assert health.unhealthy() == ""
    server.error = NotFound("no such kind")
    await until(lambda: health.unready() == "")
    asking.cancel()
