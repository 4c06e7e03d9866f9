"""Each component runs before the next is changed; upstream changes all at once (docs/reference/weaknesses.md#w43)."""

from __future__ import annotations

from typing import Any

from tests.unit.gardener.controllers.migration import Migration
from tests.unit.gardener.controllers.scripted_world import NS

from dualstack.gardener.controllers.rollout import daemon_set_missing, deployment_missing
from dualstack.model import kinds
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.storage import Change
from dualstack_sim.kube.types import ResourceType

FORWARD = ["kube-apiserver", "kube-controller-manager", "calico-node", "kube-proxy", "coredns", "kube-dns"]
BACK = [
    "kube-dns",
    "kube-proxy",
    "calico-node",
    "cloud-controller-manager",
    "kube-controller-manager",
    "kube-apiserver",
]

HOMES: dict[str, tuple[Kind, str]] = {
    "cloud-controller-manager": (kinds.DEPLOYMENT, NS),
    "kube-apiserver": (kinds.DEPLOYMENT, NS),
    "kube-controller-manager": (kinds.DEPLOYMENT, NS),
    "calico-node": (kinds.DAEMON_SET, "kube-system"),
    "kube-proxy": (kinds.DAEMON_SET, "kube-system"),
    "coredns": (kinds.DEPLOYMENT, "kube-system"),
    "kube-dns": (kinds.SERVICE, "kube-system"),
}


class Turns:
    """Which component was given a new form, in order, and which of those before it did not run with theirs yet."""

    def __init__(self, migration: Migration, names: list[str]) -> None:
        self._store = migration.world.store
        self._forms = {name: self._form(self._live(name)) for name in names}
        self.order: list[str] = []
        self.hasty: list[tuple[str, str, str]] = []
        self._store.listen(self._see)

    def _live(self, name: str) -> Manifest:
        kind, namespace = HOMES[name]
        found = self._store.get(kind, name, namespace)
        assert found is not None
        return found

    @staticmethod
    def _form(found: Manifest) -> Any:
        return found["spec"].get("clusterIPs") or found["spec"]["template"]

    def _see(self, resource: ResourceType, change: Change) -> None:
        manifest: Any = change.object.manifest
        name = manifest["metadata"]["name"]
        if name not in self._forms or resource.plural != HOMES[name][0].plural:
            return
        if self._form(manifest) != self._forms[name]:
            self._forms[name] = self._form(manifest)
            waiting = [(other, missing) for other in self.order if other != name and (missing := self._missing(other))]
            self.hasty += [(name, other, missing) for other, missing in waiting]
            self.order += [name] if name not in self.order else []

    def _missing(self, name: str) -> str | None:
        kind, live = HOMES[name][0], self._live(name)
        if kind == kinds.DEPLOYMENT:
            return deployment_missing(live)
        return daemon_set_missing(live) if kind == kinds.DAEMON_SET else None


async def test_w43_each_component_runs_before_the_next_becomes_dual_stack() -> None:
    migration = Migration()
    turns = Turns(migration, FORWARD)
    migration.trigger()
    await migration.until_rest()
    assert turns.order == FORWARD
    assert turns.hasty == []


async def test_w43_each_component_runs_before_the_next_goes_back() -> None:
    migration = Migration()
    migration.trigger()
    await migration.until_rest()
    turns = Turns(migration, BACK)
    migration.trigger_back()
    await migration.until_rest()
    assert turns.order == BACK
    assert turns.hasty == []
