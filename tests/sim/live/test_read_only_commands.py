"""The commands that change nothing, as a user runs them on a served cluster."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dualstack.preflight.registry import ALL_CHECKS
from tests.sim.live.doors import Doors, doors
from tests.sim.live.rights import Record, listed_permissions, listed_rights, new_user
from tests.sim.rehearsal.command import EXAMPLE, served
from tests.sim.world.client import Client


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--speed", "60", "--rbac") as facts:
        yield facts


@pytest.fixture
async def door(world: dict[str, Any], tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(world, tmp_path) as found:
        yield found


async def test_the_preflight_writes_nothing_and_has_every_finding(door: Doors) -> None:
    ended = await door.run("preflight", "-o", "json", "--accept", "alias-matched")
    assert ended.status == 0, ended.err
    assert door.writes == []
    assert len(door.questions) == 9 + 3
    assert ended.result["schema"] == "dualstack.preflight/v1"
    assert {finding["id"] for finding in ended.result["findings"]} == {check.id for check in ALL_CHECKS}
    assert {finding["status"] for finding in ended.result["findings"]} <= {"ok", "problem", "not-applicable"}


OBSTACLES = """
faults:
  - {from: start, method: networks.insert, meanwhile: {body: {name: other, autoCreateSubnetworks: false}}}
  - from: start
    method: firewalls.insert
    meanwhile:
      body: {name: shoot--foo--bar-allow-health-checks-ipv6, network: global/networks/other,
        allowed: [{IPProtocol: tcp}], sourceRanges: ["fd00::/8"]}
  - from: start
    method: networks.patch
    target: shoot--foo--bar
    meanwhile: {body: {enableUlaInternalIpv6: true}}
  - from: start
    method: subnetworks.insert
    meanwhile:
      body: {name: shoot--foo--bar-internal, network: global/networks/shoot--foo--bar, ipCidrRange: 10.99.0.0/24,
        stackType: IPV4_IPV6, ipv6AccessType: INTERNAL}
"""


async def test_p02_what_gardener_will_change_is_read_of_a_live_shoot_too(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text(OBSTACLES, encoding="utf-8")
    with served(str(EXAMPLE), "--speed", "60", "--faults", str(tmp_path / "faults.yaml")) as world:
        async with doors(world, tmp_path) as door:
            ended = await door.run("preflight", "-o", "json", "--accept", "alias-matched")
            assert ended.status == 10, ended.err
            found = {
                (each["id"], each["object"])
                for each in ended.result["findings"]
                if (each["status"], each["severity"]) == ("problem", "blocker") and each["id"] != "alias-matched"
            }
            assert found == {
                ("firewall-name-taken", "firewall rule shoot--foo--bar-allow-health-checks-ipv6"),
                ("ipv6-access-type", "subnet shoot--foo--bar-internal"),
            }
            assert door.writes == []


async def test_migrate_refuses_a_shoot_which_gardener_reconciles_and_says_how_to_hand_over(door: Doors) -> None:
    refused = await door.run("migrate", "--yes")
    assert refused.status == 2
    assert "gardenlet and provider-gcp reconcile its infrastructure" in refused.err
    assert "`dualstack prepare --trigger`" in refused.err
    assert door.writes == []


@pytest.mark.slow
async def test_a_plan_writes_nothing_and_prepare_refuses_it_when_the_world_has_moved(
    door: Doors, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    made = await door.run("plan", "--out", str(file), "-o", "json")
    assert made.status == 0, made.err
    assert made.result == json.loads(file.read_text(encoding="utf-8"))
    assert [part["by"] for part in made.result["parts"]] == ["dualstack", "Gardener", "dualstack"]
    changed = made.result
    changed["facts"]["nodes"][0]["podCidr"] = "100.96.77.0/24"
    file.write_text(json.dumps(changed), encoding="utf-8")
    refused = await door.run("prepare", "--yes", "--plan", str(file))
    assert refused.status == 2
    assert "since the plan was made, the pod CIDR of node " in refused.err
    assert door.writes == []


@pytest.mark.slow
async def test_a_cluster_of_kubeadm_has_its_own_findings_and_its_own_plan(tmp_path: Path) -> None:
    with served(str(EXAMPLE), "--speed", "60", "--landscape", "kubeadm") as kubeadm:
        async with doors(kubeadm, tmp_path) as door:
            ended = await door.run("preflight", "-o", "json", "--fail-on", "risk", "--accept", "network-watched")
            assert ended.status == 11, ended.err
            named = {each["id"] for each in ended.result["findings"] if each["status"] in ("problem", "unknown")}
            assert named == {
                "network-watched",
                "decoy-room",
                "node-mask-flag",
                "ipv6-firewall",
                "ipv4-only-services",
                "ipv6-egress",
            }
            made = await door.run("plan")
            assert made.status == 0, made.err
            assert "2. You\n   - Set --configure-cloud-routes=false" in made.out
            assert all(len(line) <= 80 for line in made.out.splitlines())
            assert door.writes == []


@pytest.mark.slow
async def test_the_preflight_fits_the_terminal_and_states_what_counts(door: Doors) -> None:
    fine = await door.run("preflight", "--quiet", "--accept", "alias-matched")
    assert (fine.status, fine.err) == (0, "")
    assert all(len(line) <= 80 for line in fine.out.splitlines() if "kubectl" not in line)
    assert "Ready: no blocker is open." in fine.out
    assert "Risks (" in fine.out
    assert "    Consequence: where a guest agent runs with its defaults" in fine.out
    strict = await door.run("preflight", "--fail-on", "risk", "-o", "junit", "--accept", "alias-matched")
    assert strict.status == 11
    assert re.search(r'name="guest-agent: [^"]*">\s*<failure type="problem"', strict.out)
    assert f'failures="{strict.out.count("<failure ")}"' in strict.out


@pytest.mark.slow
async def test_a_user_who_may_only_read_learns_what_is_missing(world: dict[str, Any], tmp_path: Path) -> None:
    reads = frozenset(("every command", "preflight"))
    token = await asyncio.to_thread(new_user, Client(world), listed_rights(reads))
    async with doors(world, tmp_path, Record(listed_permissions(reads)).answer, token) as door:
        ended = await door.run("preflight")
        assert ended.status == 10, ended.err
        words = " ".join(ended.out.split())
        assert "kubernetes-permissions - configmaps in kube-system: missing verbs: create, patch, delete" in words
        assert "permission compute.routes.delete is missing" in words
        ids = ("kubernetes-permissions", "permissions-granted", "alias-matched")
        accepted = [word for name in ids for word in ("--accept", name)]
        assert (await door.run("preflight", *accepted)).status == 0
        refused = await door.run("prepare", "--yes")
        assert refused.status == 1
        assert "kubernetes-permissions: leases in kube-system" in refused.err
        assert door.writes == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("api", "words"),
    [
        ("kubernetes", "Kubernetes API: Unauthorized; log in again, or get a new kubeconfig"),
        ("compute", "Error 401: expired, authError"),
    ],
)
async def test_expired_credentials_are_one_sentence(
    world: dict[str, Any], tmp_path: Path, api: str, words: str
) -> None:
    def expired(request: web.Request, _: bytes) -> web.Response | None:
        if api != "compute" or not request.path.startswith("/compute/"):
            return None
        error = {"code": 401, "message": "expired", "errors": [{"reason": "authError"}]}
        return web.json_response({"error": error}, status=401)

    async with doors(world, tmp_path, expired, "expired" if api == "kubernetes" else None) as door:
        for command in ("status", "prepare"):
            ended = await door.run(command, *(["--yes"] if command == "prepare" else []))
            assert ended.status == 1
            assert words in ended.err
            assert len(ended.err.splitlines()) == 1
            assert ended.out == ""
        assert door.writes == []


@pytest.mark.slow
async def test_the_seed_rules_out_what_the_shoot_does_not_show(door: Doors, world: dict[str, Any]) -> None:
    seed = ("--seed-kubeconfig", world["seedKubeconfig"])
    for options, status in (((), "problem"), (seed, "ok")):
        ended = await door.run("preflight", "-o", "json", "--accept", "alias-matched", *options)
        found = {finding["id"]: finding["status"] for finding in ended.result["findings"]}
        assert (ended.status, found["guest-agent"]) == (0, status), ended.err
        own = "ok" if options else "not-applicable"
        assert (found["shoot-spec"], found["seed-objects"]) == (own, own)
    wrong = await door.run("preflight", "--seed-kubeconfig", world["gardenKubeconfig"] + ".none")
    assert wrong.status == 2
    assert door.writes == []
