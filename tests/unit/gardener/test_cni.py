"""Gardener's controllers and validation take a CNI from the registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.third_cni import registered
from tests.support.third_cni.product import FLAT
from tests.unit.gardener.controllers.migration import EXAMPLE
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld, cluster, reconcile

from dualstack.gardener.model.kinds import MANAGED_RESOURCE, NETWORK
from dualstack.gardener.model.shoot import load_shoot
from dualstack.gardener.render.network import cni_of
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, Manifest
from dualstack.operator.watches import ExtensionInterest


@pytest.fixture
def flat() -> Iterator[Manifest]:
    """A Shoot with the invented CNI, which is registered."""
    with registered():
        yield shoot_with(FLAT.network_type)


def shoot_with(cni: str) -> Manifest:
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["spec"]["networking"]["type"] = cni
    shoot["spec"]["networking"]["providerConfig"]["apiVersion"] = f"{cni}.networking.extensions.gardener.cloud/v1alpha1"
    return shoot


@pytest.mark.parametrize(("constraint", "families"), [("Progressing", ["IPv4"]), ("True", ["IPv4", "IPv6"])])
async def test_the_network_controller_renders_a_registered_plugin(
    flat: Manifest, constraint: str, families: list[str]
) -> None:
    world = ScriptedWorld(flat)
    cluster(world, constraint)
    found = await reconcile(world, NETWORK)

    assert found["status"]["lastOperation"]["state"] == "Succeeded"
    assert found["status"]["ipFamilies"] == families
    assert world.store.get(MANAGED_RESOURCE, "extension-networking-flat-config", NS) is not None
    assert world.store.get(DAEMON_SET, "flat-agent", "kube-system") is not None
    configured = world.store.get(CONFIG_MAP, "flat", "kube-system")
    assert configured is not None
    assert FLAT.is_dual_stack(configured["data"]) == (families == ["IPv4", "IPv6"])


def test_validation_accepts_a_registered_plugin_and_asks_it_about_its_configuration(flat: Manifest) -> None:
    assert validate_shoot(flat) == ()
    flat["spec"]["networking"]["providerConfig"]["ipv4Only"] = True
    assert [str(fault) for fault in validate_shoot(flat)] == [
        "spec.networking.providerConfig.ipv4Only: Forbidden: must not be set for dual-stack shoots"
    ]


def test_an_unknown_plugin_is_refused_with_the_registered_names(flat: Manifest) -> None:
    expected = 'spec.networking.type: Unsupported value: "weave": supported values: "calico", "cilium", "flat"'
    assert [str(fault) for fault in validate_shoot(shoot_with("weave"))] == [expected]
    with pytest.raises(InvalidInput, match="Unsupported value") as caught:
        cni_of("weave")
    assert caught.value.faults == (expected,)


def test_the_operator_watches_networks_of_a_registered_plugin(flat: Manifest) -> None:
    def network(kind: str) -> Manifest:
        return {"kind": "Network", "metadata": {"name": "bar", "uid": kind}, "spec": {"type": kind}}

    interest = ExtensionInterest()
    assert [interest.wakes(network(kind)) for kind in ("flat", "weave")] == [True, False]
