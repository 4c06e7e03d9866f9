"""One small experiment for each rule: whether the world behaves as the rule says.

A scenario must return True while its rule is on and False while it is off; all other rules are on in both runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.sim.compute.cloud import Cloud, Json, Setting, running

Scenario = Callable[[], Awaitable[bool]]
Experiment = Callable[[Cloud], Awaitable[bool]]

SCENARIOS: dict[str, Scenario] = {}


def _enter(rule: str, scenario: Scenario) -> None:
    if rule in SCENARIOS:
        raise ValueError(f"two scenarios for {rule}")
    SCENARIOS[rule] = scenario


def in_fabric(rule: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """A scenario of the data path alone."""

    def enter(experiment: Callable[[], bool]) -> Callable[[], bool]:
        async def run() -> bool:
            return experiment()

        _enter(rule, run)
        return experiment

    return enter


def over_http(rule: str, nodes: int = 1, **setting: Any) -> Callable[[Experiment], Experiment]:
    """A scenario that calls a fresh cloud with a subnetwork `nodes` and that many VMs with routes."""

    def enter(experiment: Experiment) -> Experiment:
        async def run() -> bool:
            async with running(Setting(**setting)) as cloud:
                cloud.populate(nodes)
                return await experiment(cloud)

        _enter(rule, run)
        return experiment

    return enter


async def status(cloud: Cloud, verb: str, path: str, body: object = None, **query: str) -> int:
    """The HTTP status of a request, which may have any body; the response may be anything."""
    async with cloud.session.request(
        verb, f"{cloud.root}/compute/v1/projects/proj-1/{path}", json=body, params=query
    ) as response:
        return response.status


async def failure(cloud: Cloud, verb: str, path: str, body: Json | None = None, **query: str) -> str:
    """The outcome of a mutation: "" for success, the reason of a refusal, or the code of the operation's error."""
    code, document = await cloud.call(verb, path, body, **query)
    if code >= 400:
        return str(document["error"]["errors"][0]["reason"])
    operation = await cloud.ended(document)
    return str(operation["error"]["errors"][0]["code"]) if "error" in operation else ""
