"""The real kubectl against the simulated API and its actors."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dualstack.model.kinds import DAEMON_SET, DEPLOYMENT, NODE, Kind
from dualstack_sim.actors.pods import is_ready
from tests.sim.actors.fixtures import (
    ActorsFixture,
    complete,
    daemon_set,
    deployment,
    place_calico,
    running_actors,
    workload_actors,
)

pytestmark = pytest.mark.clients

BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")


async def kubectl(env: ActorsFixture, home: Path, *arguments: str) -> str:
    """Run kubectl. Returns its output; fails with its error message."""
    environment = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        "--server",
        env.context.kube.url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_a_drain_respects_the_budget_and_leaves_daemon_pods(tmp_path: Path) -> None:
    async with running_actors(workload_actors, speed=60.0) as env:
        place_calico(env)
        for number, name in enumerate(("node-a", "node-b")):
            env.place_node(name, f"100.96.{number}.0/24")
        env.store.create(DAEMON_SET, daemon_set("agent"))
        env.store.create(DEPLOYMENT, deployment("web", 4))
        selector = {"matchLabels": {"app": "web"}}
        metadata = {"name": "web", "namespace": "default"}
        env.store.create(BUDGET, {"metadata": metadata, "spec": {"maxUnavailable": 1, "selector": selector}})
        await env.eventually(lambda: complete(env, "web", 4))

        lowest = 4
        draining = asyncio.ensure_future(
            kubectl(env, tmp_path, "drain", "node-a", "--ignore-daemonsets", "--delete-emptydir-data")
        )
        while not draining.done():
            lowest = min(lowest, sum(map(is_ready, env.pods("web"))))
            await env.clock.sleep(1.0)
        assert "node/node-a drained" in draining.result()
        assert lowest >= 3
        assert env.get(NODE, "node-a")["spec"]["unschedulable"] is True
        assert {pod["spec"].get("nodeName") for pod in env.pods("web")} <= {"node-b", None}
        await env.eventually(lambda: complete(env, "web", 4))
        daemons = {pod["spec"]["nodeName"] for pod in env.pods("agent", "kube-system")}
        assert daemons == {"node-a", "node-b"}

        restarted = await kubectl(env, tmp_path, "rollout", "restart", "deployment/web")
        assert "deployment.apps/web restarted" in restarted
        output = await kubectl(env, tmp_path, "rollout", "status", "deployment/web", "--timeout=60s")
        assert 'deployment "web" successfully rolled out' in output
        assert "Successfully assigned default/web-" in await kubectl(env, tmp_path, "describe", "pods")
