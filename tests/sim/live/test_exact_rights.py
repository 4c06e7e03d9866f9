"""Each command with exactly the rights of docs/live-clusters.md: in RBAC, and in front of Compute Engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sim.live.doors import doors
from tests.sim.live.rights import Record, Right, beyond, listed_permissions, listed_rights, new_user
from tests.sim.rehearsal.command import EXAMPLE, Outcome, served
from tests.sim.world.client import PROBED, Client

CHECKED = frozenset(("preflight", "plan", "prepare", "migrate"))
CHANGES = frozenset(("prepare", "finish", "rollback", "migrate"))
READ = ("--accept", "kubernetes-permissions", "--accept", "permissions-granted")

UNCHECKED = {
    "compute.images.useReadOnly": "inferred, and not checked by the simulated Compute Engine",
    "compute.instances.setLabels": "the same",
    "compute.instances.setMetadata": "the same",
}
SOMETIMES = {
    "compute.networks.listPeeringRoutes": "of a network with peerings",
    "compute.routers.get": "of a router with BGP peers",
    "compute.globalOperations.list": "of several operations at once",
    "compute.zoneOperations.list": "the same",
    "compute.regionOperations.list": "the same",
}
"""The listed permissions that the commands do not use on the example, with the reason."""

GRANTED = {("leases.coordination.k8s.io", "dualstack-prober", verb) for verb in ("get", "create", "patch")}
"""The rights that are listed because they are granted to pods; the user does not use them."""

JOINING = {("configmaps", "dualstack-traffic", "patch")}
"""Used only when a node joins or leaves during the measurement."""


def labels(words: tuple[str, ...]) -> frozenset[str]:
    """The words of column `for` that apply to a command line."""
    found = {"every command", words[0], *words}
    found |= {"preflight"} if words[0] in CHECKED else set()
    found |= {"changes"} if words[0] in CHANGES else set()
    return frozenset(found)


class Runs:
    """Commands on one world; what all of them have used."""

    def __init__(self, facts: dict[str, Any], folder: Path) -> None:
        self._facts, self._folder, self.cluster = facts, folder, Client(facts)
        self.used: set[Right] = set()
        self.used_permissions: set[str] = set()

    async def run(self, *words: str) -> Outcome:
        named = labels(words)
        rights, record = listed_rights(named), Record(listed_permissions(named))
        token = await asyncio.to_thread(new_user, self.cluster, rights)
        async with doors(self._facts, self._folder, record.answer, token) as door:
            outcome = await door.run(*words)
        self.used |= record.used
        self.used_permissions |= record.used_permissions
        assert (outcome.status, door.refused, beyond(record.used, rights)) == (0, [], set()), outcome.err
        return outcome


@pytest.fixture(scope="module")
def kubeadm() -> Iterator[dict[str, Any]]:
    with served(str(EXAMPLE), "--landscape", "kubeadm", "--speed", "400", "--rbac") as facts:
        yield facts


@pytest.mark.slow
async def test_every_command_runs_with_exactly_the_rights_that_the_document_lists(
    kubeadm: dict[str, Any], tmp_path: Path
) -> None:
    """Given a user with the listed rights alone, when each command runs, then nothing is refused, and every
    listed right is used."""
    runs = Runs(kubeadm, tmp_path)
    await runs.run("preflight", *READ, *PROBED)
    await runs.run("plan")
    await runs.run("status")
    await runs.run("verify", "--traffic", "--traffic-seconds", "5", *PROBED)
    await runs.run("snapshot", "-o", str(tmp_path / "cluster.json"))
    await runs.run("prepare", "--yes", *PROBED)
    await runs.run("rollback", "--yes")
    await runs.run("migrate", "--until", "aliases", "--yes", "--accept", "network-watched")
    runs.cluster.configure(configure_cloud_routes="false", cidr_allocator_type="CloudAllocator")
    await runs.run("finish", "--yes")
    await runs.run("migrate", "--yes")
    assert GRANTED <= listed_rights() - runs.used <= GRANTED | JOINING
    unused = listed_permissions() - runs.used_permissions
    assert UNCHECKED.keys() <= unused <= UNCHECKED.keys() | SOMETIMES.keys()


@pytest.mark.slow
async def test_a_missing_right_of_the_decoy_check_is_found_before_the_first_change(
    kubeadm: dict[str, Any], tmp_path: Path
) -> None:
    named = labels(("prepare", *PROBED))
    allowed = frozenset(right for right in listed_rights(named) if right[0] != "daemonsets.apps" or right[2] == "list")
    token = await asyncio.to_thread(new_user, Client(kubeadm), allowed)
    async with doors(kubeadm, tmp_path, Record(listed_permissions(named)).answer, token) as door:
        outcome = await door.run("preflight", *PROBED, "--accept", "network-watched")
        assert outcome.status == 10
        assert "daemonsets in dualstack-prober: missing verbs: get, create" in " ".join(outcome.out.split())
        assert door.writes == []


@pytest.mark.slow
async def test_a_missing_right_is_the_403_of_the_api_server(kubeadm: dict[str, Any], tmp_path: Path) -> None:
    """Given the listed rights of `status` without the list of Nodes, then its error has the words of the API server."""
    named = labels(("status",))
    allowed = listed_rights(named) - {("nodes", "", "list")}
    token = await asyncio.to_thread(new_user, Client(kubeadm), allowed)
    async with doors(kubeadm, tmp_path, Record(listed_permissions(named)).answer, token) as door:
        outcome = await door.run("status")
    assert outcome.status == 1
    user = re.escape('User "system:serviceaccount:default:user-') + r"\d+"
    forbidden = rf'nodes is forbidden: {user}" cannot list resource "nodes" in API group "" at the cluster scope'
    assert re.search(forbidden, " ".join(outcome.err.split())), outcome.err
    assert set(door.refused) == {"GET /api/v1/nodes"}


def test_the_read_only_permissions_are_those_of_the_page_for_service_accounts() -> None:
    page = (Path(__file__).parents[3] / "docs/permissions.md").read_text(encoding="utf-8")
    everything = set(re.findall(r"^\| `(compute\.[^`]+)`", page, re.MULTILINE))
    assert listed_permissions() <= everything
    reads = listed_permissions(frozenset(("every command", "preflight", "plan", "status", "verify", "snapshot")))
    read_only = set(re.findall(r"^\| `(compute\.[^`]+)`", page.partition("## Migration")[0], re.MULTILINE))
    assert reads <= read_only
