"""`prepare`, `finish` and upstream's migration between them, as processes, with one unmodified world for each test."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sim.live.commands import Running, eventually, mutations, run, started
from tests.sim.rehearsal.command import EXAMPLE, Outcome, served
from tests.sim.world.client import Client
from tests.support.api_servers import server_of

SPEED = "300"
NAMESPACE = "shoot--foo--bar"
SHOOT = "/apis/core.gardener.cloud/v1beta1/namespaces/garden-foo/shoots/bar"
INFRASTRUCTURE = f"/apis/extensions.gardener.cloud/v1alpha1/namespaces/{NAMESPACE}/infrastructures/bar"
IMAGE = ("--prober-image", "dualstack:rehearsed")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/dualstack-cut-over"
SUBNET = f"regions/europe-west1/subnetworks/{NAMESPACE}-nodes"


@dataclass
class Scene:
    """One world with its clients."""

    facts: dict[str, Any]
    world: Client

    def command(self, name: str, *arguments: str) -> Outcome:
        asks = () if name == "status" else ("--yes",)
        return run(self.facts, name, *asks, "-o", "json", *arguments)

    def done(self, name: str, *arguments: str) -> dict[str, Any]:
        outcome = self.command(name, *arguments)
        assert outcome.status == 0, outcome.err
        return outcome.result

    @contextmanager
    def running(self, name: str, *arguments: str) -> Iterator[Running]:
        with started(self.facts, name, *arguments) as running:
            yield running

    def patch(self, path: str, body: Any) -> None:
        """A merge patch of a Kubernetes object."""
        request = urllib.request.Request(  # noqa: S310 (loopback)
            server_of(self.facts, path) + path,
            data=json.dumps(body).encode(),
            method="PATCH",
            headers={"Content-Type": "application/merge-patch+json"},
        )
        urllib.request.urlopen(request).close()  # noqa: S310

    def subnet(self) -> dict[str, Any]:
        found: dict[str, Any] = self.world.compute(SUBNET)
        return found

    def aliases(self) -> dict[str, list[str]]:
        items = self.world.compute("aggregated/instances")["items"]
        return {
            vm["name"]: [alias["ipCidrRange"] for alias in vm["networkInterfaces"][0].get("aliasIpRanges", ())]
            for scope in items.values()
            for vm in scope.get("instances", ())
        }

    def lost(self) -> float:
        return float(self.world.traffic()["blackoutSeconds"]["max"])

    def on_routes(self) -> bool:
        """Whether nothing of a preparation is left."""
        subnet = self.subnet()
        clean = not subnet.get("allowSubnetCidrRoutesOverlap") and not subnet.get("secondaryIpRanges")
        return clean and not any(self.aliases().values()) and len(self.world.routes()) == 3


@contextmanager
def scene(*arguments: str) -> Iterator[Scene]:
    """A Gardener landscape at rest, whose traffic is watched from now on."""
    with served(str(EXAMPLE), "--landscape", "gardener", "--speed", SPEED, *arguments) as facts:
        made = Scene(facts, Client(facts))
        made.world.control("/trigger", "POST")
        yield made


def is_reconciled(made: Scene) -> bool:
    """Whether gardenlet has reconciled the infrastructure of the present spec."""
    status = made.world.kube(SHOOT)["status"]
    return len(status["networking"]["nodes"]) == 2 and status["lastOperation"]["state"] == "Succeeded"


def migrate(made: Scene) -> None:
    """Edit the Shoot, and wait until upstream's controller has deleted the routes, in its second run
    (docs/reference/gardener.md#prepared-first-run)."""
    made.patch(SHOOT, {"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}})
    eventually(lambda: is_reconciled(made), within=90.0)
    again = {"shoot.gardener.cloud/tasks": "deployInfrastructure", "gardener.cloud/operation": "reconcile"}
    made.patch(SHOOT, {"metadata": {"annotations": again}})
    eventually(lambda: not made.world.routes(), within=90.0)


@pytest.mark.slow
def test_where_aliases_are_not_matched_prepare_stops_at_the_decoys_and_undoes_everything() -> None:
    with scene("--knob", "K3=no") as made:
        outcome = made.command("prepare", *IMAGE)
        assert outcome.status == 1
        assert "gate-decoy-alias FAILED" in outcome.err
        assert "rolled back to routes only" in outcome.err.splitlines()[-1]
        assert made.on_routes()
        assert made.lost() == 0.0


@pytest.mark.slow
def test_without_a_proof_of_aliases_a_gardener_cluster_is_refused_before_any_change() -> None:
    with scene() as made:
        outcome = made.command("prepare")
        assert outcome.status == 1
        first, second = outcome.err.splitlines()[-2:]
        assert first == "dualstack: nothing was changed: the preflight found 1 blocker"
        assert second.startswith("  - alias-matched: cluster shoot--foo--bar: nothing has shown that aliases alone")
        assert second.endswith("--accept alias-matched")
        assert mutations(made.facts) == 0
        assert made.done("prepare", "--accept", "alias-matched")["standing"] == "prepared"
        assert made.lost() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["operation", "request"])
def test_t16_what_the_cloud_makes_of_a_repeated_alias_is_found_out_on_the_canary(answer: str) -> None:
    with scene("--knob", f"repeated-alias={answer}") as made:
        outcome = made.command("prepare", *IMAGE)
        if answer == "request":
            assert outcome.status == 1
            assert "names one of them twice" in outcome.err.splitlines()[-1]
            assert made.on_routes()
        else:
            assert outcome.status == 0, outcome.err
            migrate(made)
            made.world.pass_time(60.0)
        assert made.lost() == 0.0


@pytest.mark.slow
def test_a_reconcile_of_a_prepared_ipv4_shoot_is_refused_and_harms_nothing() -> None:
    with scene() as made:
        made.done("prepare", *IMAGE)
        made.patch(INFRASTRUCTURE, {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}})
        operation = eventually(
            lambda: (made.world.kube(INFRASTRUCTURE)["status"].get("lastError") or {}).get("description")
        )
        assert "resourceInUseByAnotherResource" in operation
        assert made.done("status")["standing"] == "prepared"
        early = made.command("finish", "--no-wait")
        assert early.status == 1
        assert "3 nodes, 3 routes; about 5 min 09 s." in early.err.splitlines()
        migrate(made)
        outcome = made.command("finish")
        assert "Steps: gate-aliases-alone, clear-overlap-flag." in outcome.err.splitlines()
        finished = outcome.result
        assert (finished["standing"], finished["routes"], finished["outageSeconds"]) == ("finished", 0, 0.0)
        assert made.subnet().get("allowSubnetCidrRoutesOverlap") is False
        assert made.lost() == 0.0


@pytest.mark.slow
def test_a_second_process_waits_for_a_killed_one_and_is_refused_by_a_running_one() -> None:
    with scene("--speed", "100") as made:
        with made.running("prepare", *IMAGE) as first:
            first.until("set-overlap-flag")
            refused = made.command("prepare", *IMAGE)
            assert refused.status == 1
            assert re.search(r"dualstack on \S+ .* works on this cluster \(Lease kube-system/", refused.err)
            first.process.kill()
        taken = made.command("prepare", *IMAGE)
        assert taken.status == 0, taken.err
        assert "waiting up to 60 s" in taken.err
        assert taken.result["standing"] == "prepared"
        assert made.lost() == 0.0


@pytest.mark.slow
def test_a_stopped_process_changes_nothing_after_another_has_taken_over() -> None:
    with scene("--speed", "100") as made, made.running("prepare", *IMAGE) as first:
        first.until("  set-overlap-flag")
        first.process.send_signal(signal.SIGSTOP)
        assert first.process.poll() is None
        done = made.done("prepare", *IMAGE)
        assert done["standing"] == "prepared"
        undone = made.done("prepare", "--undo")
        assert undone["standing"] == "routes"
        before = made.world.control("/compute/statistics?caller=dualstack/")["mutations"]
        first.process.send_signal(signal.SIGCONT)
        assert first.ended() == 1
        assert "another process has taken Lease kube-system/dualstack-cut-over" in first.lines[-1]
        assert made.world.control("/compute/statistics?caller=dualstack/")["mutations"] == before
        assert made.on_routes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", ["create-decoys", "gate-decoy-alias", "add-secondary-range", "add-aliases", "barrier-aliases"]
)
def test_ctrl_c_stops_at_rest_and_the_same_command_goes_on(step: str) -> None:
    """A short barrier is no step of a loaded machine, on which its time has passed before it is announced."""
    with scene() as made:
        with made.running("prepare", *IMAGE) as first:
            first.until(rf"  {step}")
            first.process.send_signal(signal.SIGINT)
            assert first.ended() == 130
            assert "the cluster is at rest; run the same command again to resume" in first.lines[-1]
        assert not [name for name in made.aliases() if "decoy" in name]
        assert made.done("prepare", *IMAGE)["standing"] == "prepared"
        assert made.done("prepare", "--undo")["standing"] == "routes"
        assert made.on_routes()
        assert made.lost() == 0.0


@pytest.mark.slow
def test_a_node_that_joins_gets_its_alias_from_the_watch_and_keeps_it_through_the_migration() -> None:
    """The cloud refuses its route, so its alias is its only path, and it cannot be taken back without a loss."""
    with scene() as made:
        with made.running("prepare", *IMAGE, "--watch") as watch:
            watch.until("Watching for nodes that join")
            before = set(made.world.nodes())
            name = min(before)
            made.world.kube(f"/apis/machine.sapcloud.io/v1alpha1/namespaces/{NAMESPACE}/machines/{name}", "DELETE")
            eventually(lambda: name not in made.world.nodes() and len(made.world.nodes()) == 3, within=90.0)
            (joined,) = set(made.world.nodes()) - before
            eventually(lambda: made.aliases().get(joined))
            eventually(lambda: made.done("status")["standing"] == "prepared")
            eventually(lambda: made.done("status").get("awaits") == "nodes that join", within=90.0)
            assert watch.process.poll() is None
            watch.process.send_signal(signal.SIGINT)
            assert watch.ended() == 0, watch.lines
        undone = made.command("prepare", "--undo")
        assert undone.status == 1
        assert "drain and delete the nodes that have only their alias (" in undone.err
        # The machine controller may be replacing the node again: the refused route makes its Node unhealthy.
        eventually(lambda: made.command("prepare", *IMAGE).status == 0, within=90.0)
        migrate(made)
        assert made.done("finish")["standing"] == "finished"
        assert [pair for pair in made.world.traffic()["brokenPairs"] if pair["seconds"]] == []
        refused = made.command("rollback")
        assert refused.status == 2
        assert "Gardener has deleted the routes" in refused.err
        assert "run `dualstack status` for the next step forward" in refused.err
