"""Migrations on a real kube-apiserver during which programs are killed or stopped, and tokens are replaced.

Judged by the simulated cloud's accounts of packets and of changes, and by the audit log.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualstack.cli.rehearsal.gardener_checks import GardenerChecks
from dualstack.cli.rehearsal.record import at_rest
from dualstack.cli.rehearsal.world import WorldAddress, open_world
from dualstack.gardener.model.names import SHOOT_ACCESS
from dualstack.gardener.model.shoot import ShootView
from dualstack.verify.inventory import inventory
from dualstack_sim.world.kubeconfig import kubeconfig
from tests.kube.cluster import Cluster
from tests.kube.ranges import RangeFollower
from tests.kube.rehearsals import EXAMPLE, NAMESPACE, SPEED, failures, rehearse
from tests.kube.replicas import CREDENTIAL, Replica, claims
from tests.kube.roles import OPERATOR, Account
from tests.sim.live.commands import eventually
from tests.sim.rehearsal.command import rehearse as rehearse_simulated
from tests.sim.rehearsal.command import served
from tests.sim.world.client import Client

pytestmark = [pytest.mark.kube, pytest.mark.timeout(3600)]

SHOOT = "/apis/core.gardener.cloud/v1beta1/namespaces/garden-foo/shoots/bar"
ONCE = ("deployments", "machineclasses", "machinedeployments", "operatingsystemconfigs")
"""What a migration changes once, each object."""

LONG, SETTLED = 45.0, 20.0
"""Wall seconds of a pause, and after which nothing can be on its way: a request may take 30 s, and changes are sent for
7 s after the last renewal of the Lease, which lasts 12 s (docs/operator.md#leader-election)."""


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """The same migration on the simulated API, without an interruption."""
    return rehearse_simulated(within=900.0).result


def test_x6_kills_and_pauses_of_operator_api_server_and_etcd_lose_no_packet(
    cluster: Cluster, undisturbed: dict[str, Any]
) -> None:
    """Given a migration, when the operator, kube-apiserver and etcd are killed or stopped in its steps, and etcd is
    compacted so that no watch can continue, then no packet is lost, and the cluster ends as without interruptions."""
    result = rehearse(
        cluster,
        *(f"--kill-at={step}" for step in ("add-alias-canary", "delete-route-canary", "update-kube-apiserver")),
        at={
            "stop-cloud-controller-manager": cluster.restart_api,
            "add-secondary-range": cluster.restart_etcd,
            "add-aliases": lambda: cluster.pause(cluster.api, 5.0),
            "delete-routes": lambda: cluster.restart_api(meanwhile=cluster.compact),
            "await-roll-out": lambda: cluster.pause(cluster.etcd, 5.0),
        },
    )
    assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
    assert result["traffic"]["blackoutSeconds"]["max"] == 0.0
    assert result["changes"] == undisturbed["changes"]
    assert all(kill["at"] is not None for kill in result["kills"])
    assert len(cluster.ranges) == 2


def test_x5_x6_a_stopped_leader_and_new_tokens_of_the_shoot_repeat_no_step(
    cluster: Cluster, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Given two operators, when the leader is stopped in the middle of a cut-over and continued later, and the token
    in the Secret of the shoot is replaced twice, then each step is done once, and the cluster ends as without."""
    with migrating(cluster, tmp_path, "one", "two") as run:
        leader, other = run.replicas
        until(lambda: leader.has_begun("add-secondary-range"), run.replicas)
        second = run.access.renew()
        until(lambda: leader.has_begun("add-aliases"), run.replicas)
        leader.process.send_signal(signal.SIGSTOP)
        until(other.leads, [other])
        leader.process.send_signal(signal.SIGCONT)
        assert leader.process.wait(60) == 1
        assert "has taken Lease dualstack/dualstack-operator" in leader.log.read_text()
        leader.start()
        until(lambda: other.has_begun("await-roll-out"), run.replicas)
        third = run.access.renew()
        run.judge(undisturbed)

    of_shoot = {f"JTI={claims(token)['jti']}" for token in (run.first_token, second, third)}
    writes = [
        (write["user"]["extra"][CREDENTIAL][0], write["objectRef"])
        for write in successful_writes(cluster, run.account)
        if write["objectRef"]["resource"] != "leases"
    ]
    by = [credential for credential, _ in writes if credential not in of_shoot]
    take_over = by.index(other.credential)
    assert set(by[:take_over]) == {leader.credential}
    assert set(by[take_over:]) == {other.credential}
    in_shoot = {written.get("namespace", written["name"]) for by_whom, written in writes if by_whom in of_shoot}
    assert in_shoot == {"dualstack-prober"}  # the decoy check
    assert used(cluster, run.account) >= of_shoot


def test_p12_x6_an_api_server_that_hangs_longer_than_every_time_limit_repeats_no_step(
    cluster: Cluster, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Given an operator, when first kube-apiserver and later etcd are stopped for longer than a request may take and
    the Lease lasts, then it changes nothing meanwhile and says so, and the same process goes on afterwards: each step
    is done once, and no packet is lost."""
    with migrating(cluster, tmp_path, "one") as run:
        (operator,) = run.replicas
        for step, program in (("add-aliases", cluster.api), ("delete-routes", cluster.etcd)):
            until(partial(operator.has_begun, step), run.replicas)
            with cluster.turn:
                program.send(signal.SIGSTOP)
                stopped = time.monotonic()
                try:
                    reason = eventually(operator.unready, LONG)
                    time.sleep(max(0.0, stopped + SETTLED - time.monotonic()))
                    before = run.changed()
                    time.sleep(max(0.0, stopped + LONG - time.monotonic()))
                    assert run.changed() == before
                    later = operator.unready()
                finally:
                    program.send(signal.SIGCONT)
            assert "Lease dualstack/dualstack-operator: " in reason
            assert "Lease dualstack/dualstack-operator: " in later
            until(lambda: not operator.unready(), run.replicas)
        run.judge(undisturbed)
        log = operator.log.read_text()
        assert log.count("the Lease can be renewed again") >= 2
        assert "cannot renew the Lease; nothing is changed meanwhile" in log
        assert "the Kubernetes API does not answer" in log


@dataclass(frozen=True, slots=True)
class Run:
    """A migration without Gardener on a real API server. The leader is the first of the operators."""

    cluster: Cluster
    address: WorldAddress
    client: Client
    account: Account
    access: ShootToken
    first_token: str
    replicas: list[Replica]

    def changed(self) -> dict[str, int]:
        """How often the operators have called each method of Compute that changes something."""
        return changing(self.client.control("/compute/statistics?caller=dualstack/")["byMethod"])

    def judge(self, undisturbed: dict[str, Any]) -> None:
        """Wait for the end: it is that of an undisturbed run, no packet was lost, and each step was done once."""
        until(lambda: is_migrated(self.cluster), self.replicas)
        assert self.client.traffic()["blackoutSeconds"]["max"] == 0.0
        assert self.changed() == changing(undisturbed["compute"]["byMethod"])
        expected = {change["what"]: change["after"] for change in undisturbed["changes"]}
        assert asyncio.run(state(self.address)).items() >= expected.items()
        writes = filter(is_single, successful_writes(self.cluster, self.account))
        once = Counter(write["objectRef"]["resource"] + write["objectRef"]["name"] for write in writes)
        assert once
        assert set(once.values()) == {1}


@contextmanager
def migrating(cluster: Cluster, folder: Path, *names: str) -> Iterator[Run]:
    """Operators of these names, with a migration just requested."""
    server = [f"--kubernetes={cluster.url}", f"--kubernetes-kubeconfig={cluster.kubeconfig}"]
    with ExitStack() as stack:
        facts = stack.enter_context(served(str(EXAMPLE), f"--speed={SPEED}", *server))
        address, client = WorldAddress.parse(json.dumps(facts).encode()), Client(facts)
        stack.enter_context(RangeFollower(cluster, NAMESPACE))
        account = Account.install(cluster, "standalone", OPERATOR)
        access = ShootToken(account, address)
        first = access.renew()
        replicas = [Replica(address, folder, name, account.token()) for name in names]
        for each in replicas:
            stack.callback(each.end)
        until(lambda: sum(each.leads() for each in replicas) == 1, replicas)
        until(lambda: all(each.leads() or each.stands_by() for each in replicas), replicas)
        client.control("/trigger", "POST")
        edit = {"spec": {"networking": {"ipFamilies": ["IPv4", "IPv6"]}}}
        status, answer = cluster.request("PATCH", SHOOT, edit, Content_Type="application/merge-patch+json")
        assert status == 200, answer
        replicas.sort(key=lambda each: not each.leads())
        yield Run(cluster, address, client, account, access, first, replicas)


class ShootToken:
    """The token in the Secret with access to the shoot; a new one ends the one before."""

    def __init__(self, account: Account, address: WorldAddress) -> None:
        self._account = account
        self._server = address.garden()
        self._made = 0

    def renew(self) -> str:
        """Write a new token to the Secret, delete the one before, and return the new one."""
        cluster, home = self._account.cluster, f"/api/v1/namespaces/{self._account.user[0]}/secrets"
        self._made += 1
        token = self._account.token(bound_to=f"token-{self._made}")
        data = {"kubeconfig": base64.b64encode(kubeconfig(self._server, token).encode()).decode()}
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        if self._made == 1:
            status, answer = cluster.request("POST", path, {"metadata": {"name": SHOOT_ACCESS}, "data": data})
            assert status == 201, answer
        else:
            body, type_ = {"data": data}, "application/merge-patch+json"
            status, answer = cluster.request("PATCH", f"{path}/{SHOOT_ACCESS}", body, Content_Type=type_)
            assert status == 200, answer
            assert cluster.request("DELETE", f"{home}/token-{self._made - 1}")[0] == 200
        return token


def until(found: Callable[[], Any], replicas: list[Replica]) -> None:
    """Wait for it; fails with the ends of the logs."""
    try:
        eventually(found, 300.0)
    except AssertionError:
        raise AssertionError("\n".join(each.log.read_text()[-3000:] for each in replicas)) from None


def is_migrated(cluster: Cluster) -> bool:
    """Whether the Shoot is at rest again; not while the API server restarts."""
    try:
        shoot = cluster.get(SHOOT)
    except OSError:
        return False
    return shoot is not None and at_rest(shoot)


def changing(by_method: dict[str, int]) -> dict[str, int]:
    """How often each method was called that changes something."""
    reads = ("get", "list", "aggregatedList", "testIamPermissions")
    return {method: count for method, count in by_method.items() if method.rpartition(".")[2] not in reads}


async def state(address: WorldAddress) -> dict[str, str]:
    """What a migration changes, as it is now."""
    async with open_world(address, ShootView.of(yaml.safe_load(EXAMPLE.read_text()))) as world:
        return {**inventory(await world.sources.read()), **await GardenerChecks(world).inventory()}


def of(account: Account, event: dict[str, Any]) -> bool:
    return bool(event["user"].get("username") == f"system:serviceaccount:{':'.join(account.user)}")


def successful_writes(cluster: Cluster, account: Account) -> list[dict[str, Any]]:
    """The events of changes that the ServiceAccount has made, in their order."""
    found = [
        event
        for event in cluster.audit()
        if of(account, event)
        and event["verb"] not in ("get", "list", "watch")
        and event["responseStatus"]["code"] < 300
    ]
    return sorted(found, key=lambda event: str(event["requestReceivedTimestamp"]))


def is_single(write: dict[str, Any]) -> bool:
    return write["objectRef"]["resource"] in ONCE and "subresource" not in write["objectRef"]


def used(cluster: Cluster, account: Account) -> set[str]:
    """The tokens of the ServiceAccount that the API server has accepted."""
    return {
        identity
        for event in cluster.audit()
        if of(account, event)
        for identity in event["user"].get("extra", {}).get(CREDENTIAL, ())
    }
