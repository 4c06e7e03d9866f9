"""`dualstack migrate`: the whole infrastructure of a cluster without Gardener, as processes against one world each."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.commands import mutations, of_world, run, started
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import PROBED, SPEED, Client
from tests.support.trial_document import written

pytestmark = pytest.mark.slow

NODES = "regions/europe-west1/subnetworks/bar-nodes"


@contextmanager
def kubeadm() -> Iterator[tuple[dict[str, Any], Client]]:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", SPEED) as facts:
        world = Client(facts)
        world.control("/trigger", "POST")
        yield facts, world


def stop_routes(world: Client) -> None:
    world.configure(configure_cloud_routes="false", cidr_allocator_type="CloudAllocator")


def test_a_kubeadm_cluster_is_migrated_in_one_command_killed_twice_without_loss() -> None:
    """Given `migrate` that waits for the route controller, killed there and again once it deletes routes, when it runs
    again, then no route is left, the subnet is dual-stack, and no pair was interrupted."""
    with kubeadm() as (facts, world):
        with started(facts, "migrate", *PROBED) as first:
            waits = first.until("Waiting for .*--configure-cloud-routes=true")
            assert "set --configure-cloud-routes=false" in waits
            first.process.kill()
        assert len(world.routes()) == 4
        stop_routes(world)
        with started(facts, "migrate", *PROBED) as second:
            second.until("barrier-route-canary")
            second.process.send_signal(signal.SIGKILL)
        assert len(world.routes()) == 3
        ended = run(facts, "migrate", "--yes", "-o", "json")
        assert ended.status == 0, ended.err
        assert (ended.result["command"], ended.result["standing"]) == ("migrate", "finished")
        report(ended.result)
        subnet = world.compute(NODES)
        assert (world.routes(), subnet.get("allowSubnetCidrRoutesOverlap", False)) == ({}, False)
        assert (subnet["stackType"], subnet["ipv6AccessType"]) == ("IPV4_IPV6", "EXTERNAL")
        assert world.traffic()["blackoutSeconds"]["max"] == 0.0
        before = mutations(facts)
        assert run(facts, "migrate", "--yes").status == 0
        assert mutations(facts) == before


def report(result: dict[str, Any]) -> None:
    """The times of the steps, the way to each node, and the quota windows."""
    assert [each["step"] for each in result["course"]] == result["steps"]
    ends = [each["at"] + each["seconds"] for each in result["course"]]
    assert ends == sorted(ends)
    assert 0.0 < ends[-1] <= result["seconds"]
    ways = {each["node"]: [change["way"] for change in each["changes"]] for each in result["nodeHistory"]}
    assert len(ways) == 4
    assert set(map(tuple, ways.values())) == {("alias",), ("overlap", "alias")}
    assert result["quotaPeaks"]["list"] >= 1


def test_migrate_ends_at_the_stage_of_until_and_refuses_one_that_is_past() -> None:
    with kubeadm() as (facts, world):
        flag = run(facts, "migrate", "--until", "flag", "--yes", *PROBED)
        assert flag.status == 0, flag.err
        assert (world.compute(NODES)["allowSubnetCidrRoutesOverlap"], len(world.routes())) == (True, 4)
        assert not world.compute(NODES).get("secondaryIpRanges")
        aliases = run(facts, "migrate", "--until", "aliases", "--yes", "-o", "json", *PROBED)
        assert aliases.status == 0, aliases.err
        assert (aliases.result["standing"], aliases.result["nodesWithAlias"]) == ("prepared", 4)
        past = run(facts, "migrate", "--until", "range", "--yes", *PROBED)
        assert past.status == 2
        assert "`dualstack rollback --to range`" in past.err
        unwaited = run(facts, "migrate", "--yes", "--no-wait", *PROBED)
        assert unwaited.status == 1
        assert "--configure-cloud-routes=true" in unwaited.err
        assert (len(world.routes()), world.traffic()["blackoutSeconds"]["max"]) == (4, 0.0)


def test_a_measured_cloud_that_contradicts_overlap_makes_the_commands_choose_otherwise(tmp_path: Path) -> None:
    with kubeadm() as (facts, world):
        profile = ("--profile", written(tmp_path, {"alias-matched": "no"}))
        because = "alias-matched is no, measured on 2026-11-29 in europe-west1"
        planned = run(facts, "plan", "-o", "json", *profile)
        assert planned.result["strategy"] == "compressed"
        assert because in planned.result["reasons"][0]
        for command in ("prepare", "migrate --strategy overlap"):
            refused = run(facts, command, "--yes", *profile, *PROBED)
            assert (refused.status, because in refused.err) == (2, True), refused.err
            assert "nothing was changed" in refused.err
        chosen = run(facts, "migrate --strategy auto", "--yes", *profile, *PROBED)
        assert chosen.status == 2
        assert "pass --accept-outage" in chosen.err
        assert mutations(facts) == 0
        agrees = ("--profile", written(tmp_path, {"alias-matched": "yes"}))
        flag = run(facts, "migrate", "--until", "flag", "--yes", *agrees, *PROBED)
        assert flag.status == 0, flag.err
        assert world.compute(NODES)["allowSubnetCidrRoutesOverlap"] is True


def test_a_strategy_with_an_outage_has_it_typed_although_yes_was_given() -> None:
    with kubeadm() as (facts, world):
        stop_routes(world)
        order = ("--strategy", "compressed")
        refused = run(facts, "migrate", "--yes", *order, *PROBED)
        assert refused.status == 2
        expected = int(re.findall(r"pass --accept-outage (\d+)", refused.err)[0])
        assert f"the last recover after about {expected} s" in refused.err
        assert expected > 5
        staged = run(facts, "migrate", "--yes", "--until", "range", *order, *PROBED)
        assert (staged.status, "strategy compressed has no such stage" in staged.err) == (2, True)
        assert typed(facts, f"{expected - 1}", *order, *PROBED) == 2
        assert mutations(facts) == 0
        done = run(facts, "migrate", "--yes", *order, "--accept-outage", str(expected), *PROBED)
        assert done.status == 0, done.err
        assert world.routes() == {}
        assert world.compute(NODES)["stackType"] == "IPV4_IPV6"
        traffic = world.traffic()
        assert traffic["brokenPairs"] == [] or {pair["seconds"] > 0 for pair in traffic["brokenPairs"]} == {True}
        assert traffic["blackoutSeconds"]["max"] > 0.0


def typed(facts: dict[str, Any], answer: str, *arguments: str) -> int:
    """The exit status of `migrate --yes` in a terminal in which a person types `answer`."""
    ours, theirs = pty.openpty()
    try:
        words = [sys.executable, "-m", "dualstack", "migrate", *of_world(facts), "--yes", *arguments]
        process = subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.write(ours, f"{answer}\n".encode())
        process.communicate(timeout=60)
        return process.returncode
    finally:
        os.close(ours)
        os.close(theirs)
