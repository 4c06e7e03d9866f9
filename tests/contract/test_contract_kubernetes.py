"""client-go with protobuf bodies only, built from tests/contract/go by `make test-clients`."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from dualstack.clock import ScaledClock
from dualstack_sim.chance import Chance
from dualstack_sim.kube.protobuf import layout_document
from dualstack_sim.kube.server import create_app
from dualstack_sim.kube.store import KubeStore
from tests.support.loopback import on_loopback

BUILD = Path(__file__).parent / "go" / "build"
pytestmark = pytest.mark.clients


async def test_s1_client_go_works_with_protobuf_alone() -> None:
    """Every verb of the types that controllers write, their status and scale; nothing falls back to JSON."""
    async with on_loopback(create_app(KubeStore(ScaledClock(), Chance(1)))) as url:
        process = await asyncio.create_subprocess_exec(
            BUILD / "kubernetes", url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, err.decode()
    lines = out.decode().splitlines()
    assert [line for line in lines if not line.endswith(": ok")] == []
    assert len(lines) >= 140


def test_s1_the_layout_is_that_of_the_published_modules() -> None:
    """After a new version in go.mod, `make protobuf` writes it again."""
    made = subprocess.run([BUILD / "protobuf"], check=True, capture_output=True)
    assert json.loads(made.stdout) == json.loads(layout_document())
