"""Admission of Shoots by the garden API."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dualstack.clock import ScaledClock
from dualstack.gardener.model.kinds import SHOOT
from dualstack.model.kinds import CRD, NAMESPACE, Manifest
from dualstack_sim.chance import Chance
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener import admission
from dualstack_sim.world.gardener.definitions import definitions
from dualstack_sim.world.gardener.knobs import Garden
from tests.unit.model import golden

_DUAL = ["IPv4", "IPv6"]


@pytest.fixture
def store() -> KubeStore:
    return _garden(Garden())


def _garden(garden: Garden) -> KubeStore:
    """A garden API with the Shoot type and its admission, and one project."""
    store = KubeStore(ScaledClock(), Chance(1))
    for definition in definitions():
        store.create(CRD, definition)
    store.create(NAMESPACE, {"metadata": {"name": "garden-foo"}})
    admission.register(store.admission, garden)
    return store


def _create(store: KubeStore, **networking: Any) -> Manifest:
    shoot = deepcopy(golden.shoot_file())
    shoot["spec"]["networking"] |= networking
    return store.create(SHOOT, shoot)


def _patch(store: KubeStore, **networking: Any) -> Manifest:
    return store.patch(SHOOT, "bar", {"spec": {"networking": networking}}, "garden-foo")


def test_the_edit_that_starts_the_migration(store: KubeStore) -> None:
    created = _create(store)

    edited = _patch(store, ipFamilies=_DUAL)

    assert edited["spec"]["kubernetes"]["kubeControllerManager"]["nodeCIDRMaskSizeIPv6"] == 64
    assert edited["metadata"]["annotations"]["shoot.gardener.cloud/tasks"] == "deployInfrastructure"
    assert edited["metadata"]["generation"] == created["metadata"]["generation"] + 1


def test_creation_sets_defaults_and_no_task(store: KubeStore) -> None:
    shoot = deepcopy(golden.shoot_file())
    del shoot["spec"]["networking"]["ipFamilies"]
    del shoot["spec"]["networking"]["providerConfig"]

    created = store.create(SHOOT, shoot)

    assert created["spec"]["networking"]["ipFamilies"] == ["IPv4"]
    assert created["spec"]["networking"]["providerConfig"] == {
        "overlay": {"enabled": False},
        "snatToUpstreamDNS": {"enabled": False},
    }
    assert "shoot.gardener.cloud/tasks" not in created["metadata"].get("annotations", {})
    assert created["spec"]["maintenance"] == shoot["spec"]["maintenance"]


def test_an_update_without_the_overlay_keeps_the_old_one(store: KubeStore) -> None:
    _create(store)

    edited = _patch(store, providerConfig={"overlay": None})

    assert edited["spec"]["networking"]["providerConfig"]["overlay"] == {"enabled": False}


def test_another_infrastructure_config_requests_its_deployment(store: KubeStore) -> None:
    _create(store)
    change = {"spec": {"provider": {"infrastructureConfig": {"networks": {"cloudNAT": {"minPortsPerVM": 64}}}}}}

    edited = store.patch(SHOOT, "bar", change, "garden-foo")

    assert edited["metadata"]["annotations"]["shoot.gardener.cloud/tasks"] == "deployInfrastructure"


@pytest.mark.parametrize("families", [["IPv6"], ["IPv6", "IPv4"]])
def test_unsupported_family_changes(store: KubeStore, families: list[str]) -> None:
    _create(store)

    with pytest.raises(StatusError) as refused:
        _patch(store, ipFamilies=families)

    assert refused.value.code == 422
    assert (
        "spec.networking.ipFamilies: Forbidden: unsupported IP family update: oldIPFamilies=[IPv4], "
        f"newIPFamilies=[{' '.join(families)}]"
    ) in refused.value.message


def test_ipv6_over_an_overlay_is_refused(store: KubeStore) -> None:
    _create(store, providerConfig={"overlay": {"enabled": True}})

    with pytest.raises(StatusError) as refused:
        _patch(store, ipFamilies=_DUAL)

    assert refused.value.message == (
        'Shoot.core.gardener.cloud "bar" is invalid: spec.networking.providerConfig.overlay.enabled: Invalid value: '
        "true: overlay must be set to false in conjunction with IPv6"
    )
    assert refused.value.details is not None
    assert refused.value.details["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: true: overlay must be set to false in conjunction with IPv6",
            "field": "spec.networking.providerConfig.overlay.enabled",
        }
    ]


def test_the_return_to_ipv4_is_refused_because_of_the_mask(store: KubeStore) -> None:
    _create(store)
    _patch(store, ipFamilies=_DUAL)

    with pytest.raises(StatusError, match="nodeCIDRMaskSizeIPv6 cannot be set for IPv4 single-stack clusters"):
        _patch(store, ipFamilies=["IPv4"])


def test_the_return_to_ipv4_is_refused_without_the_mask_too(store: KubeStore) -> None:
    """It is forbidden for [IPv4] and immutable once set, so no edit is accepted
    (docs/reference/gardener.md#mask-blocks-rollback)."""
    _create(store)
    _patch(store, ipFamilies=_DUAL)

    with pytest.raises(StatusError, match="nodeCIDRMaskSizeIPv6: Invalid value: null: field is immutable"):
        store.patch(SHOOT, "bar", RETURN, "garden-foo")


def test_the_mask_is_removed_with_ipv6_if_the_garden_allows_it() -> None:
    store = _garden(Garden(mask_may_leave=True))
    created = _create(store)
    _patch(store, ipFamilies=_DUAL)

    back = store.patch(SHOOT, "bar", RETURN, "garden-foo")

    assert back["spec"] == created["spec"]
    with pytest.raises(StatusError, match="nodeCIDRMaskSize: Invalid value: 25: field is immutable"):
        store.patch(SHOOT, "bar", _manager(nodeCIDRMaskSize=25), "garden-foo")
    _patch(store, ipFamilies=_DUAL)
    with pytest.raises(StatusError, match="nodeCIDRMaskSizeIPv6: Invalid value: 80: field is immutable"):
        store.patch(SHOOT, "bar", _manager(nodeCIDRMaskSizeIPv6=80), "garden-foo")


def _manager(**settings: Any) -> Manifest:
    return {"spec": {"kubernetes": {"kubeControllerManager": settings}}}


RETURN: Manifest = {
    "spec": {**_manager(nodeCIDRMaskSizeIPv6=None)["spec"], "networking": {"ipFamilies": ["IPv4"]}},
}


def test_metadata_and_status_change_whatever_the_spec_is(store: KubeStore) -> None:
    _create(store)

    store.patch(SHOOT, "bar", {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}, "garden-foo")
    stored = store.patch(SHOOT, "bar", {"status": {"technicalID": "x"}}, "garden-foo", subresource="status")

    assert stored["status"] == {"technicalID": "x"}
    assert stored["metadata"]["annotations"] == {"gardener.cloud/operation": "reconcile"}


def test_a_spec_of_the_wrong_shape_is_refused(store: KubeStore) -> None:
    _create(store)

    with pytest.raises(StatusError, match=r"spec\.networking\.pods: Invalid value: 5: must be a string"):
        _patch(store, pods=5)
