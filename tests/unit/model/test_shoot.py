"""Reading a Shoot from text, and the view of it."""

from __future__ import annotations

from copy import deepcopy

import pytest

from dualstack.gardener.model.shoot import ShootView, load_shoot, technical_id
from dualstack.model.errors import InvalidInput
from tests.unit.model import golden


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: b: c", "not YAML"),
        ("key: [1, 2", "not YAML"),
        ("!!python/object:os.system {}", "not YAML"),
        ("\x00", "not YAML"),
        ("", "holds no documents"),
        ("a: 1\n---\nb: 2\n", "holds 2 documents"),
        ("- a\n- b\n", "is a list, not a mapping"),
        ("hello", "is a string, not a mapping"),
        ("&a [*a]", "anchors"),
        ("a: &a [x, x]\nb: !!binary notbase64=\n", "not YAML"),
        (
            "a: 1\nb: {c: 2,\n  c: 3}\n",
            'not YAML: line 3, column 3: key "c" is already set in this mapping',
        ),
        ('{"a": 1, "a": 1}', 'key "a" is already set'),
        ("1: a\n1: b\n", 'key "1" is already set'),
        ("[a]: 1\n[a]: 2\n", "not YAML"),
    ],
)
def test_what_is_no_mapping_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_shoot(text)

    assert len(refused.value.faults) == 1
    assert words in refused.value.faults[0]
    assert "\n" not in refused.value.faults[0]


def test_anchors_that_multiply_each_other_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    with pytest.raises(InvalidInput, match="expand to more than"):
        load_shoot("\n".join(lines))


def test_another_kind_and_version_are_reported_together() -> None:
    with pytest.raises(InvalidInput) as refused:
        load_shoot("apiVersion: v1\nkind: Pod\n")

    assert refused.value.faults == (
        'kind: Unsupported value: "Pod": supported values: "Shoot"',
        'apiVersion: Unsupported value: "v1": supported values: "core.gardener.cloud/v1beta1"',
    )


def test_unknown_fields_are_kept() -> None:
    text = "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\nspec: {futureField: {deep: [1, null]}}\n"

    assert load_shoot(text)["spec"]["futureField"] == {"deep": [1, None]}


def test_what_a_merge_brings_may_be_overridden() -> None:
    text = (
        "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\n"
        "x: &pool {minimum: 1, maximum: 2}\nspec: {<<: *pool, minimum: 3}\n"
    )

    assert load_shoot(text)["spec"] == {"minimum": 3, "maximum": 2}


def test_yaml_dates_become_text() -> None:
    text = "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\nspec: {expires: 2027-01-01}\n"

    assert load_shoot(text)["spec"]["expires"] == "2027-01-01"


def test_the_view_of_the_golden_shoot() -> None:
    view = ShootView.of(golden.shoot_file())

    assert (view.name, view.namespace, view.technical_id) == ("bar", "garden-foo", "shoot--foo--bar")
    assert (view.region, view.cni, view.overlay_enabled) == ("europe-west1", "calico", False)
    assert (view.pods, view.services, view.nodes) == (golden.P4, golden.S4, golden.N4)
    assert (view.families, view.dual_stack, view.node_cidr_mask_size) == (("IPv4",), False, 24)
    assert [(pool.name, pool.minimum, pool.max_surge, pool.zones) for pool in view.pools] == [
        ("w1", 3, 1, ("europe-west1-b",))
    ]
    assert view.infrastructure_config.workers == "10.250.0.0/16"
    assert (view.infrastructure_config.user_vpc, view.infrastructure_config.nat_ip_names) == (None, ())


def test_the_view_of_the_large_shoot() -> None:
    text = (golden.EXAMPLES / "shoot-large.yaml").read_text(encoding="utf-8")

    view = ShootView.of(load_shoot(text))

    config = view.infrastructure_config
    assert sum(pool.minimum for pool in view.pools) == 40
    assert len({zone for pool in view.pools for zone in pool.zones}) == 3
    assert (view.cni, config.user_vpc, config.user_router) == ("cilium", "shop-live", "shop-live-router")
    assert config.nat_ip_names == ("shop-egress-1", "shop-egress-2")
    assert config.networks.flow_logs is not None
    assert config.networks.internal == "10.179.0.0/20"


def test_the_view_fills_in_what_the_api_would() -> None:
    shoot = deepcopy(golden.shoot_file())
    del shoot["spec"]["networking"]["ipFamilies"]
    del shoot["spec"]["networking"]["pods"]
    del shoot["spec"]["networking"]["services"]
    del shoot["spec"]["kubernetes"]["kubeControllerManager"]

    view = ShootView.of(shoot)

    assert (view.families, view.pods, view.services) == (("IPv4",), "100.96.0.0/11", "100.64.0.0/13")
    assert (view.node_cidr_mask_size, view.node_cidr_mask_size_ipv6) == (24, None)
    assert view.manifest is shoot


@pytest.mark.parametrize(("overlay", "expected"), [({"enabled": True}, True), ({}, None), ({"enabled": "no"}, None)])
def test_the_overlay_is_known_only_when_it_is_stated_as_a_boolean(overlay: object, expected: bool | None) -> None:
    shoot = deepcopy(golden.shoot_file())
    shoot["spec"]["networking"]["providerConfig"]["overlay"] = overlay

    assert ShootView.of(shoot).overlay_enabled is expected


def test_the_technical_id_in_the_status_wins() -> None:
    shoot = {"metadata": {"name": "bar", "namespace": "garden-foo"}, "status": {"technicalID": "shoot--old--name"}}

    assert technical_id(shoot) == "shoot--old--name"
    assert technical_id({**shoot, "status": {}}) == "shoot--foo--bar"


@pytest.mark.parametrize("name", golden.PHASES)
def test_infrastructure_is_dual_from_the_edit_on(name: str) -> None:
    assert golden.view_in(name).dual_stack_infrastructure is (name != "P0")


def test_infrastructure_stays_dual_on_the_way_back() -> None:
    shoot = golden.shoot_in("P5")
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]

    assert ShootView.of(shoot).dual_stack_infrastructure
