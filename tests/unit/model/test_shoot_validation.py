"""Validation errors, with Gardener's texts and field paths (docs/reference/gardener.md#shoot-api)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.gardener.model.defaults import with_defaults
from dualstack.gardener.model.shoot import ShootView, load_shoot
from dualstack.gardener.validation.shoot import validate_shoot, validate_spec, validate_update
from dualstack.model.kinds import Manifest
from tests.unit.model import golden

_MANAGER = "spec.kubernetes.kubeControllerManager"
_NETWORKS = "spec.provider.infrastructureConfig.networks"
_OVERLAY = "overlay must be set to false in conjunction with IPv6"
_IMMUTABLE = "field is immutable"
_GONE = object()


def changed(*edits: tuple[str, Any]) -> Manifest:
    """The golden Shoot with fields changed; `_GONE` removes one. Numbers in a path are positions in lists."""
    shoot = deepcopy(golden.shoot_file())
    for path, value in edits:
        *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        target: Any = shoot
        for step in way:
            target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if value is _GONE:
            del target[last]
        else:
            target[last] = value
    return shoot


def texts(shoot: Manifest, **options: int) -> list[str]:
    return [str(fault) for fault in validate_shoot(shoot, **options)]


@pytest.mark.parametrize("name", ["shoot.yaml", "shoot-large.yaml"])
def test_the_examples_have_no_fault_before_and_after_the_edit(name: str) -> None:
    shoot = load_shoot((golden.EXAMPLES / name).read_text(encoding="utf-8"))
    assert texts(shoot) == []

    dual = deepcopy(shoot)
    dual["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]

    assert texts(with_defaults(dual)) == []
    assert validate_update(with_defaults(shoot), with_defaults(dual)) == ()


_API_FAULTS: list[tuple[tuple[tuple[str, Any], ...], str]] = [
    (
        (("spec/networking/nodes", _GONE),),
        "spec.networking.nodes: Required value: a nodes CIDR must be provided for GCP shoots",
    ),
    (
        (("spec/networking/ipFamilies", ["IPv6"]),),
        'spec.networking.ipFamilies: Invalid value: ["IPv6"]: IPv6 single-stack networking is not supported',
    ),
    (
        (("spec/networking/ipFamilies", ["IPv4", "IPv5"]),),
        'spec.networking.ipFamilies[1]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    ),
    (
        (("spec/networking/ipFamilies", ["IPv4", "IPv4"]),),
        'spec.networking.ipFamilies[1]: Duplicate value: "IPv4"',
    ),
    (
        (("spec/networking/type", _GONE),),
        "spec.networking.type: Required value: networking type must be provided",
    ),
    (
        (("spec/networking/pods", "100.96.0.1/11"),),
        'spec.networking.pods: Invalid value: "100.96.0.1/11": must be valid canonical CIDR',
    ),
    (
        (("spec/networking/services", "100.64.0.0"),),
        'spec.networking.services: Invalid value: "100.64.0.0": invalid CIDR address: 100.64.0.0',
    ),
    (
        (("spec/networking/pods", "2600:1900::/64"),),
        'spec.networking.pods: Invalid value: "2600:1900::/64": must be a valid IPv4 address',
    ),
    (
        (("spec/networking/services", "100.100.0.0/16"),),
        (
            'spec.networking.services: Invalid value: "100.100.0.0/16": shoot pod network intersects with '
            "shoot service network"
        ),
    ),
    (
        (("spec/networking/pods", "10.0.0.0/8"),),
        'spec.networking.pods: Invalid value: "10.0.0.0/8": shoot pod network intersects with shoot node network',
    ),
    (
        (("spec/networking/services", "10.250.0.0/24"),),
        (
            'spec.networking.services: Invalid value: "10.250.0.0/24": shoot service network intersects '
            "with shoot node network"
        ),
    ),
    (
        (("spec/kubernetes/kubeControllerManager/nodeCIDRMaskSize", 15),),
        f"{_MANAGER}.nodeCIDRMaskSize: Invalid value: 15: nodeCIDRMaskSize must be between 16 and 28",
    ),
    (
        (("spec/kubernetes/kubeControllerManager/nodeCIDRMaskSizeIPv6", 64),),
        (
            f"{_MANAGER}.nodeCIDRMaskSizeIPv6: Forbidden: nodeCIDRMaskSizeIPv6 cannot be set for IPv4 "
            "single-stack clusters"
        ),
    ),
    (
        (
            ("spec/networking/ipFamilies", ["IPv4", "IPv6"]),
            ("spec/kubernetes/kubeControllerManager/nodeCIDRMaskSizeIPv6", 48),
        ),
        f"{_MANAGER}.nodeCIDRMaskSizeIPv6: Invalid value: 48: nodeCIDRMaskSizeIPv6 must be between 64 and 124",
    ),
    (
        (
            ("spec/networking/ipFamilies", ["IPv4", "IPv6"]),
            ("spec/networking/providerConfig/overlay/enabled", True),
        ),
        f"spec.networking.providerConfig.overlay.enabled: Invalid value: true: {_OVERLAY}",
    ),
    (
        (
            ("spec/networking/ipFamilies", ["IPv4", "IPv6"]),
            ("spec/networking/providerConfig/overlay", _GONE),
        ),
        f'spec.networking.ipFamilies: Invalid value: ["IPv4","IPv6"]: {_OVERLAY}',
    ),
    (
        (
            ("spec/networking/ipFamilies", ["IPv4", "IPv6"]),
            ("spec/networking/providerConfig/ipam", {"type": "calico-ipam"}),
        ),
        (
            'spec.networking.providerConfig.ipam.type: Invalid value: "calico-ipam": IPAM type "calico-ipam" is only '
            'supported for IPv4 single-stack shoots, use "host-local" instead'
        ),
    ),
    ((("spec/region", ""),), "spec.region: Required value: must specify a region"),
    ((("metadata/namespace", _GONE),), "metadata.namespace: Required value: namespace is required"),
    (
        (("metadata/name", "a-much-too-long-name"),),
        (
            'metadata.name: Invalid value: "a-much-too-long-name": the length of the shoot name and the project name '
            "must not exceed 21 characters (project: foo; shoot: a-much-too-long-name)"
        ),
    ),
    (
        (("spec/provider/workers/0/maximum", 2),),
        "spec.provider.workers[0].maximum: Forbidden: maximum value must not be less than minimum value",
    ),
    (
        (("spec/provider/workers/0/maxSurge", 0),),
        (
            "spec.provider.workers[0].maxUnavailable: Invalid value: 0: may not be 0 when both `maxSurge` and "
            "`maxUnavailable` are 0"
        ),
    ),
    (
        (("spec/provider/workers/0/zones", []),),
        "spec.provider.workers[0].zones: Required value: at least one zone must be configured",
    ),
    (
        (("spec/provider/infrastructureConfig/networks/workers", "10.251.0.0/16"),),
        (
            f'{_NETWORKS}.workers: Invalid value: "10.251.0.0/16": must be a subset of '
            '"spec.networking.nodes" ("10.250.0.0/16")'
        ),
    ),
    (
        (("spec/provider/infrastructureConfig/networks/workers", _GONE),),
        f"{_NETWORKS}: Required value: must specify the networks",
    ),
    (
        (("spec/provider/infrastructureConfig/networks", {"mtu": 1460}),),
        f"{_NETWORKS}.workers: Required value: must specify the network range for the worker network",
    ),
    (
        (("spec/provider/infrastructureConfig/networks/internal", "10.250.128.0/17"),),
        (
            f'{_NETWORKS}.internal: Invalid value: "10.250.128.0/17": must not overlap with "spec.networking.nodes" '
            '("10.250.0.0/16")'
        ),
    ),
    (
        (("spec/provider/infrastructureConfig/networks/vpc", {"name": "mine"}),),
        f"{_NETWORKS}.vpc.cloudRouter: Invalid value: null: cloud router must be defined when reusing a VPC",
    ),
    (
        (("spec/provider/infrastructureConfig/networks/vpc", {"name": "mine", "cloudRouter": {}}),),
        (
            f"{_NETWORKS}.vpc.cloudRouter.name: Invalid value: null: cloud router name must be specified "
            "when reusing a VPC"
        ),
    ),
    (
        (("spec/provider/infrastructureConfig/networks/vpc", {}),),
        f'{_NETWORKS}.vpc.name: Invalid value: "": vpc name must not be empty when vpc key is provided',
    ),
    (
        (("spec/provider/infrastructureConfig/networks/flowLogs", {"aggregationInterval": "INTERVAL_1_SEC"}),),
        (
            f'{_NETWORKS}.flowLogs.aggregationInterval: Unsupported value: "INTERVAL_1_SEC": supported values: '
            '"INTERVAL_5_SEC", "INTERVAL_30_SEC", "INTERVAL_1_MIN", "INTERVAL_5_MIN", "INTERVAL_10_MIN", '
            '"INTERVAL_15_MIN"'
        ),
    ),
    (
        (("spec/provider/infrastructureConfig/networks/mtu", 9000),),
        f"{_NETWORKS}.mtu: Invalid value: 9000: mtu must be between 1300 and 8896",
    ),
]


@pytest.mark.parametrize(("edits", "expected"), _API_FAULTS, ids=[fault.split(":")[0] for _, fault in _API_FAULTS])
def test_the_api_refuses(edits: tuple[tuple[str, Any], ...], expected: str) -> None:
    assert expected in [str(fault) for fault in validate_spec(changed(*edits))]


def test_max_pods_must_fit_the_mask() -> None:
    (fault,) = validate_spec(changed(("spec/kubernetes/kubeControllerManager/nodeCIDRMaskSize", 26)))

    assert fault.field == f"{_MANAGER}.nodeCIDRMaskSize"
    assert (
        "only supports '62' ip addresses. Highest maxPods setting on kubelet is '110 (default: 110)'" in fault.message
    )


def test_several_faults_are_reported_together() -> None:
    faults = texts(
        changed(
            ("spec/networking/nodes", _GONE),
            ("spec/networking/pods", "100.96.0.1/11"),
            ("spec/networking/ipFamilies", ["IPv6"]),
            ("spec/networking/providerConfig/overlay/enabled", True),
            ("spec/provider/workers/0/zones", []),
        )
    )

    assert len(faults) >= 5
    assert len(faults) == len(set(faults))


def test_a_rehearsal_requires_native_routing_even_of_an_ipv4_shoot() -> None:
    """It is to become dual-stack; an overlay has no routes to convert (docs/reference/weaknesses.md#w24)."""
    enabled = changed(("spec/networking/providerConfig/overlay/enabled", True))
    silent = changed(("spec/networking/providerConfig", _GONE))
    vague = changed(("spec/networking/providerConfig/overlay", {}))

    assert validate_spec(enabled) == validate_spec(silent) == ()
    assert texts(enabled) == [f"spec.networking.providerConfig.overlay.enabled: Invalid value: true: {_OVERLAY}"]
    assert texts(silent) == []  # the garden switches the overlay off
    assert texts(vague) == [f"spec.networking.providerConfig.overlay.enabled: Invalid value: null: {_OVERLAY}"]


def test_a_rehearsal_refuses_ipv6_first() -> None:
    assert texts(changed(("spec/networking/ipFamilies", ["IPv6", "IPv4"]))) == [
        (
            "spec.networking.ipFamilies: Forbidden: unsupported IP family update: oldIPFamilies=[IPv4], "
            "newIPFamilies=[IPv6 IPv4]"
        )
    ]


def test_a_rehearsal_refuses_other_providers() -> None:
    assert texts(changed(("spec/provider/type", "aws"))) == [
        'spec.provider.type: Unsupported value: "aws": supported values: "gcp"'
    ]


def test_a_rehearsal_refuses_a_workerless_shoot() -> None:
    shoot = changed(("spec/provider/workers", []))

    assert texts(shoot)[-1] == (
        "spec.provider.workers: Required value: a workerless Shoot has no nodes that could become dual-stack"
    )
    assert "spec.networking.pods: Forbidden: this field should not be set for workerless Shoot clusters" in texts(shoot)


def test_a_rehearsal_judges_the_shoot_that_is_to_be() -> None:
    ipam = changed(("spec/networking/providerConfig/ipam", {"type": "calico-ipam"}))

    assert [str(fault) for fault in validate_spec(ipam)] == []
    assert texts(ipam) == [
        (
            'spec.networking.providerConfig.ipam.type: Invalid value: "calico-ipam": IPAM type "calico-ipam" is only '
            'supported for IPv4 single-stack shoots, use "host-local" instead'
        )
    ]


def test_all_zones_must_be_of_the_region() -> None:
    assert texts(changed(("spec/provider/workers/0/zones", ["europe-west1-b", "us-east1-b"]))) == [
        'spec.provider.workers[0].zones[1]: Invalid value: "us-east1-b": must be a zone of the region europe-west1'
    ]


@pytest.mark.parametrize(
    ("technical_id", "fits"),
    [("shoot-garden-bar", True), ("s" * 36, True), ("s" * 37, False), ("No/such", False), ("7up", False)],
)
def test_resources_can_be_named_after_the_technical_id(technical_id: str, fits: bool) -> None:
    expected = (
        f'status.technicalID: Invalid value: "{technical_id}": must be at most 36 lower case letters, digits and '
        "hyphens, because resource names contain it"
    )
    assert texts(changed(("status", {"technicalID": technical_id}))) == ([] if fits else [expected])


def test_there_must_be_a_node() -> None:
    """A migration without nodes succeeds (docs/reference/weaknesses.md#w38), but cannot be rehearsed."""
    empty = changed(("spec/provider/workers/0/minimum", 0))
    asleep = changed(("spec/hibernation/enabled", True))

    assert texts(empty) == [
        (
            "spec.provider.workers: Invalid value: 0: the minimum of all pools is 0, but a migration needs at least "
            "one node"
        )
    ]
    assert texts(empty, node_count=2) == []
    assert texts(asleep) == [
        (
            "spec.hibernation.enabled: Invalid value: true: a hibernated Shoot has no nodes that could become "
            "dual-stack; wake it up first"
        )
    ]


def test_the_pod_range_must_hold_the_nodes_and_their_surge() -> None:
    small = changed(("spec/networking/pods", "100.96.0.0/22"))
    tiny = changed(("spec/networking/pods", "100.96.0.0/23"))

    assert texts(small) == []
    assert texts(tiny) == [
        (
            'spec.networking.pods: Invalid value: "100.96.0.0/23": has room for 2 nodes with a /24 each, but the '
            "worker pools need 4 (3 nodes and 1 more while they are replaced)"
        )
    ]
    assert len(texts(small, node_count=4)) == 1


def test_the_worker_range_must_hold_them_too() -> None:
    shoot = changed(("spec/provider/infrastructureConfig/networks/workers", "10.250.0.0/29"))

    assert texts(shoot) == []
    assert texts(shoot, node_count=4) == [
        (
            f'{_NETWORKS}.workers: Invalid value: "10.250.0.0/29": has room for 4 nodes, but the worker pools need 5 '
            "(4 nodes and 1 more while they are replaced)"
        )
    ]


_FAMILIES = {"4": ["IPv4"], "46": ["IPv4", "IPv6"], "6": ["IPv6"], "64": ["IPv6", "IPv4"]}
_ALLOWED = {("4", "4"), ("4", "46"), ("46", "4"), ("46", "46"), ("6", "6"), ("64", "64")}


@pytest.mark.parametrize("old", _FAMILIES)
@pytest.mark.parametrize("new", _FAMILIES)
def test_the_table_of_family_changes(old: str, new: str) -> None:
    before = changed(("spec/networking/ipFamilies", _FAMILIES[old]))
    after = changed(("spec/networking/ipFamilies", _FAMILIES[new]))

    faults = [str(fault) for fault in validate_update(before, after)]

    assert (faults == []) == ((old, new) in _ALLOWED)
    for fault in faults:
        assert fault.startswith("spec.networking.ipFamilies: Forbidden: unsupported IP family update: oldIPFamilies=[")
        assert fault.endswith(f"newIPFamilies=[{' '.join(_FAMILIES[new])}]")


def test_the_way_back_is_barred_by_the_mask_that_was_defaulted() -> None:
    """1.3, last paragraph: upstream allows the families but not the removal of the mask."""
    dual = with_defaults(changed(("spec/networking/ipFamilies", ["IPv4", "IPv6"])))
    back = deepcopy(dual)
    back["spec"]["networking"]["ipFamilies"] = ["IPv4"]
    without = deepcopy(back)
    del without["spec"]["kubernetes"]["kubeControllerManager"]["nodeCIDRMaskSizeIPv6"]

    assert [fault.field for fault in validate_spec(back)] == [f"{_MANAGER}.nodeCIDRMaskSizeIPv6"]
    assert [str(fault) for fault in validate_update(dual, without)] == [
        f"{_MANAGER}.nodeCIDRMaskSizeIPv6: Invalid value: null: {_IMMUTABLE}"
    ]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec/networking/type", "cilium", f'spec.networking.type: Invalid value: "cilium": {_IMMUTABLE}'),
        (
            "spec/networking/pods",
            "100.128.0.0/11",
            f'spec.networking.pods: Invalid value: "100.128.0.0/11": {_IMMUTABLE}',
        ),
        (
            "spec/kubernetes/kubeControllerManager/nodeCIDRMaskSize",
            25,
            f"{_MANAGER}.nodeCIDRMaskSize: Invalid value: 25: {_IMMUTABLE}",
        ),
        (
            "spec/provider/infrastructureConfig/networks/workers",
            "10.250.0.0/17",
            f'{_NETWORKS}.workers: Invalid value: "10.250.0.0/17": worker CIDR blocks can only be expanded',
        ),
        (
            "spec/provider/infrastructureConfig/networks/mtu",
            1500,
            f"{_NETWORKS}.mtu: Invalid value: 1500: {_IMMUTABLE}",
        ),
        ("spec/networking", None, "spec.networking: Forbidden: networking cannot be set to nil if it's already set"),
    ],
)
def test_what_may_not_change(path: str, value: Any, expected: str) -> None:
    assert expected in [str(fault) for fault in validate_update(changed(), changed((path, value)))]


def test_the_nodes_range_may_change() -> None:
    assert validate_update(changed(), changed(("spec/networking/nodes", "10.248.0.0/14"))) == ()


def test_a_users_vpc_may_not_be_swapped() -> None:
    path = "spec/provider/infrastructureConfig/networks/vpc"
    old = changed((path, {"name": "mine", "cloudRouter": {"name": "router"}}))
    new = changed((path, {"name": "other", "cloudRouter": {"name": "router"}}))

    assert [str(fault) for fault in validate_update(old, new)] == [
        f'{_NETWORKS}.vpc.name: Invalid value: "other": {_IMMUTABLE}'
    ]
    assert [str(fault) for fault in validate_update(old, changed())] == [
        f"{_NETWORKS}.vpc: Forbidden: vpc cannot be removed"
    ]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec/networking", [1], "spec.networking: Invalid value: [1]: must be a mapping"),
        ("spec/networking/pods", 5, "spec.networking.pods: Invalid value: 5: must be a string"),
        ("spec/kubernetes/version", 1.33, "spec.kubernetes.version: Invalid value: 1.33: must be a string"),
        ("spec/provider/workers", [None], "spec.provider.workers[0]: Invalid value: null: must be a mapping"),
        (
            "spec/provider/workers/0/minimum",
            True,
            "spec.provider.workers[0].minimum: Invalid value: true: must be an integer",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_named(path: str, value: Any, expected: str) -> None:
    assert texts(changed((path, value))) == [expected]


_junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.sampled_from(["", "x", "IPv6", "10.0.0.1/8", "::/0", "50%"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "enabled", "x"]), inner),
    max_leaves=3,
)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, entry in below for found in _paths(entry, (*path, key)))]


_LARGE = load_shoot((golden.EXAMPLES / "shoot-large.yaml").read_text(encoding="utf-8"))
_PATHS = [path for path in _paths(_LARGE) if path]


@given(st.lists(st.tuples(st.sampled_from(_PATHS), _junk), min_size=1, max_size=4))
@settings(max_examples=300)
def test_no_shoot_whatsoever_makes_the_validation_fail(edits: list[tuple[tuple[str | int, ...], Any]]) -> None:
    """Every mangled Shoot gets faults or a view, never an exception."""
    shoot: Any = deepcopy(_LARGE)
    for path, value in edits:
        target: Any = shoot
        for step in path[:-1]:
            try:
                target = target[step]
            except (KeyError, IndexError, TypeError):
                target = None
                break
        last = path[-1]
        fits = isinstance(target, list) and isinstance(last, int) and last < len(target)
        if isinstance(target, dict) or fits:
            target[last] = value

    faults = validate_shoot(shoot)
    validate_update(_LARGE, shoot)

    for fault in faults:
        assert "\n" not in str(fault)
    if not faults:
        assert ShootView.of(shoot).families
