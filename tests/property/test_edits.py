"""A migration and the way back change only their own fields, whatever else the live objects have.

docs/decisions/0013-patches-of-named-fields.md
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.cni.calico import CALICO
from dualstack.gardener.model.networks import networks
from dualstack.gardener.render import (
    kube_controller_manager,
    kube_proxy,
    managed_resource,
    network,
)
from dualstack.kube.apply import merge_patch
from dualstack.model.kinds import Manifest
from dualstack.model.parts import rendered
from dualstack.model.workloads import environment_of, flag_values
from tests.support.changed_paths import changed_paths, may_change
from tests.support.components import COMPONENTS, edited_by, stages_of, view_in
from tests.support.manifests import objects_of
from tests.unit.model import golden

Junk = list[tuple[int, str, Any]]
_WORDS = st.text("abcdefghij-", min_size=1, max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | _WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_WORDS, inner, max_size=2),
    max_leaves=4,
)
_JUNK = st.lists(st.tuples(st.integers(0, 999), _WORDS.map("x-{}".format), _VALUES), max_size=6)
"""Foreign fields: which of the object's mappings gets one, its name, its value."""


STAYS_AFTER_THE_WAY_BACK = {"control plane", "machine class", "coredns"}
"""Pods keep their aliases and the restart annotation its value; everything else is as it was, to the byte."""


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(each)


def _with(junk: Junk, item: Manifest) -> Manifest:
    """The object with foreign fields, and, in a workload, foreign containers, flags, variables and volumes."""
    result = deepcopy(item)
    pod = result.get("spec", {}).get("template", {}).get("spec")
    if pod:
        pod["containers"].append({"name": "sidecar", "image": "vendor/sidecar:1", "args": ["--cluster-cidr=none"]})
        pod["volumes"] = [{"name": "extra", "emptyDir": {}}]
        container = pod["containers"][0]
        container["image"] = "vendor/patched:2"
        container["env"] = [{"name": "FIRST", "value": "1"}, *container.get("env", []), {"name": "LAST"}]
        if "command" in container:
            container["command"] = [*container["command"][:2], "--vendor=x", *container["command"][2:], "--last"]
    places = [each for each in _mappings(result) if not _is_data(each, result)]
    for index, key, value in junk:
        places[index % len(places)][key] = value
    return result


def _is_data(mapping: dict[str, Any], item: Manifest) -> bool:
    """`data` of a ConfigMap has only texts."""
    return mapping is item.get("data")


@pytest.mark.parametrize("component", COMPONENTS)
@settings(max_examples=20, deadline=None)
@given(junk=_JUNK)
def test_p05_only_the_fields_of_a_migration_change(component: str, junk: Junk) -> None:
    stages = stages_of(component)
    for item in rendered(stages[0]):
        start = live = _with(junk, item)
        allowed = may_change(item["kind"], item["metadata"]["name"])
        for parts in stages:
            untouched = deepcopy(live)
            changed = edited_by(parts, live)
            assert live == untouched, "an edit is pure"
            assert edited_by(parts, changed) == changed, "a second edit changes nothing"
            assert changed_paths(start, changed) <= allowed
            live = changed
        if component not in STAYS_AFTER_THE_WAY_BACK:
            assert live == start
        assert edited_by(stages[0], start) == start, "nothing changes before the migration"


@pytest.mark.parametrize("component", COMPONENTS)
def test_p05_every_path_that_may_change_does(component: str) -> None:
    """Otherwise the list would hide faults."""
    stages = stages_of(component)
    for item in rendered(stages[0]):
        changed: set[str] = set()
        live = item
        for parts in stages:
            after = edited_by(parts, live)
            changed |= changed_paths(live, after)
            live = after
        assert changed == may_change(item["kind"], item["metadata"]["name"])


def _words(container: dict[str, Any]) -> list[str]:
    return [*container.get("command", ()), *container.get("args", ())]


@settings(max_examples=20, deadline=None)
@given(
    where=st.sampled_from(["command", "args", "both"]),
    split=st.booleans(),
    foreign=st.lists(_WORDS.map("--x-{}=1".format), max_size=3, unique=True),
)
def test_p05_flags_are_changed_where_they_stand(where: str, split: bool, foreign: list[str]) -> None:
    dual = view_in("P2")
    item = deepcopy(kube_controller_manager.deployment(view_in("P0"), networks(view_in("P0"))).new)
    container = item["spec"]["template"]["spec"]["containers"][0]
    program, *flags = container["command"]
    flags = [word for flag in flags for word in (flag.split("=", 1) if split and "cidr=" in flag else [flag])]
    container |= {"command": [program], "args": [*foreign, *flags]}
    if where != "args":
        container |= {"command": [program, *foreign, *flags], "args": ["--v=4"] if where == "both" else []}
    known = (container["name"], "cluster-cidr")
    before = flag_values(item, *known)

    changed = kube_controller_manager.deployment(dual, networks(dual)).edit(item)

    after = flag_values(changed, *known)
    ours = {"cluster-cidr", "service-cluster-ip-range"}
    masks = {"node-cidr-mask-size", "node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6"}
    assert {name: after[name] for name in ours} == {
        "cluster-cidr": f"{golden.P4},{golden.P6}",
        "service-cluster-ip-range": f"{golden.S4},{golden.S6}",
    }
    assert after.keys() & masks == masks - {"node-cidr-mask-size"}
    assert _without(after, ours | masks) == _without(before, ours | masks)
    words = _words(changed["spec"]["template"]["spec"]["containers"][0])
    assert words[0] == program
    assert [word for word in words if word.startswith("--x-")] == foreign
    back = view_in("back")
    restored = kube_controller_manager.deployment(back, networks(back)).edit(changed)
    assert flag_values(restored, *known) == before


def _without(flags: dict[str, str], names: set[str]) -> list[tuple[str, str]]:
    """The other flags, in their order."""
    return [entry for entry in flags.items() if entry[0] not in names]


@settings(max_examples=20, deadline=None)
@given(
    mode=st.sampled_from(["iptables", "nftables", "ipvs", ""]),
    lines=st.lists(
        st.sampled_from(["# a comment", "", "oomScoreAdj: -999", "conntrack:\n  max: 0", "x: |\n  a\n   b"])
    ),
)
def test_p05_the_text_of_a_configuration_changes_in_one_line(mode: str, lines: list[str]) -> None:
    unique = list(dict.fromkeys(lines))
    text = "\n".join(
        ["apiVersion: kubeproxy.config.k8s.io/v1alpha1", *unique, "clusterCIDR: 100.96.0.0/11", f"mode: '{mode}'", ""]
    )
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-proxy-config"}}
    live: Manifest = {**item, "data": {"config.yaml": text, "other": "kept"}}
    dual, back = view_in("P2"), view_in("back")

    changed = kube_proxy.objects(dual, networks(dual))[0].edit(live)

    after = changed["data"]["config.yaml"].splitlines()
    assert [line for line in after if "clusterCIDR" not in line] == [
        line for line in text.splitlines() if "clusterCIDR" not in line
    ]
    assert yaml.safe_load(changed["data"]["config.yaml"])["clusterCIDR"] == f"{golden.P4},{golden.P6}"
    assert kube_proxy.objects(back, networks(back))[0].edit(changed) == live


@settings(max_examples=20, deadline=None)
@given(mtu=st.sampled_from(["0", "__CNI_MTU__", "1460"]), tail=st.sampled_from(["", ' {"type": "bandwidth"}']))
def test_p05_placeholders_and_other_plugins_of_calico_stay(mtu: str, tail: str) -> None:
    text = """{
  "name": "k8s-pod-network",
  "plugins": [
    {
      "type": "calico",
      "mtu": MTU,
      "ipam": {
        "type": "host-local",
        "subnet": "usePodCidr"
      }
    },TAIL
    {"type": "portmap", "note": "a } in a text"}
  ]
}""".replace("MTU", mtu).replace("TAIL", f"{tail}," if tail else "")
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "calico-config"}}
    live: Manifest = {**item, "data": {"calico_backend": "none", "cni_network_config": text, "typha": "x"}}
    dual = view_in("P2")

    changed = network.objects(dual, networks(dual))[0].edit(live)

    after = changed["data"]["cni_network_config"]
    assert CALICO.is_dual_stack(changed["data"])
    assert after[: text.index("host-local")] == text[: text.index("host-local")]
    assert after.endswith(text[text.index("\n    },") :])
    parsed = msgspec.json.decode(after.replace("__CNI_MTU__", "0"))
    assert parsed["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "usePodCidrIPv6"}], [{"subnet": "usePodCidr"}]]


@settings(max_examples=20, deadline=None)
@given(junk=_JUNK, together=st.booleans(), comment=st.sampled_from(["", "# by a chart\n"]))
def test_p05_other_manifests_in_the_secret_stay_as_they_are_written(junk: Junk, together: bool, comment: str) -> None:
    view, dual = view_in("P0"), view_in("P2")
    foreign = f"{comment}kind: Deployment\napiVersion: apps/v1\nmetadata: {{name: csi-driver}}\nspec: {{x: '1'}}\n"
    texts = [yaml.safe_dump(_with(junk, item)) for item in rendered(kube_proxy.objects(view, networks(view)))]
    if together:
        data = {"all.yaml": "---\n".join([foreign, *texts])}
    else:
        data = {"foreign.yaml": foreign, **{f"{index}.yaml": text for index, text in enumerate(texts)}}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    secret: Manifest = {"metadata": {"name": "a"}, "immutable": True, "data": {**encoded, "binary": "AAECAw=="}}
    resource: Manifest = {"kind": "ManagedResource", "metadata": {"name": "a", "namespace": "NS"}}

    (changed,) = managed_resource.edited(resource, [secret], kube_proxy.objects(dual, networks(dual)))

    after = {key: base64.b64decode(value).decode() for key, value in changed["data"].items() if key != "binary"}
    assert changed["data"]["binary"] == "AAECAw=="
    assert after.keys() == data.keys()
    assert sum(text.count(foreign) for text in after.values()) == 1
    assert changed != secret
    assert managed_resource.edited(resource, [changed], kube_proxy.objects(dual, networks(dual))) == [changed]
    back = view_in("back")
    (restored,) = managed_resource.edited(resource, [changed], kube_proxy.objects(back, networks(back)))
    for data in (restored["data"], secret["data"]):
        del data["binary"]
    assert objects_of(restored) == objects_of(secret)


@settings(max_examples=20, deadline=None)
@given(before=st.dictionaries(_WORDS, _VALUES, max_size=4), after=st.dictionaries(_WORDS, _VALUES, max_size=4))
def test_a_merge_patch_leads_from_one_object_to_the_other(before: Manifest, after: Manifest) -> None:
    """RFC 7396; null cannot be a value."""
    left, right = _without_nulls(before), _without_nulls(after)
    assert _merge(left, merge_patch(left, right)) == right


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return value


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


_CALICO_BEFORE = {
    "IP6": "none",
    "CALICO_ROUTER_ID": "hash",
    "FELIX_IPV6SUPPORT": "true",
    "IP6_AUTODETECTION_METHOD": "first-found",
    "CALICO_IPV6POOL_NAT_OUTGOING": "true",
}
_CILIUM_BEFORE = {
    "enable-ipv6-masquerade": "true",
    "k8s-require-ipv6-pod-cidr": "true",
    "ipv6-native-routing-cidr": "2001:db8::/32",
}
_ABSENT = st.none()


def _through(component: str, live: Manifest) -> list[Manifest]:
    """The object in each phase of a migration and of the way back."""
    found = []
    for parts in stages_of(component):
        live = edited_by(parts, live)
        assert edited_by(parts, live) == live
        found.append(live)
    return found


@settings(max_examples=20, deadline=None)
@given(before=st.fixed_dictionaries({name: st.just(value) | _ABSENT for name, value in _CALICO_BEFORE.items()}))
def test_p05_ipv6_variables_of_other_owners_come_back_with_the_way_back(before: dict[str, str | None]) -> None:
    live = deepcopy(network.objects(view_in("P0"), networks(view_in("P0")))[1].new)
    container = live["spec"]["template"]["spec"]["containers"][0]
    kept = [entry for entry in container["env"] if entry["name"] not in before]
    container["env"] = [*({"name": name, "value": value} for name, value in before.items() if value), *kept]

    *forward, back = _through("calico", live)

    assert forward[0] == live, "nothing changes before the migration"
    assert environment_of(forward[-1], "calico-node") == environment_of(forward[-1], "calico-node") | {
        "IP6": "autodetect",
        "FELIX_IPV6SUPPORT": "true",
        "CALICO_IPV6POOL_NAT_OUTGOING": "false",
    }
    assert environment_of(back, "calico-node") == environment_of(live, "calico-node")
    assert back["metadata"] == live["metadata"]


@settings(max_examples=20, deadline=None)
@given(before=st.fixed_dictionaries({name: st.just(value) | _ABSENT for name, value in _CILIUM_BEFORE.items()}))
def test_p05_ipv6_settings_of_cilium_come_back_with_the_way_back(before: dict[str, str | None]) -> None:
    live = deepcopy(stages_of("cilium")[0][0].new)
    live["data"] = {key: value for key, value in {**live["data"], **before}.items() if value is not None}

    *forward, back = _through("cilium", live)

    assert forward[0] == live
    assert forward[-1]["data"]["enable-ipv6-masquerade"] == "false"
    assert forward[-1]["data"]["ipv6-native-routing-cidr"] == golden.P6
    assert back == live


@pytest.mark.parametrize(
    "ipam",
    [
        {"type": "host-local", "subnet": "usePodCidr"},
        {"type": "host-local", "ranges": [[{"subnet": "usePodCidr", "rangeStart": "x"}]], "routes": [{"dst": "0/0"}]},
        {"dataDir": "/var/run", "assign_ipv4": "true", "subnet": "usePodCidr", "type": "host-local"},
    ],
)
def test_p05_the_ipam_plugin_of_another_owner_comes_back_with_the_way_back(ipam: dict[str, Any]) -> None:
    live = deepcopy(network.objects(view_in("P0"), networks(view_in("P0")))[0].new)
    live["data"]["cni_network_config"] = msgspec.json.encode({"plugins": [{"type": "calico", "ipam": ipam}]}).decode()

    *forward, back = _through("calico", live)

    assert forward[0] == live
    assert CALICO.is_dual_stack(forward[-1]["data"])
    assert msgspec.json.decode(back["data"]["cni_network_config"])["plugins"][0]["ipam"] == ipam
    assert back["metadata"] == live["metadata"]


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIP": golden.DNS4, "clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": "SingleStack"},
        {"clusterIPs": [golden.DNS4], "ipFamilyPolicy": "SingleStack", "ports": None},
        {
            "clusterIP": golden.DNS4,
            "clusterIPs": [golden.DNS4],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
    ],
)
def test_p05_null_and_missing_fields_of_the_dns_service_stay(spec: dict[str, Any]) -> None:
    live = {**stages_of("coredns")[0][2].new, "spec": spec}

    *forward, back = _through("coredns", live)

    assert forward[0] == live
    assert forward[-1]["spec"]["clusterIPs"] == [golden.DNS4, golden.DNS6]
    assert {**back["spec"], "clusterIPs": spec["clusterIPs"]} == spec
    assert back["spec"]["clusterIPs"] == [golden.DNS4]


@pytest.mark.parametrize("policy", ["PreferDualStack", "SingleStack"])
def test_p22_the_policy_of_the_dns_service_comes_back_with_the_way_back(policy: str) -> None:
    live = deepcopy(stages_of("coredns")[0][2].new)
    live["spec"]["ipFamilyPolicy"] = policy

    *forward, back = _through("coredns", live)

    assert forward[0] == live
    assert forward[-1]["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert forward[-1]["spec"]["clusterIPs"] == [golden.DNS4, golden.DNS6]
    assert back == live


def test_p05_a_null_in_the_ipam_plugin_is_like_no_value() -> None:
    live = deepcopy(network.objects(view_in("P0"), networks(view_in("P0")))[0].new)
    ipam = {"type": "host-local", "subnet": "usePodCidr", "ranges": None, "dataDir": None}
    live["data"]["cni_network_config"] = msgspec.json.encode({"ipam": ipam}).decode()

    *forward, back = _through("calico", live)

    assert CALICO.is_dual_stack(forward[-1]["data"])
    assert msgspec.json.decode(back["data"]["cni_network_config"])["ipam"].items() <= ipam.items()
