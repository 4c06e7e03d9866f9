"""The golden migration on a real kube-apiserver, with kube-controller-manager's controllers, in both landscapes.

Beside Gardener, the operator and its client of the shoot are ServiceAccounts with the roles of the manifests alone
(docs/install.md#rights).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dualstack.cli.rehearsal import run
from dualstack.cli.rehearsal.processes import operator_arguments
from dualstack.cli.rehearsal.world import WorldAddress
from dualstack.cli.rehearse import rehearse as rehearse_command
from dualstack.gardener.model.names import SHOOT_ACCESS
from dualstack.kube.connection import find_connection
from dualstack.operator.rights import HOME, SEED, SHOOT
from dualstack_sim.world.kubeconfig import kubeconfig
from tests.kube.cluster import Cluster
from tests.kube.conftest import SERVICES
from tests.kube.ranges import RangeFollower
from tests.kube.rehearsals import EXAMPLE, NAMESPACE, SPEED, failures, rehearse
from tests.kube.roles import OPERATOR, SHOOT_USER, Account

pytestmark = [pytest.mark.kube, pytest.mark.timeout(1200)]


def test_x7_the_example_migrates_on_a_real_api_server_without_loss(cluster: Cluster) -> None:
    succeeded(cluster, rehearse(cluster))


def test_x6_the_example_migrates_beside_gardener_with_the_roles_of_seed_and_shoot_alone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Given one ServiceAccount in the seed and one in the shoot, when the Infrastructure controller migrates the
    example beside gardenlet, then no verb is missing, and every rule that is not rare is used."""
    accounts: list[Account] = []

    def arguments(address: WorldAddress, *given: Any) -> list[str]:
        """Of an operator with kubeconfigs of its own: the roles are installed once the world is built."""
        url = find_connection(address.seed_kubeconfig).cluster.server
        seed = Account.install(cluster, "gardener", OPERATOR)
        shoot = Account.install(cluster, "gardener-shoot", SHOOT_USER)
        accounts.extend((seed, shoot))
        content = base64.b64encode(kubeconfig(url, shoot.token()).encode()).decode()
        secret = {"metadata": {"name": SHOOT_ACCESS}, "data": {"kubeconfig": content}}
        status, answer = cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
        assert status == 201, answer
        file = tmp_path / "operator.kubeconfig"
        file.write_text(kubeconfig(url, seed.token()))
        files = ("kubeconfig", "garden-kubeconfig")
        kept = [word for word in operator_arguments(address, *given) if word.partition("=")[0].strip("-") not in files]
        return [*kept, *(f"--{name}={file}" for name in files)]

    monkeypatch.setattr(run, "operator_arguments", arguments)
    words = [str(EXAMPLE), "--output=json", f"--speed={SPEED}", "--landscape=gardener", "--infrastructure=dualstack"]
    server = [f"--kubernetes={cluster.url}", f"--kubernetes-kubeconfig={cluster.kubeconfig}"]
    with RangeFollower(cluster, NAMESPACE), pytest.raises(SystemExit):
        rehearse_command.main([*words, *server], standalone_mode=False)
    succeeded(cluster, json.loads(capfd.readouterr().out))
    seed, shoot = accounts
    seed.judge("gardener", (SEED, HOME))
    shoot.judge("gardener", (SHOOT,))


def succeeded(cluster: Cluster, result: dict[str, Any]) -> None:
    """Fails unless every check has passed and the API server was restarted with both service ranges."""
    assert (result["result"], result["reason"]) == ("succeeded", None), failures(result)
    assert cluster.ranges[0] == SERVICES
    assert len(cluster.ranges) == 2
    service = cluster.get("/api/v1/namespaces/kube-system/services/kube-dns")
    assert service is not None
    assert service["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_x6_the_audit_log_shows_a_missing_verb_and_an_unused_one(cluster: Cluster) -> None:
    account = Account.install(cluster, "gardener", OPERATOR)
    token = account.token()
    assert cluster.request("GET", "/api/v1/pods", token=token)[0] == 200
    with pytest.raises(AssertionError, match="nothing uses"):
        account.judge("gardener", (SEED, HOME))
    assert cluster.request("DELETE", "/api/v1/pods", token=token)[0] == 403
    with pytest.raises(AssertionError, match="lack verbs"):
        account.judge("gardener", (SEED, HOME))
