"""Manifests in and out of the Secret of a ManagedResource."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st
from tests.support.manifests import objects_of
from tests.unit.model import golden

from dualstack.gardener.model.networks import networks
from dualstack.gardener.render import coredns, kube_proxy, managed_resource, network
from dualstack.model.kinds import Manifest
from dualstack.model.parts import rendered


def test_the_secret_holds_what_was_put_in() -> None:
    view = golden.view_in("P2")
    objects = rendered([*network.objects(view, networks(view)), *coredns.objects(view, networks(view))])

    secret = managed_resource.secret("shoot-core", "NS", objects)

    found = objects_of(secret)
    assert sorted(found, key=str) == sorted(objects, key=str)
    assert "daemonset__kube-system__calico-node.yaml" in secret["data"]


def test_the_same_objects_give_the_same_bytes() -> None:
    view = golden.view_in("P2")

    first, second = (
        managed_resource.secret("a", "NS", rendered(network.objects(view, networks(view)))) for _ in range(2)
    )

    assert first == second


def test_any_key_may_hold_several_documents() -> None:
    text = b"kind: A\n---\n---\nkind: B\n"

    found = objects_of({"data": {"whatever": base64.b64encode(text).decode()}})

    assert found == [{"kind": "A"}, {"kind": "B"}]


_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


@given(st.dictionaries(_text, _text, max_size=5))
def test_any_text_survives(data: dict[str, str]) -> None:
    item: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}

    assert objects_of(managed_resource.secret("a", "NS", [item])) == [item]


def test_the_class_of_the_seed() -> None:
    assert managed_resource.managed_resource("a", "NS", seed=True)["spec"] == {
        "secretRefs": [{"name": "a"}],
        "keepObjects": False,
        "class": "seed",
    }
    assert "class" not in managed_resource.managed_resource("a", "NS")["spec"]


_QUOTED = ["y", "N", "on", "1e3", "12e45678", "09", "22:22", "1_000", "0x1f", "=", "<<", "~", "", "2026-01-01", ".5"]
"""Strings that YAML of Kubernetes or of others takes for something else without quotes."""


def _proxy_secret(text: str) -> Manifest:
    return {"metadata": {"name": "a"}, "data": {"a.yaml": base64.b64encode(text.encode()).decode()}}


def _edited_text(text: str) -> str:
    dual = golden.view_in("P2")
    resource: Manifest = {"kind": "ManagedResource", "metadata": {"name": "a", "namespace": "NS"}}
    parts = kube_proxy.objects(dual, networks(dual))[:1]
    (changed,) = managed_resource.edited(resource, [_proxy_secret(text)], parts)
    return base64.b64decode(changed["data"]["a.yaml"]).decode()


_HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kube-proxy-config\n  namespace: kube-system\n"
_CONFIG = "data:\n  config.yaml: |\n    clusterCIDR: 100.96.0.0/11\n"


def test_p05_foreign_strings_keep_the_quotes_that_they_need() -> None:
    labels = "".join(f'    l{index}: "{each}"\n' for index, each in enumerate(_QUOTED))

    text = _edited_text(f"{_HEAD}  labels:\n{labels}{_CONFIG}")

    assert "clusterCIDR: 100.96.0.0/11," in text
    for index, each in enumerate(_QUOTED):
        assert f"l{index}: '{each}'\n" in text


def test_p05_foreign_values_without_quotes_mean_what_they_mean_to_kubernetes() -> None:
    values = {"22:22": "'22:22'", "y": "true", "off": "false", "1e3": "1000.0", "0644": "420", "=": "'='", "~": "null"}
    values |= {"2026-01-01T00:00:00Z": "'2026-01-01T00:00:00Z'", "1.33": "1.33", "+5": "5"}
    foreign = "".join(f"  v{index}: {each}\n" for index, each in enumerate(values))

    text = _edited_text(f"{_HEAD}{_CONFIG}foreign:\n{foreign}")

    for index, expected in enumerate(values.values()):
        assert f"v{index}: {expected}\n" in text


def test_p05_json_with_tabs_escapes_and_crlf_is_read_and_changed() -> None:
    live: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-proxy-config", "namespace": "kube-system", "labels": {"a": "\U0001f600é"}},
        "data": {"config.yaml": "# chart\r\nclusterCIDR: 100.96.0.0/11 # pods\r\n", "b": "x\ty"},
        "nothing": None,
    }
    dual = golden.view_in("P2")
    ranges = ",".join(networks(dual).pods)

    for text in (json.dumps(live, indent="\t"), json.dumps(live), json.dumps(live, indent=1).replace("\n", "\r\n")):
        together = f"kind: Other\r\nmetadata: {{name: b}}\r\n---\r\n{text}\r\n---\r\n# end\r\n"
        found = objects_of(_proxy_secret(_edited_text(together)))
        live_after = {**live, "data": {**live["data"], "config.yaml": f"# chart\r\nclusterCIDR: {ranges} # pods\r\n"}}
        assert found == [{"kind": "Other", "metadata": {"name": "b"}}, live_after]
