"""Turns the changes of watched objects into keys of the queue. Most changes are the controllers' own writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from dualstack.cni import network_types
from dualstack.gardener.controllers.extension import is_pending, operation_of
from dualstack.gardener.model.annotations import own
from dualstack.gardener.model.kinds import CLUSTER, CONTROL_PLANE, INFRASTRUCTURE, NETWORK, SHOOT, WORKER
from dualstack.gardener.model.names import ENABLED, OPERATION, PREPARE, RECONCILE
from dualstack.gardener.model.shoot import technical_id
from dualstack.kube.watching import Handle
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.operator.queue import Key, key_of
from dualstack.operator.shoot_nodes import ShootNodes, follows_nodes

EXTENSIONS = {INFRASTRUCTURE: "infrastructure", CONTROL_PLANE: "controlplane", NETWORK: "network", WORKER: "worker"}
"""The extension kinds and the controllers that reconcile them."""
GCP = ("gcp",)

Includes = Callable[[Manifest], bool]


class ShootInterest:
    """A Shoot is reconciled when it is first seen, when it opts in, when its spec changes, and when its operation
    annotation is set."""

    def __init__(self, includes: Includes) -> None:
        self._includes = includes
        self._seen: dict[Key, tuple[Any, ...]] = {}
        self._opted_in: set[Key] = set()

    def wakes(self, found: Manifest) -> bool:
        """Whether the event is a reason to reconcile the Shoot."""
        metadata = found["metadata"]
        key = key_of("shoot", found)
        operation = (metadata.get("annotations") or {}).get(OPERATION)
        mark = (metadata.get("uid"), metadata.get("generation"), operation, metadata.get("deletionTimestamp"))
        known, opted_in = self._seen.get(key), self._includes(found)
        joined = opted_in and key not in self._opted_in
        (self._opted_in.add if opted_in else self._opted_in.discard)(key)
        self._seen[key] = mark
        # The controller itself removes the annotation.
        return joined or (known != mark and not (known is not None and operation is None and known[:2] == mark[:2]))

    def forget(self, found: Manifest) -> None:
        """Forget a deleted Shoot."""
        self._seen.pop(key_of("shoot", found), None)
        self._opted_in.discard(key_of("shoot", found))

    def known(self) -> list[Key]:
        """The keys of all Shoots."""
        return list(self._seen)


class ExtensionInterest:
    """An extension object is reconciled when it is first seen unfinished, when its operation annotation is set, and
    when it is deleted (docs/reference/gardener.md#extension-events)."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str | None, bool]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event is a reason to reconcile the object."""
        wanted = network_types() if found.get("kind") == NETWORK.kind else GCP
        if (found.get("spec") or {}).get("type") not in wanted:
            return False
        uid, operation = found["metadata"].get("uid", ""), operation_of(found)
        mark = (operation, bool(found["metadata"].get("deletionTimestamp")))
        known = self._seen.get(uid)
        self._seen[uid] = mark
        if known is None:
            return is_pending(found) or follows_nodes(found)
        # `migrate` and `restore` stay until they are done, so that status writes show them again.
        return operation == RECONCILE or (mark != known and mark != (None, False))

    def forget(self, found: Manifest) -> None:
        """Forget a deleted object."""
        self._seen.pop(found["metadata"].get("uid", ""), None)


class AnnotationInterest:
    """The product's annotations of an object are checked when it is first seen, and when one of them changes.

    Whether `cut-over: back` has an effect depends on the spec too.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, ...]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event is a reason to check the annotations."""
        metadata = found["metadata"]
        annotations = own(metadata.get("annotations") or {})
        mark = (metadata.get("generation"), annotations)
        known = self._seen.get(metadata.get("uid", ""))
        self._seen[metadata.get("uid", "")] = mark
        return known is None or (known != mark and bool(annotations or known[1]))

    def forget(self, found: Manifest) -> None:
        """Forget a deleted object."""
        self._seen.pop(found["metadata"].get("uid", ""), None)


class PreparationInterest:
    """The Infrastructure of a Shoot is looked at when the Shoot asks to be prepared, or no longer does, and when it is
    first seen with the note of a preparation."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, ...]] = {}

    def wakes(self, cluster: Manifest) -> bool:
        """Whether the event of a Cluster is a reason."""
        shoot = dig(cluster, "spec", "shoot") or {}
        mark = (dig(shoot, "metadata", "annotations", PREPARE), dig(shoot, "metadata", "annotations", ENABLED))
        known = self._seen.get(cluster["metadata"]["name"])
        self._seen[cluster["metadata"]["name"]] = mark
        return mark[0] is not None if known is None else known != mark

    def forget(self, cluster: Manifest) -> None:
        """Forget a deleted Cluster."""
        self._seen.pop(cluster["metadata"]["name"], None)


class Watches:
    """The kinds that the controllers of these names watch, and the keys that their changes add.

    includes: whether a Shoot has opted in. nodes: the watches of the Nodes in the shoots.
    """

    def __init__(
        self, add: Callable[[Key], None], controllers: Collection[str], includes: Includes, nodes: ShootNodes
    ) -> None:
        self._add = add
        self._controllers = controllers
        self._shoot_nodes = nodes
        self._shoots = ShootInterest(includes)
        self._extensions = ExtensionInterest()
        self._annotations = AnnotationInterest()
        self._preparations = PreparationInterest()

    def handlers(self) -> Mapping[Kind, Handle]:
        """The watched kinds with their handlers: Shoots in the garden, all others in the seed."""
        of_shoot: dict[Kind, Handle] = {SHOOT: self._shoot} if "shoot" in self._controllers else {}
        extensions = [kind for kind, controller in EXTENSIONS.items() if controller in self._controllers]
        of_cluster: dict[Kind, Handle] = {CLUSTER: self._cluster} if "infrastructure" in self._controllers else {}
        return {**of_shoot, **of_cluster, **dict.fromkeys(extensions, self._extension)}

    def _cluster(self, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            self._preparations.forget(found)
        elif self._preparations.wakes(found):
            self._add(Key("infrastructure", found["metadata"]["name"], found["spec"]["shoot"]["metadata"]["name"]))

    def _shoot(self, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            self._shoots.forget(found)
            self._annotations.forget(found)
            self._shoot_nodes.gone(key_of("shoot", found), technical_id(found))
            return
        self._shoot_nodes.see(found)
        if self._shoots.wakes(found):
            self._add(key_of("shoot", found))
        if self._annotations.wakes(found):
            self._add(key_of("annotations", found))

    def _extension(self, change: str | None, found: Manifest) -> None:
        if change == "DELETED":
            self._extensions.forget(found)
            self._annotations.forget(found)
            if found["kind"] == INFRASTRUCTURE.kind:
                self._shoot_nodes.gone(key_of("infrastructure", found), found["metadata"]["namespace"])
            return
        if found["kind"] == INFRASTRUCTURE.kind:
            self._shoot_nodes.see_infrastructure(found)
        if found["kind"] == INFRASTRUCTURE.kind and self._annotations.wakes(found):
            for key in self._shoots.known():  # none where the Shoot controller does not run
                self._add(key._replace(controller="annotations"))
        if self._extensions.wakes(found):
            controller = next(name for kind, name in EXTENSIONS.items() if kind.kind == found["kind"])
            self._add(key_of(controller, found))
