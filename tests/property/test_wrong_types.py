"""A live object in which a value has the wrong type is refused by name, or edited where the value does not matter."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from dualstack.gardener.render import machine_class, managed_resource
from dualstack.model.kinds import Manifest
from dualstack.model.parts import UnknownShape, identity, rendered, unchanged
from tests.support.components import COMPONENTS, stages_of, view_in

_WRONG: tuple[Any, ...] = (None, 7, "x", [], {}, [7], [None], [{}], {"x": 7})


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path, but only the first two entries of a list."""
    entries = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in entries:
        yield (*path, key)
        yield from _paths(each, (*path, key))


def _wrong(item: Manifest) -> Iterator[Manifest]:
    """The object with each of its values replaced by each value of another type."""
    for path in _paths(item):
        for value in _WRONG:
            result = deepcopy(item)
            place: Any = result
            for key in path[:-1]:
                place = place[key]
            if type(place[path[-1]]) is not type(value) or value:
                place[path[-1]] = value
                yield result


@pytest.mark.parametrize("component", COMPONENTS)
def test_p05_a_value_of_the_wrong_type_is_refused_with_object_and_path(component: str) -> None:
    stages = stages_of(component)
    seen = {str(item): item for parts in stages for item in rendered(parts)}
    for item in seen.values():
        found = [part for parts in stages for part in parts if part.identity == identity(item)]
        errors: list[str] = []
        for wrong in _wrong(item):
            before = deepcopy(wrong)
            for edit in {part.edit for part in found}:
                try:
                    result = edit(wrong)
                except UnknownShape as error:
                    errors.append(str(error))
                else:
                    assert edit(result) == result
            assert wrong == before, "an edit is pure"
        assert all(error.startswith(f"{item['kind']} ") for error in errors)
        assert bool(errors) == any(part.edit is not unchanged for part in found)


@pytest.mark.parametrize("component", COMPONENTS)
def test_p05_a_value_of_the_wrong_type_stays_before_a_migration(component: str) -> None:
    for part in stages_of(component)[0]:
        for wrong in _wrong(part.new):
            assert part.edit(wrong) == wrong


@pytest.mark.parametrize(
    "text", ["7", "[]", "kind: []", "metadata: {}", "metadata: 7", "metadata: name", "metadata: [name]"]
)
def test_p05_what_is_no_manifest_in_a_secret_stays_and_is_not_taken_for_the_object(text: str) -> None:
    part = stages_of("kube-proxy")[-1][0]
    other = f"apiVersion: v1\nkind: ConfigMap\n{text}\n" if ":" in text else text
    secret = {"kind": "Secret", "metadata": {"name": "a"}, "data": {"a": base64.b64encode(other.encode()).decode()}}
    resource = {"kind": "ManagedResource", "metadata": {"name": "a", "namespace": "NS"}}
    with pytest.raises(UnknownShape, match="ManagedResource NS/a: it has no ConfigMap kube-system/kube-proxy-config"):
        managed_resource.edited(resource, [secret], [part])
    with pytest.raises(UnknownShape, match="Secret a: data is a list where a mapping is expected"):
        managed_resource.edited(resource, [{**secret, "data": []}], [part])
    with pytest.raises(UnknownShape, match=r"Secret a: data\.a is a number where a text is expected"):
        managed_resource.edited(resource, [{**secret, "data": {"a": 7}}], [part])


def test_p05_a_machine_deployment_with_a_value_of_the_wrong_type_is_refused_or_edited() -> None:
    view = view_in("P2")
    pool = view.pools[0]
    live = machine_class.machine_deployment(view, pool, pool.parts[0], replicas=2)
    edit = machine_class.edited_deployment(replicas=3, machine_class="other", recorded="x")
    refused: set[str] = set()
    for wrong in _wrong(live):
        try:
            result = edit(wrong)
        except UnknownShape as error:
            refused.add(str(error).partition(": ")[2])
        else:
            assert machine_class.class_of(result) == "other"
    assert "spec.template.spec is a list where a mapping is expected" in refused
