"""Which controllers run in which landscape, and that the whole set refuses to run beside Gardener."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from dualstack.cli.main import cli
from dualstack.clock import ScaledClock, rfc3339
from dualstack.gardener.model.kinds import CONTROL_PLANE, INFRASTRUCTURE, NETWORK, SEED, SHOOT
from dualstack.kube.interface import Forbidden, NotFound
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CRD, DEPLOYMENT, LEASE, NAMESPACE, Kind, Manifest
from dualstack.operator.landscape import CONTROLLERS, controllers_of, refuse_beside_gardener
from dualstack_sim.chance import Chance
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.definitions import TypeFacts, definition
from dualstack_sim.world.gardener.definitions import definitions
from tests.support.store_kube import StoreKube

NOW = 1_000_000.0
KINDS = (SHOOT, NETWORK, CONTROL_PLANE)


class Kube(StoreKube):
    """Kinds without a definition are not found, as from a server; `refused` may not be listed."""

    refused: Kind | None = None

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        if kind == self.refused:
            raise Forbidden(f"{kind.plural} is forbidden")
        try:
            return await super().list(kind, namespace, labels=labels)
        except StatusError as error:
            raise NotFound(error.message) from error


@pytest.fixture
def kube() -> Kube:
    store = KubeStore(ScaledClock(), Chance(1))
    for each in definitions():
        store.create(CRD, each)
    store.create(NAMESPACE, {"metadata": {"name": "garden"}})
    kube = Kube(store)
    place(kube, SHOOT, "bar", managers=["dualstack", "kubectl-edit"])
    place(kube, DEPLOYMENT, "gardener-resource-manager")
    place(kube, LEASE, "dualstack-operator", spec={"renewTime": rfc3339(NOW)})
    return kube


def place(kube: Kube, kind: Kind, name: str, *, managers: list[str] | None = None, **content: Any) -> None:
    metadata: Manifest = {"name": name, **({"namespace": "garden"} if kind.namespaced else {})}
    if managers:
        metadata["managedFields"] = [{"manager": manager, "operation": "Update"} for manager in managers]
    if kind is DEPLOYMENT:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        content = {"spec": {"selector": {"matchLabels": labels}, "template": template, **content.get("spec", {})}}
    kube._store.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content})


@pytest.mark.parametrize(
    ("landscape", "names", "chosen"),
    [
        ("gardener", None, ("infrastructure",)),
        ("gardener", ("infrastructure",), ("infrastructure",)),
        ("standalone", None, CONTROLLERS),
        ("standalone", ("network", "shoot"), ("network", "shoot")),
    ],
)
def test_p23_the_infrastructure_controller_alone_is_the_default(
    landscape: str, names: tuple[str, ...] | None, chosen: tuple[str, ...]
) -> None:
    assert controllers_of(landscape, names) == chosen


@pytest.mark.parametrize("name", [name for name in CONTROLLERS if name != "infrastructure"])
def test_p23_the_other_controllers_need_a_landscape_without_gardener(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"--controllers {name}: .*; omit them, or pass --landscape standalone"):
        controllers_of("gardener", ("infrastructure", name))


def test_p23_the_command_line_refuses_them_before_anything_is_read() -> None:
    outcome = CliRunner().invoke(cli, ["operator", "--controllers", "shoot,worker", "--kubeconfig", "/none"])
    assert isinstance(outcome.exception, InvalidInput)
    assert str(outcome.exception).startswith("--controllers shoot,worker: with --landscape gardener, gardenlet")


async def test_p23_a_cluster_without_a_trace_of_gardener_is_taken(kube: Kube) -> None:
    place(kube, DEPLOYMENT, "gardener-extension-provider-gcp", spec={"replicas": 0})
    place(kube, LEASE, "gardenlet-leader-election", spec={"renewTime": rfc3339(NOW - 3600)})
    place(kube, INFRASTRUCTURE, "bar", managers=["gardener-extension-provider-gcp"])  # a kind of another program
    await refuse_beside_gardener(kube, KINDS, NOW)


@pytest.mark.parametrize(
    ("kind", "name", "more"),
    [
        (SEED, "europe", {}),
        (DEPLOYMENT, "gardenlet", {}),
        (DEPLOYMENT, "gardener-extension-provider-gcp", {"spec": {"replicas": 2}}),
        (DEPLOYMENT, "gardener-extension-networking-cilium", {}),
        (LEASE, "gardenlet-leader-election", {"spec": {"renewTime": rfc3339(NOW - 5)}}),
        (LEASE, "provider-gcp-leader-election", {"spec": {"renewTime": rfc3339(NOW - 5)}}),
        (SHOOT, "other", {"managers": ["kubectl", "gardenlet"]}),
        (NETWORK, "bar", {"managers": ["gardener-extension-networking-calico"]}),
        (CONTROL_PLANE, "bar", {"managers": ["gardener-extension-provider-gcp"]}),
    ],
)
async def test_p23_each_trace_of_gardener_is_named(kube: Kube, kind: Kind, name: str, more: dict[str, Any]) -> None:
    if kind is SEED:
        kube._store.create(CRD, definition(SEED, TypeFacts()))
    place(kube, kind, name, **more)
    with pytest.raises(InvalidInput) as caught:
        await refuse_beside_gardener(kube, KINDS, NOW)
    (fault,) = caught.value.faults
    assert fault.startswith(f"--landscape standalone: {kind.kind} ")
    assert f"{name} " in fault
    assert fault.endswith("pass --landscape gardener, which runs the Infrastructure controller alone")


async def test_p23_what_may_not_be_read_is_not_taken_for_absent(kube: Kube) -> None:
    kube.refused = LEASE
    with pytest.raises(InvalidInput, match=r"grant the right to list leases\.coordination\.k8s\.io, which shows"):
        await refuse_beside_gardener(kube, KINDS, NOW)
