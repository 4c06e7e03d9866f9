"""The golden migration on a real kube-apiserver in both landscapes, with the roles of the manifests alone.

The operator and, beside Gardener, its client of the shoot are ServiceAccounts (docs/install.md#rights).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualstack.cli.rehearsal import rehearsal
from dualstack.cli.rehearsal.processes import operator_arguments
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.cli.rehearse import rehearse
from dualstack.gardener.model.names import SHOOT_ACCESS
from dualstack.kube.connection import find_connection
from dualstack.model.user_agent import USER_AGENT
from dualstack.operator.rights import GARDEN, HOME, SEED, SHOOT
from dualstack_sim.world.kubeconfig import kubeconfig
from tests.kube.cluster import Cluster
from tests.kube.ranges import RangeFollower
from tests.kube.rehearsals import EXAMPLE, NAMESPACE, SPEED, failures
from tests.kube.replicas import with_kubeconfig
from tests.kube.roles import OPERATOR, SHOOT_USER, Account

pytestmark = [pytest.mark.kube, pytest.mark.timeout(3600)]

LARGE, OF_LARGE = EXAMPLE.with_name("shoot-large.yaml"), "shoot--shop--orders"

Install = Callable[[str], Path]
"""Installs the roles, once the world is built, for a server at this URL; returns the operator's kubeconfig."""


@pytest.fixture
def migrate(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Rehearse the example with an operator that has its own kubeconfig.

    Fails unless every check passes and the API server was restarted with both service ranges.
    """

    def migrated(install: Install, *options: str, example: Path = EXAMPLE, namespace: str = NAMESPACE) -> None:
        services = cluster.ranges[0]

        def arguments(address: WorldAddress, *given: Any) -> list[str]:
            file = install(find_connection(address.seed_kubeconfig).cluster.server)
            return with_kubeconfig(operator_arguments(address, *given), file)

        monkeypatch.setattr(rehearsal, "operator_arguments", arguments)
        server = [f"--kubernetes={cluster.url}", f"--kubernetes-kubeconfig={cluster.kubeconfig}"]
        words = [str(example), "--output=json", f"--speed={SPEED}", *server, *options]
        with RangeFollower(cluster, namespace), pytest.raises(SystemExit):
            rehearse.main(words, standalone_mode=False)
        result: dict[str, Any] = json.loads(capfd.readouterr().out)
        assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
        assert cluster.ranges[0] == services
        assert len(cluster.ranges) == 2
        service = cluster.get("/api/v1/namespaces/kube-system/services/kube-dns")
        assert service is not None
        assert service["spec"]["ipFamilies"] == ["IPv4", "IPv6"]

    return migrated


def test_x6_the_example_migrates_beside_gardener_with_the_roles_of_seed_and_shoot_alone(
    cluster: Cluster, migrate: Callable[..., None], tmp_path: Path
) -> None:
    """Given one ServiceAccount in the seed and one in the shoot, when the Infrastructure controller migrates the
    example beside gardenlet, then nothing is refused, and every rule that is not rare is used."""
    accounts: list[Account] = []

    def install(url: str) -> Path:
        seed = Account.install(cluster, "gardener", OPERATOR)
        shoot = Account.install(cluster, "gardener-shoot", SHOOT_USER)
        accounts.extend((seed, shoot))
        return with_access(cluster, tmp_path, url, seed, shoot)

    migrate(install, "--landscape=gardener", "--infrastructure=dualstack")
    seed, shoot = accounts
    seed.judge("gardener", (SEED, HOME))
    shoot.judge("gardener", (SHOOT,))


def test_x6_x7_the_example_migrates_without_gardener_with_the_roles_of_the_manifest_alone(
    cluster: Cluster, migrate: Callable[..., None], tmp_path: Path
) -> None:
    """Given one ServiceAccount with the roles of all three API servers, when all five controllers migrate the example,
    then nothing is refused, and every rule that is not rare is used."""
    accounts: list[Account] = []

    def install(url: str) -> Path:
        accounts.append(Account.install(cluster, "standalone", OPERATOR))
        return with_access(cluster, tmp_path, url, accounts[0], accounts[0])

    migrate(install)
    accounts[0].judge("standalone", (GARDEN, SEED, SHOOT, HOME))
    assert accounts[0].agents() == {USER_AGENT}


@pytest.mark.parametrize("cluster", ["10.96.0.0/16"], indirect=True)
def test_x6_40_nodes_of_two_pools_in_three_zones_migrate_without_gardener(
    cluster: Cluster, migrate: Callable[..., None], tmp_path: Path
) -> None:
    """Given the large example, whose CNI is cilium, when all five controllers migrate it with the roles of the
    manifest alone, then every check passes and nothing is refused."""
    accounts: list[Account] = []

    def install(url: str) -> Path:
        accounts.append(Account.install(cluster, "standalone", OPERATOR))
        return with_access(cluster, tmp_path, url, accounts[0], accounts[0], namespace=OF_LARGE)

    migrate(install, example=LARGE, namespace=OF_LARGE)
    assert accounts[0].lacking() == set()


def with_access(
    cluster: Cluster, folder: Path, url: str, seed: Account, shoot: Account, namespace: str = NAMESPACE
) -> Path:
    """Create the Secret with access to the shoot; returns the operator's kubeconfig."""
    content = base64.b64encode(kubeconfig(url, shoot.token()).encode()).decode()
    secret = {"metadata": {"name": SHOOT_ACCESS}, "data": {"kubeconfig": content}}
    status, answer = cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    assert status == 201, answer
    file = folder / "operator.kubeconfig"
    file.write_text(kubeconfig(url, seed.token()))
    return file


def test_x6_the_audit_log_shows_a_missing_verb_and_an_unused_one(cluster: Cluster) -> None:
    account = Account.install(cluster, "gardener", OPERATOR)
    token = account.token()
    assert cluster.request("GET", "/api/v1/pods", token=token)[0] == 200
    with pytest.raises(AssertionError, match="nothing uses"):
        account.judge("gardener", (SEED, HOME))
    assert cluster.request("DELETE", "/api/v1/pods", token=token)[0] == 403
    with pytest.raises(AssertionError, match="lack verbs"):
        account.judge("gardener", (SEED, HOME))
