"""Machine classes: updated in place, never renamed (docs/reference/gardener.md#machine-class-in-place)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.unit.model import golden

from dualstack.gardener.model.infrastructure import InfrastructureStatus, NetworkStatus, Subnet
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.machine_class import (
    class_name,
    class_of,
    edited_deployment,
    is_dual_stack,
    machine_class,
    machine_deployment,
)
from dualstack.gardener.render.pool_hash import pool_hash
from dualstack.model.kinds import Manifest


def _status(*families: str) -> InfrastructureStatus:
    subnets = (Subnet(name="shoot--foo--bar-nodes", purpose="nodes"),)
    return InfrastructureStatus(networks=NetworkStatus(subnets=subnets, ipfamilies=families))


def _interface(shoot: ShootView, status: InfrastructureStatus) -> Manifest:
    created = machine_class(shoot, status, shoot.pools[0], shoot.pools[0].parts[0]).new
    interface: Manifest = created["providerSpec"]["networkInterfaces"][0]
    return interface


@pytest.mark.parametrize("families", [(), ("IPv4",)])
def test_a_single_stack_interface(families: tuple[str, ...]) -> None:
    assert _interface(golden.view_in("P0"), _status(*families)) == {
        "subnetwork": "shoot--foo--bar-nodes",
        "disableExternalIP": True,
    }


@pytest.mark.parametrize("phase", golden.PHASES[1:])
def test_a_dual_stack_interface_as_soon_as_the_infrastructure_is(phase: str) -> None:
    assert _interface(golden.view_in(phase), _status("IPv4", "IPv6")) == {
        "useAliasIPs": True,
        "subnetwork": "shoot--foo--bar-nodes",
        "disableExternalIP": True,
        "stackType": "IPV4_IPV6",
        "ipv6accessType": "EXTERNAL",
        "ipCidrRange": "/24",
        "subnetworkRangeName": "ipv4-pod-cidr",
    }


def test_the_interface_on_the_way_back_keeps_its_alias() -> None:
    shoot = golden.shoot_in("P5")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]

    interface = _interface(ShootView.of(shoot), _status("IPv4", "IPv6"))

    assert (interface["stackType"], interface["useAliasIPs"]) == ("IPV4_ONLY", True)


def test_the_migration_changes_the_class_in_place_and_nothing_but_its_interface() -> None:
    before, after = golden.view_in("P0"), golden.view_in("P1")
    pool, part = before.pools[0], before.pools[0].parts[0]
    old = machine_class(before, _status("IPv4"), pool, part).new
    new = machine_class(after, _status("IPv4", "IPv6"), pool, part).new

    assert not is_dual_stack(old)
    assert is_dual_stack(new)
    old["providerSpec"].pop("networkInterfaces")
    new["providerSpec"].pop("networkInterfaces")
    assert old == new


def test_the_migration_changes_nothing_in_a_machine_deployment() -> None:
    rendered = [
        machine_deployment(view, view.pools[0], view.pools[0].parts[0], replicas=3)
        for view in map(golden.view_in, golden.PHASES)
    ]

    assert all(deployment == rendered[0] for deployment in rendered)
    assert rendered[0]["spec"]["minReadySeconds"] == 500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kubernetes", "version"), "1.34.1"),
        (("provider", "workers", 0, "machine", "type"), "n2-standard-8"),
        (("provider", "workers", 0, "machine", "image", "version"), "1592.15.0"),
        (("provider", "workers", 0, "volume", "size"), "60Gi"),
        (("provider", "workers", 0, "providerConfig"), {"volume": {"interface": "NVME"}}),
    ],
)
def test_what_makes_nodes_roll_changes_the_hash(path: tuple[Any, ...], value: Any) -> None:
    shoot = deepcopy(golden.shoot_in("P0"))
    target = shoot["spec"]
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    view, changed = golden.view_in("P0"), ShootView.of(shoot)

    assert pool_hash(changed, changed.pools[0]) != pool_hash(view, view.pools[0])


def test_the_class_name_has_five_hex_digits() -> None:
    view = golden.view_in("P0")
    name = class_name(view, view.pools[0], view.pools[0].parts[0])

    prefix, _, digits = name.rpartition("-")
    assert prefix == "shoot--foo--bar-w1-z1"
    assert len(digits) == 5
    assert int(digits, 16) >= 0


def test_the_roll_out_annotation_is_kept_on_the_template() -> None:
    view = golden.view_in("P1")
    live = machine_deployment(view, view.pools[0], view.pools[0].parts[0], replicas=3)
    live["spec"]["template"]["metadata"]["annotations"] = {"rollout-workers": "2026-01-01T00:00:00Z"}

    changed = edited_deployment(replicas=7, machine_class=class_of(live), recorded=None)(live)

    assert changed == {**live, "spec": {**live["spec"], "replicas": 7}}


def test_the_rest_of_a_class() -> None:
    view = golden.view_in("P0")
    spec = machine_class(view, _status("IPv4"), view.pools[0], view.pools[0].parts[0]).new["providerSpec"]

    assert spec["tags"] == ["shoot--foo--bar", "kubernetes-io-cluster-shoot--foo--bar", "kubernetes-io-role-node"]
    assert (spec["canIpForward"], spec["deletionProtection"]) == (True, False)
    assert spec["description"] == "Machine of Shoot bar created by machine-controller-manager."
    assert (spec["region"], spec["zone"], spec["machineType"]) == ("europe-west1", "europe-west1-b", "n1-standard-4")
    assert spec["metadata"] == [{"key": "block-project-ssh-keys", "value": "TRUE"}]
