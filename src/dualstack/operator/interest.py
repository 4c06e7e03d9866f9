"""Which watch events concern a controller. Most are echoes of what the controllers themselves have written."""

from __future__ import annotations

from typing import Any

from dualstack.gardener.controllers.extension import is_pending, operation_of
from dualstack.gardener.model.names import OPERATION, RECONCILE
from dualstack.gardener.render.cni import CNIS
from dualstack.model.kinds import Manifest
from dualstack.operator.queue import Key

TYPES = {"Network": CNIS}
GCP = ("gcp",)


def key_of(controller: str, found: Manifest) -> Key:
    """The key under which the object is queued."""
    return Key(controller, found["metadata"].get("namespace", ""), found["metadata"]["name"])


class ShootInterest:
    """A Shoot matters when it is seen first, when its spec changes, and when somebody asks for something."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[Any, ...]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event is a reason to look at the Shoot."""
        metadata = found["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        operation = (metadata.get("annotations") or {}).get(OPERATION)
        mark = (metadata.get("uid"), metadata.get("generation"), operation, metadata.get("deletionTimestamp"))
        known = self._seen.get(key)
        self._seen[key] = mark
        # The removal of the annotation is our own doing.
        return known != mark and not (known is not None and operation is None and known[:2] == mark[:2])

    def forget(self, found: Manifest) -> None:
        """The Shoot has gone."""
        self._seen.pop((found["metadata"].get("namespace", ""), found["metadata"]["name"]), None)

    def known(self) -> list[Key]:
        """All Shoots that have been seen."""
        return [Key("shoot", namespace, name) for namespace, name in self._seen]


class ExtensionInterest:
    """An extension object matters when it is seen first and unfinished, when it is asked for something, and when it is
    deleted (3.3)."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str | None, bool]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event is a reason to look at the object."""
        wanted = TYPES.get(found.get("kind", ""), GCP)
        if (found.get("spec") or {}).get("type") not in wanted:
            return False
        uid, operation = found["metadata"].get("uid", ""), operation_of(found)
        mark = (operation, bool(found["metadata"].get("deletionTimestamp")))
        known = self._seen.get(uid)
        self._seen[uid] = mark
        if known is None:
            return is_pending(found)
        # `migrate` and `restore` stay while they are carried out, so that their own status writes show them again.
        return operation == RECONCILE or (mark != known and mark != (None, False))

    def forget(self, found: Manifest) -> None:
        """The object has gone."""
        self._seen.pop(found["metadata"].get("uid", ""), None)


class NodeInterest:
    """A Node matters when its pod CIDRs change, and when it comes or goes."""

    def __init__(self) -> None:
        self._cidrs: dict[str, tuple[str, ...]] = {}

    def wakes(self, found: Manifest) -> bool:
        """Whether the event may move a migration on."""
        name = found["metadata"]["name"]
        cidrs = tuple((found.get("spec") or {}).get("podCIDRs") or ())
        changed = self._cidrs.get(name) != cidrs
        self._cidrs[name] = cidrs
        return changed

    def forget(self, found: Manifest) -> None:
        """The Node has gone."""
        self._cidrs.pop(found["metadata"]["name"], None)
