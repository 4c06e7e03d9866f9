"""Clients that keep what they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dualstack.gce import ComputeClient, Resource
from dualstack.gce.errors import ComputeRefusal
from dualstack.kube.interface import Kube
from dualstack.model.errors import KubeError
from dualstack.model.kinds import ACCESS_REVIEW, SECRET, Kind, Manifest
from dualstack.snapshot.document import Refusal, Snapshot
from dualstack.snapshot.paths import path_of
from dualstack.snapshot.sanitise import sanitised_object, sanitised_resource


@dataclass
class Recorder:
    """Collects what two clients read, without secrets."""

    compute: dict[str, Resource] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    answers: dict[str, Resource] = field(default_factory=dict)
    objects: dict[str, dict[tuple[str, str], Manifest]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    refusals: dict[str, Refusal] = field(default_factory=dict)

    def snapshot(self, project: str, *, taken_at: str, version: str) -> Snapshot:
        """The document of everything that was read so far."""
        return Snapshot(
            taken_at=taken_at,
            version=version,
            project=project,
            compute=dict(sorted(self.compute.items())),
            lists=tuple(sorted(self.lists)),
            answers=dict(sorted(self.answers.items())),
            kubernetes={
                kind: [found[key] for key in sorted(found)] for kind, found in sorted(self.objects.items()) if found
            },
            kinds=tuple(sorted(self.kinds)),
            refusals=dict(sorted(self.refusals.items())),
        )

    def answer(self, method: str, path: str, answer: Resource) -> None:
        """Keep an answer of Compute: a resource, a page of a list, or another."""
        if path.startswith("aggregated/"):
            collection = path.removeprefix("aggregated/")
            scopes = (answer.get("items") or {}).values()
            self._resources(entry for scope in scopes for entry in scope.get(collection) or ())
            self.lists.add(path)
        elif method == "GET" and path_of(answer) == path:
            self._resources([answer])
        elif method == "GET" and _is_list(path, answer):
            self._resources(answer.get("items") or ())
            self.lists.add(path)
        else:
            self.answers[f"{method} {path}"] = answer

    def _resources(self, resources: Any) -> None:
        for resource in resources:
            if (path := path_of(resource)) is not None:
                self.resource(path, resource)

    def resource(self, path: str, resource: Resource) -> None:
        """Keep the resource at a path."""
        self.compute[path] = sanitised_resource(resource)

    def objects_of(self, kind: Kind, found: list[Manifest]) -> None:
        """Keep Kubernetes objects."""
        of_kind = self.objects.setdefault(name_of(kind), {})
        for each in found:
            metadata = each["metadata"]
            of_kind[metadata.get("namespace", ""), metadata["name"]] = sanitised_object(kind, each)


def review_of(manifest: Manifest) -> str:
    """The key of an access review in the answers."""
    attributes = manifest["spec"]["resourceAttributes"]
    names = ("verb", "group", "resource", "namespace")
    return "review " + " ".join(attributes.get(name) or "-" for name in names)


def name_of(kind: Kind) -> str:
    """`apiVersion/Kind`."""
    return f"{kind.api_version}/{kind.kind}"


def _is_list(path: str, answer: Resource) -> bool:
    return str(answer.get("kind", "")).endswith("List") or path.count("/") == 1


class RecordingCompute(ComputeClient):
    """A Compute client that hands every answer to a recorder. It reads whole resources, not only the named fields."""

    recorder: Recorder

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        whole = {name: value for name, value in query.items() if name != "fields"}
        try:
            answer = await super()._send(method, path, body, whole)
        except ComputeRefusal as error:
            self.recorder.refusals[f"{method} {path}"] = Refusal(error.status, error.reason, error.message)
            raise
        self.recorder.answer(method, path, answer)
        return answer


@dataclass(frozen=True)
class RecordingKube:
    """A `Kube` for reading that hands every object to a recorder."""

    kube: Kube
    recorder: Recorder

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest | None:
        self._refuse_secrets(kind)
        found = await self.kube.get(kind, name, namespace)
        if found is not None:
            self.recorder.objects_of(kind, [found])
        return found

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str | None = None) -> list[Manifest]:
        self._refuse_secrets(kind)
        try:
            found = await self.kube.list(kind, namespace, labels=labels)
        except KubeError as error:
            self.recorder.refusals[f"list {name_of(kind)}"] = Refusal(0, type(error).__name__, str(error))
            raise
        self.recorder.objects_of(kind, found)
        self.recorder.kinds.add(name_of(kind))
        return found

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        if kind != ACCESS_REVIEW:
            raise AssertionError("a snapshot changes nothing")
        answer = await self.kube.create(kind, manifest)
        self.recorder.answers[review_of(manifest)] = {"status": answer.get("status") or {}}
        return answer

    async def patch(self, *_arguments: Any, **_options: Any) -> Manifest:
        raise AssertionError("a snapshot changes nothing")

    async def delete(self, *_arguments: Any) -> None:
        raise AssertionError("a snapshot changes nothing")

    def _refuse_secrets(self, kind: Kind) -> None:
        if kind == SECRET:
            raise AssertionError("a snapshot never reads Secrets")
