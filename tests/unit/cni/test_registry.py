"""A CNI is one module of `dualstack.cni`: all that reads, judges and changes a cluster takes it from there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dualstack.cni import CNIS
from dualstack.cni.interface import Cni, SystemObjects
from dualstack.kube.masquerading import masquerader, shown_by
from dualstack.live.reading import CONFIG_MAPS, LISTS
from dualstack.snapshot.named import KEPT_NAMES, PROGRAM
from dualstack.snapshot.sanitise import CONFIG_MAPS as KEPT_CONFIG_MAPS
from dualstack.verify.facts import Reading
from dualstack.verify.paths import pod_mtu
from tests.support.third_cni import registered
from tests.unit.preflight.inventories import INVENTORY, item, problems, with_answer
from tests.unit.verify.right_cluster import facts

SOURCES = Path(__file__).parents[3] / "src"
REGISTRIES = ("dualstack/cni", "dualstack_sim/actors/cni")


@pytest.fixture
def flat() -> Iterator[None]:
    """An invented CNI, which is registered."""
    with registered():
        yield


def test_no_module_but_those_of_the_registries_names_a_cni() -> None:
    names = re.compile("|".join(cni.name for cni in CNIS), re.IGNORECASE)
    found = [
        f"{path.relative_to(SOURCES)}:{line}"
        for path in sorted(SOURCES.rglob("*.py"))
        if not str(path.parent.relative_to(SOURCES)).startswith(REGISTRIES)
        for line, text in texts_and_names(ast.parse(path.read_text()))
        if names.search(text)
    ]
    assert found == []


def texts_and_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The texts of a module that are not docstrings, and the names that it uses, each with its line."""
    explained = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explained:
            yield node.lineno, node.value


@pytest.mark.parametrize("cni", CNIS, ids=lambda cni: cni.name)
def test_the_objects_of_each_cni_are_read_and_kept_in_snapshots(cni: Cni) -> None:
    assert cni.config_map in CONFIG_MAPS
    assert cni.config_map in shown_by()
    assert {(kind, None) for kind in cni.ip_pools} <= set(LISTS["ip pools"])
    assert {(kind, None) for kind in cni.policies} <= set(LISTS["policies of the CNI"])
    assert KEPT_CONFIG_MAPS[cni.config_map] == cni.configuration_keys
    assert {cni.daemon_set, *cni.names} <= KEPT_NAMES
    assert PROGRAM.match(cni.name.lower())


def test_the_preflight_judges_a_registered_cni(flat: None) -> None:
    configured = with_answer("config maps", [item("kube-system/flat", data={"frame": "9000"})])
    assert problems(configured, "native-routing") == [f"ConfigMap kube-system/flat: {INVENTORY.cluster.pods}"]
    bare = with_answer("ip pools", [], with_answer("daemon sets", []))
    assert len(problems(with_answer("config maps", [], bare), "cni-known")) == 1
    assert problems(with_answer("daemon sets", [item("kube-system/flat-agent")], bare), "cni-known") == []


def test_a_registered_cni_that_masquerades_is_named(flat: None) -> None:
    objects = SystemObjects(list, lambda: [item("kube-system/flat", data={"frame": "0"})], list)
    assert masquerader("10.96.0.0/11", objects) == "flat masquerades 10.96.0.0/11"
    assert masquerader("10.96.0.0/11", replace(objects, config_maps=list)) == ""


def test_verify_reads_the_mtu_of_a_registered_cni(flat: None) -> None:
    maps = Reading([item("kube-system/flat", data={"frame": "9000"})])
    good, evidence = pod_mtu(replace(facts("dual-stack"), cni_configurations=maps))
    assert not good
    assert evidence == "ConfigMap kube-system/flat has MTU 9000, the network 1500"
