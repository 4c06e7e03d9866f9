"""A third network plugin needs one `Cni` and one entry in the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from tests.unit.gardener.controllers.migration import EXAMPLE
from tests.unit.gardener.controllers.scripted_world import NS, ScriptedWorld, cluster, reconcile

from dualstack.gardener.model.kinds import MANAGED_RESOURCE, NETWORK
from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.render.cni import CNIS, cni_of
from dualstack.gardener.render.cni.interface import Cni, cidr_of
from dualstack.gardener.validation.field_errors import Fault, forbidden
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, Manifest
from dualstack.model.manifests import config_map, daemon_set
from dualstack.model.parts import Part
from dualstack.operator.watches import ExtensionInterest


def flat_objects(shoot: ShootView, networks: Networks) -> list[Part]:
    data = {family: cidr_of(networks.pods, family) for family in network_families(shoot)}
    return [
        Part(config_map("flat", "kube-system", data), lambda live: {**live, "data": data}),
        Part(daemon_set("flat-agent", "flat:v1", labels={"app": "flat"})),
    ]


def flat_faults(config: Mapping[str, Any], families: Sequence[str], _proxy: bool) -> Iterator[Fault]:
    if config.get("ipv4Only") and "IPv6" in families:
        yield forbidden("spec.networking.providerConfig.ipv4Only", "must not be set for dual-stack shoots")


FLAT = Cni("flat", "flat-agent", "flat", flat_objects, lambda data: len(data) == 2, flat_faults)


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """A Shoot with the invented plugin, which is registered."""
    monkeypatch.setitem(CNIS, FLAT.name, FLAT)
    return shoot_with("flat")


def shoot_with(cni: str) -> Manifest:
    shoot = load_shoot(EXAMPLE.read_text())
    shoot["spec"]["networking"]["type"] = cni
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
