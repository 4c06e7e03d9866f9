"""A snapshot from files that gcloud and kubectl have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import SECRET, Kind, Manifest
from dualstack.snapshot.document import Resource, Snapshot
from dualstack.snapshot.paths import path_of
from dualstack.snapshot.recording import Recorder

_SCOPED = ("instances", "subnetworks", "routers", "forwardingRules", "addresses", "machineTypes")
"""Collections that gcloud lists over all zones or regions."""


def from_files(files: Sequence[Path]) -> Snapshot:
    """The snapshot of one project and one cluster. InvalidInput for a file of another form.

    Each file is a list of Compute resources, one resource (`gcloud compute project-info describe`), a Kubernetes List,
    or one Kubernetes object. An empty list is refused, because it does not show of what it is.
    """
    recorder, projects = Recorder(), set[str]()
    for file in files:
        for entry in _entries(file):
            if "apiVersion" in entry:
                _add_object(recorder, entry, file)
            else:
                projects.add(_add_resource(recorder, entry, file))
    if len(projects) > 1:
        raise InvalidInput(
            f"the files are of several projects: {', '.join(sorted(projects))}; leave out those of other projects than "
            "the cluster's (a cluster in a Shared VPC is not supported)"
        )
    return recorder.snapshot(next(iter(projects), ""), taken_at="", version=version("dualstack"))


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    try:
        content = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{file}: not JSON: {error}; write it with --format=json or -o json") from error
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        found: list[Any] = content["items"]
    else:
        found = content if isinstance(content, list) else [content]
    if not found:
        raise InvalidInput(f"{file}: the list is empty and does not show of what; leave the file out")
    for entry in found:
        if not isinstance(entry, dict):
            raise InvalidInput(f"{file}: has a {type(entry).__name__} where a resource is expected")
        yield entry


def _add_object(recorder: Recorder, entry: Manifest, file: Path) -> None:
    if not entry.get("kind") or not (entry.get("metadata") or {}).get("name"):
        raise InvalidInput(f"{file}: an object has no kind or no name")
    group, _, object_version = str(entry["apiVersion"]).rpartition("/")
    kind = Kind(group, object_version, entry["kind"], "", namespaced="namespace" in entry["metadata"])
    if kind.kind == SECRET.kind and not group:
        raise InvalidInput(f"{file}: has Secret {entry['metadata']['name']}; leave Secrets out")
    recorder.objects_of(kind, [entry])
    recorder.kinds.add(f"{kind.api_version}/{kind.kind}")


def _add_resource(recorder: Recorder, entry: Resource, file: Path) -> str:
    path = path_of(entry)
    if path is None:
        raise InvalidInput(
            f"{file}: a resource has no selfLink; write the file with `gcloud compute ... --format=json`, without a "
            "projection of fields"
        )
    recorder.resource(path, entry)
    parent = path.rpartition("/")[0]
    collection = parent.rpartition("/")[2]
    if parent.startswith("global/"):
        recorder.lists.add(parent)
    if collection in _SCOPED:
        recorder.lists.add(f"aggregated/{collection}")
    return str(entry["selfLink"]).partition("/projects/")[2].partition("/")[0]
