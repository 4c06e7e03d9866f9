"""Edits of Deployments and DaemonSets: flags (docs/reference/kubernetes.md#flag-names), environment, replicas and
annotations, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from dualstack.model.cidr import canonical
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER
from dualstack.model.parts import UnknownShape

_COMPONENTS = ("kube-apiserver", "kube-controller-manager", CLOUD_CONTROLLER_MANAGER)
_BOOLEANS = ("true", "false")


_Word = tuple[str, str]
"""`command` or `args`, and a word of it. The program sees the words of both as one list."""


@dataclass(frozen=True, slots=True)
class _Flag:
    """One occurrence of a flag among the words of a container: its place, its number of words, its value."""

    index: int
    words: int
    value: str


def flag_values(workload: Manifest, container: str, known: str) -> dict[str, str]:
    """The flags of the container by name; the last of several counts. Arguments and errors as in `with_flags`."""
    words = _words(_container(workload, container, known))
    return {name: flag.value for name, flag in _flags(words)}


def flags_of(workload: Manifest) -> dict[str, str]:
    """The flags of a component's container in a Deployment or Pod, wherever it stands beside foreign ones."""
    containers = _containers(workload)
    own = [found for found in containers if not _programs(found).isdisjoint(_COMPONENTS)] or containers
    return {name: flag.value for name, flag in _flags(_words(own[0]))} if own else {}


def is_cloud_controller_manager(pod: Manifest) -> bool:
    """Whether a container of the pod is cloud-controller-manager, under any name."""
    return any(CLOUD_CONTROLLER_MANAGER in _programs(found) for found in _containers(pod))


def _programs(container: Mapping[str, Any]) -> set[str]:
    """The names by which a container is known: its own, and that of its program."""
    words = _words(container)
    return {str(container.get("name")), *(word.rpartition("/")[2] for _, word in words[:1])}


def with_flags(workload: Manifest, container: str, known: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these flags of a container set, or removed for None, wherever they stand.

    A new flag takes the place of a removed one. Values that mean the same stay as they are written. UnknownShape unless
    exactly one container has this name or the flag `known`, and has that flag, and when a list of ranges would replace
    something else.
    """
    result = deepcopy(workload)
    target = _container(result, container, known)
    words = _words(target)
    place: tuple[int, str] | None = None
    for name in (name for name, value in changes.items() if value is None):
        for flag in reversed([flag for found, flag in _flags(words) if found == name]):
            place = flag.index, words[flag.index][0]
            del words[flag.index : flag.index + flag.words]
    wanted = {name: value for name, value in changes.items() if value is not None}
    added = [f"--{name}={value}" for name, value in wanted.items() if not _set(workload, words, name, value)]
    index, where = place or (len(words), "args" if target.get("args") else "command")
    words[index:index] = [(where, word) for word in added]
    for each in ("command", "args"):
        changed = [word for where, word in words if where == each]
        if changed != (target.get(each) or []):
            target[each] = changed
    return result


def _set(workload: Manifest, words: list[_Word], name: str, value: str) -> bool:
    """Set the flag where it stands, in the last place if there are several; False when it stands nowhere."""
    present = [flag for found, flag in _flags(words) if found == name]
    if not present:
        return False
    last = present[-1]
    ranges, present_ranges = _ranges(value), _ranges(last.value)
    if last.value == value or (ranges and ranges == present_ranges):
        return True
    if ranges and not present_ranges:
        raise UnknownShape(workload, f"--{name} is {last.value!r}, which is no list of ranges")
    index = last.index + last.words - 1
    where, word = words[index]
    words[index] = where, value if last.words == 2 else f"{word.partition('=')[0]}={value}"
    return True


def environment_of(workload: Manifest, container: str) -> dict[str, str | None]:
    """The environment of the container; None for a variable whose value comes from elsewhere."""
    return {entry["name"]: entry.get("value") for entry in _named_container(workload, container).get("env") or ()}


def with_environment(workload: Manifest, container: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these variables of a container set, or removed for None.

    UnknownShape without the container, and when a variable to set has its value from elsewhere.
    """
    result = deepcopy(workload)
    target = _named_container(result, container)
    entries = [entry for entry in target.get("env") or () if changes.get(entry["name"], "") is not None]
    positions = {entry["name"]: index for index, entry in enumerate(entries)}
    for name, value in changes.items():
        if value is not None and name in positions:
            entry = entries[positions[name]]
            if "valueFrom" in entry:
                raise UnknownShape(workload, f"variable {name} of container {container} has its value from elsewhere")
            entries[positions[name]] = {**entry, "value": value}
        elif value is not None:
            entries.append({"name": name, "value": value})
    if entries != (target.get("env") or []):
        target["env"] = entries
    return result


def with_template_annotation(workload: Manifest, name: str, value: str | None) -> Manifest:
    """The workload with an annotation on its pods set, or removed for None; a change restarts them."""
    template = workload["spec"]["template"]
    changed = with_annotation(template, name, value)
    return workload if changed is template else {**workload, "spec": {**workload["spec"], "template": changed}}


def with_annotation(item: Manifest, name: str, value: str | None) -> Manifest:
    """The object, or template of pods, with an annotation set, or removed for None."""
    if dig(item, "metadata", "annotations", name) == value:
        return item
    metadata = item.get("metadata") or {}
    annotations = {key: entry for key, entry in (metadata.get("annotations") or {}).items() if key != name}
    kept = {key: entry for key, entry in metadata.items() if key != "annotations"}
    if value is not None:
        annotations[name] = value
    return {**item, "metadata": {**kept, **({"annotations": annotations} if annotations else {})}}


def with_replicas(workload: Manifest, usual: int, *, stopped: bool) -> Manifest:
    """The workload with no replicas when it is `stopped`, and with its `usual` ones when it was; others stay."""
    current = dig(workload, "spec", "replicas")
    wanted = 0 if stopped else usual if current == 0 else current
    if wanted == current:
        return workload
    return {**workload, "spec": {**workload["spec"], "replicas": wanted}}


def _containers(workload: Manifest) -> list[dict[str, Any]]:
    pod = dig(workload, "spec", "template") or workload
    return dig(pod, "spec", "containers") or []


def _named_container(workload: Manifest, name: str) -> dict[str, Any]:
    for found in _containers(workload):
        if found.get("name") == name:
            return found
    raise UnknownShape(workload, f"it has no container {name}")


def _container(workload: Manifest, name: str, known: str) -> dict[str, Any]:
    """The container of this name, else the only one that has the flag `known`."""
    containers = _containers(workload)
    candidates = [found for found in containers if found.get("name") == name] or [
        found for found in containers if known in dict(_flags(_words(found)))
    ]
    if len(candidates) != 1:
        raise UnknownShape(workload, f"it has no container {name}, and {len(candidates)} with the flag --{known}")
    if known not in dict(_flags(_words(candidates[0]))):
        raise UnknownShape(workload, f"container {candidates[0].get('name')} has no flag --{known}")
    return candidates[0]


def _words(container: Mapping[str, Any]) -> list[_Word]:
    return [(where, str(word)) for where in ("command", "args") for word in container.get(where) or ()]


def _flags(words: Sequence[_Word]) -> Iterator[tuple[str, _Flag]]:
    """Every flag by its name, in which Kubernetes takes `_` for `-`."""
    for index, (_, word) in enumerate(words):
        if not word.startswith("--") or word == "--":
            continue
        name, equals, value = word[2:].partition("=")
        following = words[index + 1][1] if index + 1 < len(words) else "-"
        if equals:
            flag = _Flag(index, 1, value)
        elif following.startswith("-") or following in _BOOLEANS:
            flag = _Flag(index, 1, "true")
        else:
            flag = _Flag(index, 2, following)
        yield name.replace("_", "-"), flag


def _ranges(text: str) -> list[str] | None:
    """The ranges in a comma-separated list; None for anything else."""
    try:
        return [canonical(entry.strip()) for entry in text.split(",")]
    except ValueError:
        return None
