"""A trial on a cloud that fails: no wrong answer, and nothing is left."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.model.errors import DualstackError
from dualstack_sim.faults import parse_faults
from dualstack_sim.rules.profiles import PROFILES
from tests.sim.trial.expected import QUICK
from tests.sim.trial.world import world

OF_TIMES = ("request-latency", "prefix-arrival")
"""Faults change these times indeed."""
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


WITH_TRAFFIC = ("guest-agent", "transitions", "nic-stack-type")
OF_THE_VMS = ("stale", "wrong operationError", "vm deleted")
"""Kinds that concern what experiments with packets rest on."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "names"),
    [*((kind, QUICK) for kind in KINDS), *((kind, WITH_TRAFFIC) for kind in OF_THE_VMS)],
)
async def test_every_kind_of_fault_gives_no_wrong_answer_and_leaves_nothing(kind: str, names: tuple[str, ...]) -> None:
    faults = parse_faults({"faults": [KINDS[kind] | SOMETIMES]})
    async with world(faults=faults, seed=3) as made:
        before = made.resources()
        try:
            trial = await made.trial(*names)
        except DualstackError:
            knobs = {}  # the site could not be built
        else:
            knobs = {name: value for name, value in trial.knobs.items() if name not in OF_TIMES}
        assert await made.clean_up() == ()
        assert made.resources() == before
    assert knobs.items() <= PROFILES["documented"].items()
