"""Manifests in and out of the Secret of a ManagedResource."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from tests.support.manifests import objects_of
from tests.unit.model import golden

from dualstack.gardener.model.networks import networks
from dualstack.gardener.render import coredns, managed_resource
from dualstack.gardener.render.cni.calico import CALICO
from dualstack.model.kinds import Manifest
from dualstack.model.parts import rendered


def test_the_secret_holds_what_was_put_in() -> None:
    view = golden.view_in("P2")
    objects = rendered([*CALICO.objects(view, networks(view)), *coredns.objects(view, networks(view))])

    secret = managed_resource.secret("shoot-core", "NS", objects)

    found = objects_of(secret)
    assert sorted(found, key=str) == sorted(objects, key=str)
    assert "daemonset__kube-system__calico-node.yaml" in secret["data"]


def test_the_same_objects_give_the_same_bytes() -> None:
    view = golden.view_in("P2")

    first, second = (
        managed_resource.secret("a", "NS", rendered(CALICO.objects(view, networks(view)))) for _ in range(2)
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
