"""The API's defaults (docs/reference/gardener.md#shoot-fields)."""

from __future__ import annotations

from copy import deepcopy
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.gardener.model.defaults import add_task, mask_for, max_pods, remove_tasks, tasks_of, with_defaults
from dualstack.model.kinds import Manifest
from tests.unit.model import golden


@given(st.integers(1, 5000))
def test_the_mask_has_room_for_twice_the_pods(pods: int) -> None:
    assert mask_for(pods) == 32 - ceil(log2(2 * pods))


@pytest.mark.parametrize(("pods", "mask"), [(110, 24), (128, 24), (129, 23), (250, 23), (64, 25)])
def test_known_masks(pods: int, mask: int) -> None:
    assert mask_for(pods) == mask


def test_max_pods_is_the_largest_of_cluster_and_pools() -> None:
    shoot: Manifest = {
        "spec": {
            "kubernetes": {"kubelet": {"maxPods": 100}},
            "provider": {"workers": [{"kubernetes": {"kubelet": {"maxPods": 250}}}, {}]},
        }
    }

    assert max_pods(shoot) == 250
    assert max_pods({"spec": {}}) == 110


def test_the_edit_that_adds_ipv6_persists_its_mask() -> None:
    shoot = deepcopy(golden.shoot_file())
    manager = shoot["spec"]["kubernetes"]["kubeControllerManager"]
    assert with_defaults(shoot)["spec"]["kubernetes"]["kubeControllerManager"] == {"nodeCIDRMaskSize": 24}

    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]

    complete = with_defaults(shoot)
    assert complete["spec"]["kubernetes"]["kubeControllerManager"] == {
        "nodeCIDRMaskSize": 24,
        "nodeCIDRMaskSizeIPv6": 64,
    }
    assert "nodeCIDRMaskSizeIPv6" not in manager, "the manifest that was handed in must not change"


def test_defaulting_is_idempotent_and_keeps_what_is_stated() -> None:
    shoot = deepcopy(golden.shoot_file())
    shoot["spec"]["provider"]["workers"][0] |= {"maxSurge": "30%", "maxUnavailable": 2}

    once = with_defaults(shoot)

    assert with_defaults(once) == once
    assert once["spec"]["provider"]["workers"][0]["maxSurge"] == "30%"
    assert once["spec"]["maintenance"] == shoot["spec"]["maintenance"]


def test_a_workerless_shoot_gets_no_ranges() -> None:
    complete = with_defaults({"spec": {"provider": {"workers": []}}})

    assert complete["spec"]["networking"] == {"ipFamilies": ["IPv4"]}
    assert "kubernetes" not in complete["spec"]


def test_tasks_are_listed_once_and_removed_one_by_one() -> None:
    shoot = add_task({"metadata": {"name": "bar"}}, "deployInfrastructure")
    assert shoot["metadata"]["annotations"] == {"shoot.gardener.cloud/tasks": "deployInfrastructure"}
    assert add_task(shoot, "deployInfrastructure") is shoot

    both = add_task(shoot, "restartCoreAddons")

    assert tasks_of(both) == ("deployInfrastructure", "restartCoreAddons")
    assert remove_tasks(both, ["deployInfrastructure"]) == "restartCoreAddons"
    assert remove_tasks(shoot, ["deployInfrastructure"]) is None
