"""Clients that read a snapshot instead of the two APIs. They change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import ComputeRefusal, NotFound, refusal
from dualstack.kube import interface
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import ACCESS_REVIEW, Kind, Manifest
from dualstack.snapshot.document import Snapshot
from dualstack.snapshot.paths import in_collection
from dualstack.snapshot.recording import name_of, review_of

_FILTER = re.compile(r"\(?\s*(\w+)\s+(eq|ne)\s+(.+?)\s*\)?")
_SELECTOR = re.compile(r"([^=!,\s]+)\s*==?\s*([^,\s]*)")
ABSENT = "notInSnapshot"


class SnapshotCompute(ComputeClient):
    """A Compute client whose answers come from a snapshot. What is not in it is refused with reason `ABSENT`."""

    def __init__(self, snapshot: Snapshot, clock: Clock) -> None:
        super().__init__(snapshot.project, clock)
        self._snapshot = snapshot

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        call, known = f"{method} {path}", self._snapshot
        if (refused := known.refusals.get(call)) is not None:
            error = {"code": refused.status, "message": refused.message, "errors": [{"reason": refused.reason}]}
            raise refusal(refused.status, {"error": error}, call=call)
        if (answer := known.answers.get(call)) is not None:
            return answer
        if method != "GET":
            raise ComputeRefusal(ABSENT, "a snapshot cannot be changed, and does not show what this call would answer")
        if path in known.compute:
            return known.compute[path]
        if path.startswith("aggregated/") or self._lists(path):
            return self._page(path, query.get("filter"))
        if self._lists(path.rpartition("/")[0]):
            raise NotFound("notFound", f"the resource '{path}' was not found", status=404, call=call)
        raise ComputeRefusal(ABSENT, f"the snapshot does not have {path or 'the project'}", call=call)

    def _lists(self, collection: str) -> bool:
        """Whether the snapshot has every resource of the collection."""
        aggregated = f"aggregated/{collection.rpartition('/')[2]}"
        return collection in self._snapshot.lists or aggregated in self._snapshot.lists

    def _page(self, path: str, selection: str | None) -> Resource:
        if path.startswith("aggregated/") and path not in self._snapshot.lists:
            raise ComputeRefusal(ABSENT, f"the snapshot does not have {path}", call=f"GET {path}")
        found = {name: each for name, each in self._snapshot.compute.items() if in_collection(name, path)}
        selected = {name: each for name, each in found.items() if _matches(each, selection)}
        if not path.startswith("aggregated/"):
            return {"items": list(selected.values())}
        collection = path.removeprefix("aggregated/")
        scopes: dict[str, Resource] = {}
        for name, each in selected.items():
            scope = name.rpartition("/")[0].rpartition("/")[0]
            scopes.setdefault(scope, {collection: []})[collection].append(each)
        return {"items": scopes}


def _matches(resource: Resource, selection: str | None) -> bool:
    """Whether a filter of the form `field eq value` matches; `name eq x.*` is a regular expression as in Compute."""
    if not selection:
        return True
    found = _FILTER.fullmatch(selection)
    if found is None:
        raise InvalidInput(f"filter {selection!r} is not known to snapshots")
    name, operator, value = found.groups()
    matched = re.fullmatch(value.strip("\"'"), str(resource.get(name) or "")) is not None
    return matched == (operator == "eq")


@dataclass(frozen=True)
class SnapshotKube:
    """A `Kube` for reading whose objects come from a snapshot. A kind that is not in it is refused as `Invalid`."""

    snapshot: Snapshot

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        self._check(kind)
        return next((each for each in self._of(kind, namespace) if each["metadata"]["name"] == name), None)

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        if name_of(kind) not in self.snapshot.kinds:
            self._check(kind)
            raise interface.Invalid(f"the snapshot does not have the {kind.plural} of the cluster")
        wanted = dict(_SELECTOR.findall(labels or ""))
        return [
            each
            for each in self._of(kind, namespace)
            if wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        if kind != ACCESS_REVIEW:
            raise interface.Invalid("a snapshot cannot be changed")
        if (answer := self.snapshot.answers.get(review_of(manifest))) is None:
            raise interface.Invalid("the snapshot does not show what the user of the kubeconfig may do")
        return answer

    async def patch(self, *_arguments: Any, **_options: Any) -> Manifest:
        raise interface.Invalid("a snapshot cannot be changed")

    async def delete(self, *_arguments: Any) -> None:
        raise interface.Invalid("a snapshot cannot be changed")

    def _of(self, kind: Kind, namespace: str | None) -> Iterable[Manifest]:
        found = self.snapshot.kubernetes.get(name_of(kind), ())
        return (each for each in found if namespace is None or each["metadata"].get("namespace", "") == namespace)

    def _check(self, kind: Kind) -> None:
        refused = self.snapshot.refusals.get(f"list {name_of(kind)}")
        if refused is not None:
            error: type[Exception] = getattr(interface, refused.reason, interface.Invalid)
            raise error(refused.message)
