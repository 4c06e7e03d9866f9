"""Flags of a container are found and changed in every way in which they can be written."""

from __future__ import annotations

from typing import Any

import pytest

from dualstack.model.kinds import Manifest
from dualstack.model.parts import UnknownShape
from dualstack.model.workloads import flag_values, flags_of, is_cloud_controller_manager, with_environment, with_flags

ONE, BOTH = "100.96.0.0/11", "100.96.0.0/11,2001:db8::/56"


def _workload(*before: dict[str, Any], **container: Any) -> Manifest:
    containers = [*before, {"name": "manager", **container}]
    return {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": containers}}}}


def _words(workload: Manifest) -> list[str]:
    container = workload["spec"]["template"]["spec"]["containers"][-1]
    return [*(container.get("command") or ()), *(container.get("args") or ())]


PLACES: dict[str, dict[str, Any]] = {
    "command": {"command": ["m", f"--cluster-cidr={ONE}", "--v=2"]},
    "args": {"args": ["--v=2", f"--cluster-cidr={ONE}"]},
    "both, and null": {"command": None, "args": ["--cluster-cidr", ONE, "--v=2"]},
    "two words, one in each list": {"command": ["m", "--v=2", "--cluster-cidr"], "args": [ONE, "--x"]},
    "underscores": {"command": ["m", f"--cluster_cidr={ONE}", "--v=2"]},
    "spaces in the list": {"command": ["m", f"--cluster-cidr={ONE} "]},
    "twice": {"command": ["m", "--cluster-cidr=10.0.0.0/8", "--v=2"], "args": [f"--cluster-cidr={ONE}"]},
}


@pytest.mark.parametrize("container", PLACES.values(), ids=PLACES)
def test_p05_a_flag_is_changed_where_it_stands_and_back(container: dict[str, Any]) -> None:
    live = _workload({"name": "sidecar", "args": [f"--cluster-cidr={ONE}"]}, **container)

    changed = with_flags(live, "manager", "cluster-cidr", {"cluster-cidr": BOTH})
    restored = with_flags(changed, "manager", "cluster-cidr", {"cluster-cidr": ONE})

    assert flag_values(changed, "manager", "cluster-cidr")["cluster-cidr"] == BOTH
    assert _words(changed) == [word.replace(ONE, BOTH).rstrip() for word in _words(live)]
    assert [word.rstrip() for word in _words(restored)] == [word.rstrip() for word in _words(live)]
    (sidecar, _) = changed["spec"]["template"]["spec"]["containers"]
    assert sidecar == {"name": "sidecar", "args": [f"--cluster-cidr={ONE}"]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "flag and value in one word": ({"args": [f"--cluster-cidr {ONE}"]}, "container manager has no flag --cluster-cidr"),
    "a variable": ({"args": ["--cluster-cidr=$(PODS)"]}, r"--cluster-cidr is '\$\(PODS\)', which is no list of ranges"),
    "quotes": ({"args": [f'--cluster-cidr="{ONE}"']}, f"--cluster-cidr is '\"{ONE}\"', which is no list of ranges"),
    "no value": ({"args": ["--cluster-cidr"]}, "--cluster-cidr is 'true', which is no list of ranges"),
}


@pytest.mark.parametrize(("container", "reason"), REFUSED.values(), ids=REFUSED)
def test_p05_a_range_that_cannot_be_read_is_refused(container: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownShape, match=reason):
        with_flags(_workload(**container), "manager", "cluster-cidr", {"cluster-cidr": BOTH})


def test_p05_a_flag_that_replaces_another_stands_in_its_place_whichever_list_has_it() -> None:
    live = _workload(command=["m", f"--cluster-cidr={ONE}", "--mask"], args=["24", "--v=2"])

    changed = with_flags(live, "manager", "cluster-cidr", {"mask": None, "mask-ipv4": "24", "mask-ipv6": "64"})

    assert _words(changed) == ["m", f"--cluster-cidr={ONE}", "--mask-ipv4=24", "--mask-ipv6=64", "--v=2"]
    restored = with_flags(changed, "manager", "cluster-cidr", {"mask-ipv4": None, "mask-ipv6": None, "mask": "24"})
    assert _words(restored) == ["m", f"--cluster-cidr={ONE}", "--mask=24", "--v=2"]


def test_p05_a_variable_that_a_migration_sets_may_not_come_from_elsewhere() -> None:
    reference = {"name": "IP6", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}

    with pytest.raises(UnknownShape, match="variable IP6 of container manager has its value from elsewhere"):
        with_environment(_workload(env=[reference]), "manager", {"IP6": "autodetect"})


@pytest.mark.parametrize("position", [0, 1])
def test_p05_a_component_is_found_beside_containers_of_other_owners(position: int) -> None:
    own = {"name": "ccm", "command": ["/bin/cloud-controller-manager", "--cluster_cidr", ONE], "args": ["--v=2"]}
    containers: list[dict[str, Any]] = [{"name": "mesh", "args": ["--cluster-cidr=none"]}]
    containers.insert(position, own)
    pod: Manifest = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}}

    for workload in (pod, {**pod, "kind": "Deployment", "spec": {"template": pod}}):
        assert flags_of(workload) == {"cluster-cidr": ONE, "v": "2"}
        assert is_cloud_controller_manager(workload)
    assert not is_cloud_controller_manager({**pod, "spec": {"containers": [{"name": "mesh"}]}})
    assert flags_of({**pod, "spec": {}}) == {}
