"""`dualstack rollback` from each state that can be left."""

from __future__ import annotations

import pytest

from tests.sim.live.commands import mutations, run
from tests.sim.rehearsal.command import EXAMPLE, Outcome, served
from tests.sim.world.client import Client

SPEED = "300"
IMAGE = ("--prober-image", "dualstack:rehearsed")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
SUBNET = "regions/europe-west1/subnetworks/bar-nodes"


def command(facts: dict[str, object], name: str, *arguments: str) -> Outcome:
    return run(facts, name, "--yes", "-o", "json", *arguments)


@pytest.mark.slow
def test_a_finished_cluster_goes_back_where_the_cloud_accepts_routes_in_the_range() -> None:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED, "--knob", "K1=allow") as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        before = world.routes()
        canary = "bar-w1-2"
        prepared = command(facts, "prepare", *IMAGE, "--canary", canary)
        assert prepared.status == 0, prepared.err
        assert f"add-alias-canary: {canary}" in prepared.err
        world.configure(configure_cloud_routes="false")
        finished = command(facts, "finish", "--canary", canary)
        assert finished.status == 0, finished.err
        assert world.nodes()[canary]["metadata"]["uid"] in finished.err.split("delete-route-canary: ")[1].split("\n")[0]
        assert world.routes() == {}
        back = command(facts, "rollback", "--to", "aliases")
        assert (back.status, back.result["standing"]) == (0, "prepared"), back.err
        assert world.routes() == before
        back = command(facts, "rollback")
        assert (back.status, back.result["standing"]) == (0, "routes"), back.err
        assert "set --configure-cloud-routes=true" in back.result["nextSteps"][0]
        world.configure(configure_cloud_routes="true")
        world.pass_time(30.0)
        assert world.routes() == before
        subnet = world.compute(SUBNET)
        assert not subnet.get("allowSubnetCidrRoutesOverlap")
        assert not subnet.get("secondaryIpRanges")
        assert world.traffic()["brokenPairs"] == []


@pytest.mark.slow
def test_where_the_cloud_refuses_routes_in_the_range_nothing_is_taken_from_a_finished_cluster() -> None:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        assert command(facts, "prepare", *IMAGE).status == 0
        world.configure(configure_cloud_routes="false")
        assert command(facts, "finish").status == 0
        refused = command(facts, "rollback")
        assert refused.status == 1
        assert "the cloud refuses a static route inside the range" in refused.err.splitlines()[-1]
        assert "run `dualstack finish` to go forward" in refused.err.splitlines()[-1]
        assert "delete the nodes" not in refused.err
        finished = command(facts, "finish")
        assert (finished.status, finished.result["standing"]) == (0, "finished"), finished.err
        assert world.traffic()["brokenPairs"] == []


@pytest.mark.slow
def test_an_unknown_canary_and_a_stage_that_was_not_reached_are_refused_before_any_change() -> None:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        outcome = command(facts, "prepare", "--canary", "bar-w1-9")
        assert outcome.status == 2
        assert outcome.err == (
            "dualstack: --canary bar-w1-9: the cluster has no node of this name with a VM and a pod CIDR\n"
        )
        outcome = command(facts, "rollback", "--to", "range")
        assert outcome.status == 2
        assert outcome.err == (
            "dualstack: --to range: the cluster has not reached that stage (routes only); run `dualstack prepare` to "
            "go forward\n"
        )
        for way in ("rollback", "prepare --undo"):
            outcome = run(facts, way)  # without --yes: there is nothing to ask
            assert (outcome.status, outcome.err) == (0, "Nothing to do: the cluster has routes only.\n")
            assert f"  {way}: routes; 0 of 4 nodes have their alias, 4 routes\n" in outcome.out
        lease = {"holderIdentity": "other", "renewTime": "2999-01-01T00:00:00.000000Z", "leaseDurationSeconds": 60}
        Client(facts).kube(LEASES, "POST", {"metadata": {"name": "dualstack-cut-over"}, "spec": lease})
        outcome = command(facts, "rollback")
        assert "is held by other, renewed 2999-01-01" in outcome.err
        assert outcome.status == 0, outcome.err
        assert mutations(facts) == 0
