"""A cluster without any Gardener object, from routes to aliases, with the commands as a person types them."""

from __future__ import annotations

import signal

import pytest

from tests.sim.live.commands import run, started
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import PROBED, SPEED, Client


@pytest.mark.slow
@pytest.mark.parametrize(("landscape", "nodes"), [("kubeadm", "bar-nodes"), ("kops", "europe-west1-bar-example-com")])
def test_a_cluster_is_prepared_and_finished_without_loss(landscape: str, nodes: str) -> None:
    """Given a cluster that kubeadm or kOps made, when its owner prepares it, stops the route controller and finishes,
    then no route is left, every pair delivers, and none was interrupted."""
    with served(str(EXAMPLE), "--landscape", landscape, "--speed", SPEED) as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        prepared = run(facts, "prepare", "--yes", *PROBED)
        assert prepared.status == 0, prepared.err
        assert len(world.routes()) == 4
        with started(facts, "finish") as waiting:
            waiting.until("Waiting for ")
            waiting.process.send_signal(signal.SIGINT)
            assert waiting.ended() == 130
            assert waiting.lines[-1].startswith("dualstack: interrupted at await-readiness; the cluster is at rest; ")
        world.configure(configure_cloud_routes="false", cidr_allocator_type="CloudAllocator")
        finished = run(facts, "finish", "--yes")
        assert finished.status == 0, finished.err
        subnet = world.compute(f"regions/europe-west1/subnetworks/{nodes}")
        assert (world.routes(), subnet.get("allowSubnetCidrRoutesOverlap", False)) == ({}, False)
        traffic = world.traffic()
        assert (traffic["pairs"], traffic["blackoutSeconds"]["max"], traffic["brokenPairs"]) == (12, 0.0, [])


@pytest.mark.slow
def test_a_prepared_kubeadm_cluster_goes_back_to_routes_without_loss() -> None:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        assert run(facts, "prepare", "--yes", *PROBED).status == 0
        undone = run(facts, "prepare", "--undo", "--yes")
        assert undone.status == 0, undone.err
        subnet = world.compute("regions/europe-west1/subnetworks/bar-nodes")
        assert (len(world.routes()), subnet.get("secondaryIpRanges", [])) == (4, [])
        assert world.traffic()["blackoutSeconds"]["max"] == 0.0
