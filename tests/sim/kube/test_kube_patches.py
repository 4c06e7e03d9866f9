"""The four kinds of patches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.model.kinds import CONFIG_MAP, CRD, DEPLOYMENT, NODE, POD, SERVICE, Manifest
from dualstack_sim.kube.objects import copied
from dualstack_sim.kube.patches import APPLY_PATCH, Patch, json_patch, merge_patch
from dualstack_sim.kube.status import StatusError
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.kube.writes import WriteOptions
from tests.sim.kube.objects import WIDGET, config_map, pod, widget, widget_definition

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=1), trees, max_size=3)


def merge_by_the_rfc(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        for name, value in patch.items():
            if value is None:
                if name in target:
                    del target[name]
            else:
                target[name] = merge_by_the_rfc(target.get(name), value)
        return target
    return patch


@given(trees, trees)
def test_merge_patch_follows_the_rfc_and_spares_its_target(target: Any, patch: Any) -> None:
    before = copied(target)
    assert merge_patch(target, patch) == merge_by_the_rfc(copied(target), patch)
    assert target == before


@given(objects, objects)
def test_a_json_patch_that_rebuilds_an_object_arrives_there(old: Any, new: Any) -> None:
    patch = [{"op": "remove", "path": f"/{key}"} for key in old]
    patch += [{"op": "add", "path": f"/{key}", "value": value} for key, value in new.items()]
    before = copied(old)
    assert json_patch(old, patch) == new
    assert old == before


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ([{"op": "add", "path": "/list/1", "value": 9}], {"list": [1, 9, 2], "a/b": {"~": 1}}),
        ([{"op": "add", "path": "/list/-", "value": 9}], {"list": [1, 2, 9], "a/b": {"~": 1}}),
        ([{"op": "remove", "path": "/list/0"}], {"list": [2], "a/b": {"~": 1}}),
        ([{"op": "replace", "path": "/a~1b/~0", "value": 2}], {"list": [1, 2], "a/b": {"~": 2}}),
        ([{"op": "move", "from": "/list/0", "path": "/first"}], {"list": [2], "first": 1, "a/b": {"~": 1}}),
        ([{"op": "copy", "from": "/list", "path": "/again"}], {"list": [1, 2], "again": [1, 2], "a/b": {"~": 1}}),
        ([{"op": "test", "path": "/list", "value": [1, 2]}], {"list": [1, 2], "a/b": {"~": 1}}),
        ([{"op": "test", "path": "/absent", "value": None}], {"list": [1, 2], "a/b": {"~": 1}}),
    ],
)
def test_json_patch_operations(patch: Any, expected: Any) -> None:
    assert json_patch({"list": [1, 2], "a/b": {"~": 1}}, patch) == expected


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], 422, "the server rejected our request"),
        ([{"op": "remove", "path": "/b"}], 422, "the server rejected our request"),
        ([{"op": "replace", "path": "/b", "value": 1}], 422, "the server rejected our request"),
        ([{"op": "add", "path": "/b/c", "value": 1}], 422, "the server rejected our request"),
        ([{"op": "add", "path": "/list/7", "value": 1}], 422, "the server rejected our request"),
        ([{"op": "add", "path": "no-slash", "value": 1}], 422, "the server rejected our request"),
        ([{"op": "spin", "path": "/a"}], 422, "the server rejected our request"),
        ([{"op": "move", "path": "/a"}], 422, "the server rejected our request"),
        ({"a": 1}, 400, "cannot unmarshal object"),
        ([1], 400, "cannot unmarshal number"),
    ],
)
def test_json_patches_that_do_not_fit_are_refused(patch: Any, code: int, message: str) -> None:
    with pytest.raises(StatusError) as refusal:
        json_patch({"a": 1, "list": []}, patch)
    assert refusal.value.code == code
    assert message in refusal.value.message


def containers(store: KubeStore, body: Any) -> Any:
    patched = store.patch(DEPLOYMENT, "web", {"spec": {"template": {"spec": body}}}, "default", patch_type="strategic")
    return patched["spec"]["template"]["spec"]["containers"]


def test_strategic_merge_finds_containers_by_name(store: KubeStore, web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)
    (main,) = containers(
        store, {"containers": [{"name": "web", "image": "web:2", "env": [{"name": "A", "value": "1"}]}]}
    )
    assert (main["image"], main["ports"]) == ("web:2", [{"containerPort": 80, "protocol": "TCP"}])
    main, side = containers(
        store, {"containers": [{"name": "web", "env": [{"name": "B", "value": "2"}]}, {"name": "side", "image": "s:1"}]}
    )
    assert [each["name"] for each in main["env"]] == ["B", "A"]
    assert side["name"] == "side"
    ordered = containers(store, {"$setElementOrder/containers": [{"name": "side"}, {"name": "web"}]})
    assert [each["name"] for each in ordered] == ["side", "web"]
    (left,) = containers(store, {"containers": [{"name": "web", "$patch": "delete"}]})
    assert left["name"] == "side"
    (only,) = containers(store, {"containers": [{"$patch": "replace"}, {"name": "new", "image": "n:1"}]})
    assert only["name"] == "new"


def test_strategic_merge_replaces_lists_without_merge_key(store: KubeStore) -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoSchedule"}]
    store.create(NODE, {"metadata": {"name": "n"}, "spec": {"taints": taints}})
    patched = store.patch(
        NODE, "n", {"spec": {"taints": [{"key": "c", "effect": "NoExecute"}]}}, patch_type="strategic"
    )
    assert [each["key"] for each in patched["spec"]["taints"]] == ["c"]


def test_strategic_merge_of_node_status(store: KubeStore) -> None:
    store.create(NODE, {"metadata": {"name": "n"}})

    def patch(status: Any) -> Any:
        return store.patch(NODE, "n", {"status": status}, patch_type="strategic", subresource="status")["status"]

    patch(
        {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "1.1.1.1"}],
        }
    )
    status = patch(
        {
            "conditions": [{"type": "Ready", "status": "False"}, {"type": "NetworkUnavailable", "status": "False"}],
            "addresses": [{"$patch": "replace"}, {"type": "InternalIP", "address": "fd00::1"}],
        }
    )
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "False",
        "NetworkUnavailable": "False",
    }
    assert status["addresses"] == [{"type": "InternalIP", "address": "fd00::1"}]


def test_strategic_merge_of_scalar_lists(store: KubeStore) -> None:
    store.create(CONFIG_MAP, config_map("one", finalizers=["a/a", "b/b"]))

    def patch(metadata: Any) -> Any:
        body = {"metadata": metadata}
        return store.patch(CONFIG_MAP, "one", body, "default", patch_type="strategic")["metadata"]["finalizers"]

    assert patch({"finalizers": ["c/c", "a/a"]}) == ["c/c", "a/a", "b/b"]
    assert patch({"$deleteFromPrimitiveList/finalizers": ["a/a"]}) == ["c/c", "b/b"]
    assert patch({"$setElementOrder/finalizers": ["b/b", "c/c"], "finalizers": []}) == ["b/b", "c/c"]


def test_retain_keys_drops_what_it_does_not_name(store: KubeStore, web_deployment: Manifest) -> None:
    store.create(DEPLOYMENT, web_deployment)
    body = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert store.patch(DEPLOYMENT, "web", body, "default", patch_type="strategic")["spec"]["strategy"] == {
        "type": "Recreate"
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"spec": {"containers": [{"image": "no name"}]}}, 500),
        ({"spec": {"containers": [{"name": "main", "$patch": "explode"}]}}, 500),
        ({"spec": {"containers": ["no object"]}}, 400),
        ({"spec": {"$patch": "explode"}}, 400),
        ({"spec": {"containers": "no list"}}, 422),
        ({"metadata": {"labels": ["no", "map"]}}, 422),
        (["no", "object"], 400),
    ],
)
def test_strategic_patches_that_make_no_sense_are_refused(store: KubeStore, body: Any, code: int) -> None:
    made = store.create(POD, pod("p"))
    with pytest.raises(StatusError) as refusal:
        store.patch(POD, "p", body, "default", patch_type="strategic")
    assert refusal.value.code == code
    assert store.get(POD, "p", "default") == made


def test_custom_resources_have_no_strategic_merge(store: KubeStore) -> None:
    store.create(CRD, widget_definition())
    store.create(WIDGET, widget("one"))
    with pytest.raises(StatusError, match="the body of the request was in an unknown format") as refusal:
        store.patch(WIDGET, "one", {"spec": {}}, "default", patch_type="strategic")
    assert refusal.value.code == 415


def apply(store: KubeStore, manager: str, manifest: Manifest, *, force: bool = False) -> Manifest:
    target = store.target(SERVICE, "default", manifest["metadata"]["name"])
    record, _ = store.writer.patch(
        target, Patch(APPLY_PATCH, copied(manifest)), WriteOptions(manager=manager, force=force)
    )
    return record.manifest


def service(**spec: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}


def test_apply_creates_and_removes_what_is_no_longer_applied(store: KubeStore) -> None:
    made = apply(
        store,
        "me",
        service(
            ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "b"}],
            sessionAffinity="ClientIP",
            selector={"a": "b"},
        ),
    )
    assert made["metadata"]["managedFields"][0]["manager"] == "me"
    again = apply(
        store,
        "me",
        service(
            ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "b"}],
            sessionAffinity="ClientIP",
            selector={"a": "b"},
        ),
    )
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    less = apply(store, "me", service(selector={"a": "b"}))
    assert [each["port"] for each in less["spec"]["ports"]] == [80]
    assert less["spec"]["sessionAffinity"] == "None"


def test_appliers_conflict_over_a_field_until_one_forces(store: KubeStore) -> None:
    apply(store, "me", service(selector={"a": "mine"}))
    with pytest.raises(StatusError, match=r'conflict with "me": \.spec\.selector\.a') as refusal:
        apply(store, "you", service(selector={"a": "yours"}))
    assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")
    taken = apply(store, "you", service(selector={"a": "yours"}), force=True)
    assert taken["spec"]["selector"] == {"a": "yours"}
    # A field that both apply stays when one of them drops it.
    assert apply(store, "me", service())["spec"]["selector"] == {"a": "yours"}
