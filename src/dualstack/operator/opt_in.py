"""Only Shoots whose owner has opted in are touched (docs/reference/design-rules.md#opt-in)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import structlog

from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import MIGRATE, RESTORE
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE, SHOOT
from dualstack.gardener.model.names import ENABLED, SHOOT_IGNORE
from dualstack.model.errors import InvalidInput
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.operator.landscape import foreign_manager
from dualstack.operator.queue import Key

OF_SHOOTS = ("shoot", "annotations")
"""The controllers whose keys name a Shoot; those of the others name an extension object."""

RECHECK = 60.0
"""Seconds until the request of an extension object is looked at again; the watch shows only Shoots that opt in."""

GCP = "gcp"

Term = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which Shoots the command line opts in: those whose labels meet every term of `selector`, in namespaces that match
    one of the patterns. With neither, none."""

    terms: tuple[Term, ...] = ()
    namespaces: tuple[str, ...] = ()

    @classmethod
    def parse(cls, selector: str, namespaces: Sequence[str]) -> Selection:
        """InvalidInput for a selector that cannot be read."""
        terms = tuple(_term(text.strip(), selector) for text in selector.split(",")) if selector.strip() else ()
        return cls(terms, tuple(namespaces))

    def includes(self, shoot: Manifest, namespace: str) -> bool:
        """namespace: that of the Shoot's extension objects, which may be named as well as that of the Shoot."""
        labels = dig(shoot, "metadata", "labels") or {}
        names = (str(dig(shoot, "metadata", "namespace") or ""), namespace)
        inside = any(fnmatchcase(name, pattern) for name in names for pattern in self.namespaces)
        return bool(self.terms or self.namespaces) and (inside or not self.namespaces) and self._meets(labels)

    def _meets(self, labels: Mapping[str, str]) -> bool:
        return all(term(labels) for term in self.terms)


def refusal(
    shoot: Manifest, selection: Selection, *, namespace: str = "", extension: Manifest | None = None
) -> str | None:
    """Why the Shoot and its extension objects are left alone, or None.

    The annotation `false` wins over everything, on the Shoot or on the extension object.
    """
    provider = dig(shoot, "spec", "provider", "type")
    if provider != GCP:
        return f"its provider is {provider or 'unknown'}, not {GCP}"
    values = [dig(each, "metadata", "annotations", ENABLED) for each in (shoot, extension)]
    if "false" in values:
        return f"it has the annotation {ENABLED}: false"
    if "true" in values or selection.includes(shoot, namespace):
        return None
    return f"it has no annotation {ENABLED}: true, and neither --namespace nor --selector includes it"


def set_aside(shoot: Manifest) -> str | None:
    """Why gardenlet would not reconcile the Shoot as usual, or None (docs/reference/gardener.md#shoots-set-aside)."""
    status, seed = shoot.get("status") or {}, dig(shoot, "spec", "seedName")
    kind, state = (dig(status, "lastOperation", field) for field in ("type", "state"))
    if str(dig(shoot, "metadata", "annotations", SHOOT_IGNORE)).lower() in ("1", "t", "true"):
        return f"it has the annotation {SHOOT_IGNORE}"
    if kind == MIGRATE or (kind == RESTORE and state != "Succeeded"):
        return f"its control plane moves to another seed (lastOperation {kind} {state})"
    if seed and status.get("seedName") not in (None, "", seed):
        return f"its control plane moves from seed {status['seedName']} to {seed}"
    return None


class OptIn:
    """Whether the Shoot of a key has opted in, read at each reconcile from the Shoot or its copy in the Cluster.

    A Shoot that is set aside is left alone until that ends; its extension objects answer what was requested of them.

    stands_alone: an object that gardenlet or an extension has written is left alone too.
    """

    def __init__(self, clusters: Clusters, selection: Selection | None = None, *, stands_alone: bool = False) -> None:
        self._clusters = clusters
        self._selection = selection or Selection()
        self._stands_alone = stands_alone
        self._told: dict[Key, str] = {}

    def includes(self, shoot: Manifest) -> bool:
        """Whether this Shoot has opted in and is not set aside, so that the end of either wakes it."""
        return refusal(shoot, self._selection) is None and set_aside(shoot) is None

    async def allows(self, key: Key) -> bool:
        """False, with one line in the log, for a Shoot that has not opted in. Raises KubeError."""
        extension: Manifest | None = None
        if key.controller in OF_SHOOTS:
            found = shoot = await self._clusters.garden.get(SHOOT, key.name, key.namespace)
        else:
            found = await self._clusters.seed.get(CLUSTER, key.namespace)
            shoot = dig(found, "spec", "shoot")
            if key.controller == "infrastructure":
                extension = await self._clusters.seed.get(INFRASTRUCTURE, key.name, key.namespace)
        if shoot is None:
            return False
        namespace = "" if key.controller in OF_SHOOTS else key.namespace
        why = refusal(shoot, self._selection, namespace=namespace, extension=extension)
        if why is None and key.controller in OF_SHOOTS:
            why = set_aside(shoot)
        if why is None and self._stands_alone and (manager := foreign_manager(found)):
            why = f"{manager} has written its {'Shoot' if found is shoot else 'Cluster'}, so Gardener manages it"
        if why is None:
            self._told.pop(key, None)
        elif self._told.get(key) != why:
            self._told[key] = why
            structlog.get_logger("dualstack").info(
                f"left alone: {why}", controller=key.controller, namespace=key.namespace, object=key.name
            )
        return why is None

    @staticmethod
    def recheck(key: Key) -> float | None:
        """Seconds until a key that is not allowed is tried again; None if a watch event does that."""
        return None if key.controller in OF_SHOOTS else RECHECK


def _term(text: str, selector: str) -> Term:
    """One term of a label selector: `key=value`, `key==value`, `key!=value`, `key` or `!key`."""
    key, equals, value = text.replace("==", "=").partition("=")
    name = key.strip("! ")
    if not name or any(character in text for character in " ()") or (equals and key.startswith("!")):
        raise InvalidInput(
            f"--selector {selector!r}: {text!r} cannot be read; use key=value, key!=value, key or !key, with commas "
            "between them"
        )
    if not equals:
        return (lambda labels: name not in labels) if key.startswith("!") else (lambda labels: name in labels)
    if key.endswith("!"):
        return lambda labels: labels.get(name) != value
    return lambda labels: labels.get(name) == value
