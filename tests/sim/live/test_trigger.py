"""`prepare --trigger`: the Shoot becomes dual-stack when the cluster is prepared, and only then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dualstack.gardener.model.kinds import SHOOT
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from tests.sim.live.commands import mutations, run
from tests.sim.rehearsal.command import EXAMPLE, served

pytestmark = pytest.mark.slow

IMAGE = "--prober-image=dualstack:any"


def families(facts: dict[str, Any]) -> list[str]:
    async def read() -> list[str]:
        kube = LightkubeKube.connect(find_connection(Path(facts["gardenKubeconfig"])))
        try:
            shoot = await kube.get(SHOOT, "bar", "garden-foo")
            return list((shoot or {})["spec"]["networking"]["ipFamilies"])
        finally:
            await kube.close()

    return asyncio.run(read())


def test_the_shoot_is_edited_when_the_cluster_is_prepared() -> None:
    with served(str(EXAMPLE), "--speed", "60", "--landscape", "gardener") as facts:
        garden = f"--garden-kubeconfig={facts['gardenKubeconfig']}"
        for refused, words in (
            (["--trigger"], "--trigger: it needs --garden-kubeconfig FILE"),
            (["--trigger", garden, "--shoot=garden-foo/other"], "the garden has no Shoot garden-foo/other"),
            (["--undo", "--trigger"], "--undo and --trigger exclude each other"),
        ):
            outcome = run(facts, "prepare", "--yes", IMAGE, *refused)
            assert outcome.status == 2
            assert words in outcome.err
        assert mutations(facts) == 0
        assert families(facts) == ["IPv4"]
        for said in (
            ": spec.networking.ipFamilies is now IPv4, IPv6; Gardener reconciles it now.",
            " already has IPv4, IPv6",
        ):
            outcome = run(facts, "prepare", "--yes", IMAGE, "--trigger", garden)
            assert outcome.status == 0, outcome.err
            assert f"Shoot garden-foo/bar{said}" in outcome.err
        assert families(facts) == ["IPv4", "IPv6"]


def test_another_platform_has_no_shoot() -> None:
    with served(str(EXAMPLE), "--speed", "60", "--landscape", "kubeadm") as facts:
        outcome = run(facts, "prepare", "--yes", IMAGE, "--trigger", f"--garden-kubeconfig={facts['kubeconfig']}")
        assert outcome.status == 2
        assert "--garden-kubeconfig: this is no Gardener shoot but kubeadm" in outcome.err
