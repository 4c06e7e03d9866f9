"""A trial on a cloud that fails: no wrong answer, and nothing is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from dualstack.trial.document import Trial
from dualstack.trial.run import TrialFailed
from dualstack_sim.faults import parse_faults
from tests.sim.trial.expected import QUICK
from tests.sim.trial.world import world

SOMETIMES = {"probability": 0.05, "count": 999}
INTERNAL = {"code": "INTERNAL_ERROR", "message": "Internal error."}
KINDS: dict[str, dict[str, Any]] = {
    "latency": {"method": "*", "latency": 30},
    "pending": {"method": "*", "pending": 120},
    "operationError": {"method": "*", "operationError": INTERNAL},
    "wrong operationError": {
        "method": "*",
        "operationError": {"code": "INVALID_FIELD_VALUE", "message": "Invalid value."},
    },
    "errorBefore": {"method": "*", "errorBefore": {"status": 503}},
    "errorAfter": {"method": "*", "errorAfter": {"status": 503}},
    "cut before": {"method": "*", "cut": "before"},
    "cut after": {"method": "*", "cut": "after"},
    "stale": {"method": "*", "stale": 60},
    "meanwhile": {
        "method": "subnetworks.patch",
        "meanwhile": {"method": "subnetworks.setPrivateIpGoogleAccess", "body": {"privateIpGoogleAccess": True}},
    },
    "quota": {"method": "*", "quota": {"limit": "REQUESTS_PER_MINUTE", "value": 10, "seconds": 60}},
    "stuck": {"method": "instances.updateNetworkInterface", "stuck": "error"},
    "vm stopped": {"method": "instances.*", "vm": {"becomes": "stopped"}},
    "vm deleted": {"method": "instances.*", "vm": {"becomes": "deleted"}},
}


WHOLE = ("cut after", "meanwhile", "quota", "stuck", "vm stopped")
WITH_TRAFFIC = ("guest-agent", "transitions", "nic-stack-type")
OF_THE_VMS = ("stale", "wrong operationError", "vm deleted")
"""Kinds that concern what experiments with packets rest on."""
DOCUMENTED = {
    "T1": "shown",
    "subnetwork-patch": "grouped",
    "T2": "accepted with the flag, refused without",
    "route-conflict": "refused in the operation",
    "T8": "deny",
    "T9": "refuse",
    "T15": "equal",
    "prefix-arrival": "usual",
    "T16": "collapsed",
    "T7": "usual",
    "T12": "none with disable-address-manager, local route with the image's defaults",
    "alias-precedence": "alias",
    "T3": "no loss",
    "T4": "yes",
    "unmatched": "dropped with the flag, dropped without the flag",
    "T5": "accept",
    "T6": "yes",
    "routes-off": "no loss",
    "T10": "no loss",
    "T11": "no loss",
    "established-flows": "move",
    "T13": "accepted",
    "T13-aliases": "kept",
    "T13-loss": "no loss",
    "T13-lease": "without a reboot",
    "network-quotas": "refused in the operation",
    "request-latency": "observed",
}
"""What a trial finds on the cloud `documented`, by the id of the fact. `subnet-order` shows only in some runs."""


def wrong(trial: Trial) -> dict[str, str]:
    """The facts with a wrong answer. None, or a part of the answer, is not wrong."""
    return {
        fact.id: fact.describe()
        for fact in trial.facts
        if not DOCUMENTED.get(fact.id, fact.answer).startswith(fact.answer)
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        *((kind, QUICK) for kind in KINDS if kind not in WHOLE),
        *((kind, WITH_TRAFFIC) for kind in OF_THE_VMS),
        *((kind, ()) for kind in WHOLE),
    ],
    ids=lambda value: value if isinstance(value, str) else {QUICK: "quick", (): "whole"}.get(value, "traffic"),
)
async def test_every_kind_of_fault_gives_no_wrong_answer_and_leaves_nothing(kind: str, names: tuple[str, ...]) -> None:
    faults = parse_faults({"faults": [KINDS[kind] | SOMETIMES]})
    async with world(faults=faults, seed=3) as made:
        before = made.resources()
        with suppress(TrialFailed):  # the site could not be built
            assert wrong(await made.trial(*names)) == {}
        assert await made.clean_up() == ()
        assert made.resources() == before


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [80.0, 530.0])
async def test_vms_that_stop_while_packets_are_counted_give_no_wrong_answer(seconds: float) -> None:
    async with world() as made:

        async def stop() -> None:
            await made.clock.sleep(seconds)
            for key, _ in made.compute.project.inventory.all("instances"):
                if not key.name.endswith("-d"):
                    made.compute.power_off(key.scope.removeprefix("zones/"), key.name)

        tasks = []

        def heard(_: object, text: str) -> None:
            if text.startswith("transitions:"):
                tasks.append(asyncio.create_task(stop()))

        trial = await made.trial("transitions", heard=heard)
        await tasks[0]
        assert wrong(trial) == {}
        (last,) = [fact for fact in trial.facts if fact.id == "T6"]
        assert (last.answer, last.explanation) == ("", "No report comes any more from VM a, b, c.")
