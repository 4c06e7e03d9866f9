"""One operator process for many Shoots: a project whose Compute API hangs delays only its own Shoots."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE
from dualstack.gardener.model.names import ENABLED
from dualstack.gardener.model.shoot import load_shoot
from dualstack.model.kinds import CRD, NAMESPACE, SECRET
from dualstack.model.manifests import manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener.credentials import cloud_provider_secret
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.loopback import kubeconfig, on_loopback

SLOW = 6
EXAMPLE = Path(__file__).parents[3] / "examples" / "shoot.yaml"


def place(store: KubeStore, project: str, name: str, token_uri: str) -> None:
    """An Infrastructure that requests a reconcile, with what it needs."""
    namespace = f"shoot--foo--{name}"
    store.create(NAMESPACE, manifest(NAMESPACE, namespace))
    store.create(SECRET, cloud_provider_secret(namespace, project, token_uri))
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["metadata"] |= {"name": name, "annotations": {ENABLED: "true"}}
    store.create(CLUSTER, manifest(CLUSTER, namespace, spec={"shoot": shoot, "seed": {}, "cloudProfile": {}}))
    spec = {
        "type": "gcp",
        "region": "europe-west1",
        "secretRef": {"name": "cloudprovider", "namespace": namespace},
        "providerConfig": shoot["spec"]["provider"]["infrastructureConfig"],
    }
    wanted: dict[str, Any] = manifest(INFRASTRUCTURE, name, namespace, spec=spec)
    wanted["metadata"]["annotations"] = {"gardener.cloud/operation": "reconcile"}
    store.create(INFRASTRUCTURE, wanted)


@pytest.mark.slow
async def test_one_project_that_hangs_holds_no_other_back(tmp_path: Path) -> None:
    """Given more Shoots in a project that hangs than reconciles may work at a time, when another project answers, then
    its Shoot has the answer."""
    store = KubeStore(ScaledClock(), Chance(1))
    for each in definitions():
        store.create(CRD, each)
    hanging: set[str] = set()

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})

    async def compute(request: web.Request) -> web.Response:
        project = request.match_info["project"]
        if project.startswith("slow"):
            hanging.add(project)
            await asyncio.sleep(600)
        error = {"code": 403, "message": "disabled", "errors": [{"reason": "accessNotConfigured"}]}
        return web.json_response({"error": error}, status=403)

    cloud = web.Application()
    cloud.router.add_post("/token", token)
    cloud.router.add_route("*", "/compute/v1/projects/{project}{tail:.*}", compute)
    async with on_loopback(cloud) as compute_url, on_loopback(create_app(store)) as url:
        for number in range(SLOW):
            place(store, f"slow-{number}", f"slow-{number}", f"{compute_url}/token")
        place(store, "quick", "quick", f"{compute_url}/token")
        with (tmp_path / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dualstack", "operator", "--kubeconfig", str(kubeconfig(tmp_path, url))),
                *("--compute-endpoint", compute_url, "--concurrent-syncs", "2"),
                stderr=log,
            )
        try:
            for _ in range(450):
                found = store.get(INFRASTRUCTURE, "quick", "shoot--foo--quick") or {}
                if "lastError" in found.get("status", {}):
                    break
                await asyncio.sleep(0.2)
            else:
                raise AssertionError((tmp_path / "log").read_text())
            assert hanging
            assert process.returncode is None
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                assert await asyncio.wait_for(process.wait(), 25) == 0, (tmp_path / "log").read_text()
            finally:
                if process.returncode is None:
                    process.kill()
