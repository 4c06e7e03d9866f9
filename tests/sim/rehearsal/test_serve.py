"""`dualstack sim serve`: a world for third-party clients."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1

from dualstack.cli.shoot_file import read_shoot
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.serve import WorldOptions, run
from tests.sim.rehearsal.command import EXAMPLE, LARGE, served, started
from tests.support.api_servers import server_of

NAMESPACE = "shoot--foo--bar"
ANONYMOUS: Any = AnonymousCredentials


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    file = tmp_path_factory.mktemp("served") / "world.env"
    with served(str(EXAMPLE), "--speed", "100", "--env-file", str(file)) as facts:
        yield {**facts, "environment": file.read_text(encoding="utf-8")}


def ask(endpoint: str, path: str, method: str = "GET") -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def control(world: dict[str, Any], path: str, method: str = "GET") -> Any:
    status, answer = ask(world["controlEndpoint"], path, method)
    assert status == 200, answer
    return answer


def listed(world: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """The items of a list of the API server that has them."""
    status, answer = ask(server_of(world, path), path)
    assert status == 200, answer
    items: list[dict[str, Any]] = answer["items"]
    return items


def compute(world: dict[str, Any]) -> dict[str, Any]:
    return {
        "credentials": ANONYMOUS(),
        "client_options": ClientOptions(api_endpoint=world["computeEndpoint"]),
    }


class TestKubernetes:
    def test_the_cluster_is_at_rest(self, world: dict[str, Any]) -> None:
        cidrs = sorted(node["spec"]["podCIDRs"] for node in listed(world, "/api/v1/nodes"))
        assert cidrs == [["100.96.0.0/24"], ["100.96.1.0/24"], ["100.96.2.0/24"]]
        pods = listed(world, "/api/v1/pods")
        assert {pod["status"]["phase"] for pod in pods} == {"Running"}

    def test_the_file_for_the_shell_names_each_api_server(self, world: dict[str, Any]) -> None:
        set_here = dict(line.removeprefix("export ").split("=", 1) for line in world["environment"].splitlines())
        assert set_here["KUBECONFIG"] == world["shootKubeconfig"]
        assert set_here["GARDEN_KUBECONFIG"] == world["gardenKubeconfig"]
        assert set_here["SEED_KUBECONFIG"] == world["seedKubeconfig"]
        assert set_here["DUALSTACK_COMPUTE_ENDPOINT"] == world["computeEndpoint"]


class TestCompute:
    def test_the_official_client_reads_the_cluster(self, world: dict[str, Any]) -> None:
        routes = compute_v1.RoutesClient(**compute(world)).list(project=world["project"])
        of_nodes = [route for route in routes if route.description == "k8s-node-route"]
        assert sorted(route.dest_range for route in of_nodes) == ["100.96.0.0/24", "100.96.1.0/24", "100.96.2.0/24"]
        instances = compute_v1.InstancesClient(**compute(world)).list(project=world["project"], zone="europe-west1-b")
        assert {instance.network_interfaces[0].stack_type for instance in instances} == {"IPV4_ONLY"}

    def test_the_official_client_writes(self, world: dict[str, Any]) -> None:
        firewalls = compute_v1.FirewallsClient(**compute(world))
        operations = compute_v1.GlobalOperationsClient(**compute(world))
        rule = compute_v1.Firewall(
            name="from-outside",
            network=f"projects/{world['project']}/global/networks/{NAMESPACE}",
            source_ranges=["192.0.2.0/24"],
            allowed=[compute_v1.Allowed(I_p_protocol="tcp", ports=["443"])],
        )
        started_operation = firewalls.insert_unary(project=world["project"], firewall_resource=rule)
        done = operations.wait(project=world["project"], operation=started_operation.name)
        assert done.status == compute_v1.Operation.Status.DONE
        assert firewalls.get(project=world["project"], firewall="from-outside").source_ranges == ["192.0.2.0/24"]


class TestControl:
    def test_a_packet_is_followed_through_the_view_of_a_host(self, world: dict[str, Any]) -> None:
        nodes = listed(world, "/api/v1/nodes")
        source, destination = nodes[0]["metadata"]["name"], nodes[1]["metadata"]["name"]
        address = nodes[1]["spec"]["podCIDR"].replace(".0/24", ".2")
        verdict = control(world, f"/probe?from={source}&to={address}")
        assert verdict["delivered_to"] == destination

    def test_traffic_is_accounted_from_the_trigger_on(self, world: dict[str, Any]) -> None:
        control(world, "/trigger", "POST")
        traffic = control(world, "/traffic")
        assert (traffic["pairs"], traffic["current"], traffic["brokenPairs"]) == (6, 0, [])

    @pytest.mark.parametrize("query", ["from=unknown&to=10.0.0.1", "from=&to=", "to=x"])
    def test_a_bad_question_is_answered_in_one_sentence(self, query: str, world: dict[str, Any]) -> None:
        status, answer = ask(world["controlEndpoint"], f"/probe?{query}")
        assert status == 400
        assert "from:" in answer["message"]


def names(world: dict[str, Any]) -> list[str]:
    return [node["metadata"]["name"] for node in listed(world, "/api/v1/nodes")]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    worlds = []
    for seed in ("1", "1", "2"):
        with served(str(LARGE), "--speed", "300", "--seed", seed, "--nodes", "4") as facts:
            worlds.append(names(facts))
    assert worlds[0] == worlds[1] != worlds[2]


class Interrupting(SteppableClock):
    """A stopped clock that interrupts the process at the first wait."""

    waits = 0

    async def sleep(self, seconds: float) -> None:
        self.waits += 1
        if self.waits == 1:
            os.kill(os.getpid(), signal.SIGINT)
        await super().sleep(seconds)


def test_an_interrupt_ends_it_while_the_cluster_is_not_at_rest_yet(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Interrupting(origin=time.time(), speed=0.0)
    run(WorldOptions(cluster=read_shoot(EXAMPLE, None), nodes=None, seed=1, faults=None, clock=clock))
    assert clock.waits > 0
    assert capfd.readouterr().out == ""


def test_an_interrupt_ends_it_and_leaves_nothing_behind() -> None:
    with started("sim", "serve", str(EXAMPLE), "--speed", "300") as process:
        if process.stdout is None:
            raise RuntimeError("standard output is not a pipe")
        facts = json.loads(process.stdout.readline())
        assert Path(facts["kubeconfig"]).exists()
    assert process.returncode == 0
    assert not Path(facts["kubeconfig"]).exists()


@pytest.mark.slow
def test_r12_the_operator_migrates_a_served_world_as_the_readme_shows() -> None:
    """Given the README's commands for a served world, when they run, then the migration begins."""
    readme = (EXAMPLE.parents[1] / "README.md").read_text(encoding="utf-8")
    command = next(line for line in readme.splitlines() if line.startswith("    dualstack operator --kubeconfig"))
    (patch,) = re.findall(r"patch shoot bar --type merge.*\n +-p '(.*)'", readme)
    with served(str(EXAMPLE), "--speed", "50", "--nodes", "1") as world:
        clock = world["clock"]
        words = [
            world[f"{word.split('/')[-1].split('-')[0]}Kubeconfig"]
            if word.startswith("/") and word.endswith("-kubeconfig")
            else world["computeEndpoint"]
            if word[0] == "$"
            else word
            for word in command.split()[1:]
        ]
        times = ("--clock-origin", repr(clock["origin"]), "--clock-speed", repr(clock["speed"]))
        with started(*words, *times, "--events", "-") as operator:
            if operator.stdout is None:
                raise RuntimeError("standard output is not a pipe")
            assert json.loads(operator.stdout.readline())["event"] == "operator.ready"
            edit_shoot(server_of(world, "/apis/core.gardener.cloud/"), patch)
            assert any(json.loads(line)["event"] == "phase.started" for line in operator.stdout)


def edit_shoot(server: str, patch: str) -> None:
    """Apply the merge patch to the example's Shoot."""
    with closing(http.client.HTTPConnection(server.removeprefix("http://"), timeout=30)) as connection:
        path = "/apis/core.gardener.cloud/v1beta1/namespaces/garden-foo/shoots/bar"
        connection.request("PATCH", path, patch, {"Content-Type": "application/merge-patch+json"})
        assert connection.getresponse().status == 200
