"""Edits of Deployments and DaemonSets: flags, environment, replicas and annotations, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from dualstack.model.cidr import canonical
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.parts import UnknownShape

_BOOLEANS = ("true", "false")


@dataclass(frozen=True, slots=True)
class _Flag:
    """One occurrence of a flag: in `command` or `args`, at `index`, in one word or in two."""

    where: str
    index: int
    words: int
    value: str


def flag_values(workload: Manifest, container: str, known: str) -> dict[str, str]:
    """The flags of the container by name; the last of several counts. Arguments and errors as in `with_flags`."""
    return {name: flag.value for name, flag in _flags(_container(workload, container, known))}


def with_flags(workload: Manifest, container: str, known: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these flags of a container set, or removed for None, wherever they stand.

    A new flag takes the place of a removed one. Values that mean the same stay as they are written. UnknownShape unless
    exactly one container has this name or the flag `known`, and has that flag.
    """
    result = deepcopy(workload)
    target = _container(result, container, known)
    removed: list[_Flag] = []
    for name in (name for name, value in changes.items() if value is None):
        for flag in reversed([flag for found, flag in _flags(target) if found == name]):
            del target[flag.where][flag.index : flag.index + flag.words]
            removed.append(flag)
    wanted = {name: value for name, value in changes.items() if value is not None}
    added = [f"--{name}={value}" for name, value in wanted.items() if not _set(target, name, value)]
    if removed:
        first = removed[-1]
        target[first.where][first.index : first.index] = added
    elif added:
        target["args" if target.get("args") else "command"].extend(added)
    return result


def _set(container: Manifest, name: str, value: str) -> bool:
    """Set the flag where it stands, in the last place if there are several; False when it stands nowhere."""
    present = [flag for found, flag in _flags(container) if found == name]
    if not present:
        return False
    last = present[-1]
    if not _same(last.value, value):
        words = [f"--{name}={value}"] if last.words == 1 else [f"--{name}", value]
        container[last.where][last.index : last.index + last.words] = words
    return True


def environment_of(workload: Manifest, container: str) -> dict[str, str | None]:
    """The environment of the container; None for a variable whose value comes from elsewhere."""
    return {entry["name"]: entry.get("value") for entry in _named_container(workload, container).get("env") or ()}


def with_environment(workload: Manifest, container: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these variables of a container set, or removed for None; UnknownShape without it."""
    result = deepcopy(workload)
    target = _named_container(result, container)
    entries = [entry for entry in target.get("env") or () if changes.get(entry["name"], "") is not None]
    positions = {entry["name"]: index for index, entry in enumerate(entries)}
    for name, value in changes.items():
        if value is not None and name in positions:
            entry = {key: each for key, each in entries[positions[name]].items() if key != "valueFrom"}
            entries[positions[name]] = {**entry, "value": value}
        elif value is not None:
            entries.append({"name": name, "value": value})
    if entries != (target.get("env") or []):
        target["env"] = entries
    return result


def with_template_annotation(workload: Manifest, name: str, value: str | None) -> Manifest:
    """The workload with an annotation on its pods set, or removed for None; a change restarts them."""
    if dig(workload, "spec", "template", "metadata", "annotations", name) == value:
        return workload
    result = deepcopy(workload)
    metadata = result["spec"]["template"].setdefault("metadata", {})
    annotations = {key: entry for key, entry in (metadata.get("annotations") or {}).items() if key != name}
    if value is not None:
        annotations[name] = value
    metadata["annotations"] = annotations
    if not annotations:
        del metadata["annotations"]
    return result


def with_replicas(workload: Manifest, usual: int, *, stopped: bool) -> Manifest:
    """The workload with no replicas when it is `stopped`, and with its `usual` ones when it was; others stay."""
    current = dig(workload, "spec", "replicas")
    wanted = 0 if stopped else usual if current == 0 else current
    if wanted == current:
        return workload
    return {**workload, "spec": {**workload["spec"], "replicas": wanted}}


def _containers(workload: Manifest) -> list[dict[str, Any]]:
    return dig(workload, "spec", "template", "spec", "containers") or []


def _named_container(workload: Manifest, name: str) -> dict[str, Any]:
    for found in _containers(workload):
        if found.get("name") == name:
            return found
    raise UnknownShape(workload, f"it has no container {name}")


def _container(workload: Manifest, name: str, known: str) -> dict[str, Any]:
    """The container of this name, else the only one that has the flag `known`."""
    containers = _containers(workload)
    candidates = [found for found in containers if found.get("name") == name] or [
        found for found in containers if known in dict(_flags(found))
    ]
    if len(candidates) != 1:
        raise UnknownShape(workload, f"it has no container {name}, and {len(candidates)} with the flag --{known}")
    if known not in dict(_flags(candidates[0])):
        raise UnknownShape(workload, f"container {candidates[0].get('name')} has no flag --{known}")
    return candidates[0]


def _flags(container: Mapping[str, Any]) -> Iterator[tuple[str, _Flag]]:
    for where in ("command", "args"):
        words: Sequence[str] = container.get(where) or ()
        for index, word in enumerate(words):
            if not isinstance(word, str) or not word.startswith("--") or word == "--":
                continue
            name, equals, value = word[2:].partition("=")
            following = words[index + 1] if index + 1 < len(words) else "-"
            if equals:
                yield name, _Flag(where, index, 1, value)
            elif following.startswith("-") or following in _BOOLEANS:
                yield name, _Flag(where, index, 1, "true")
            else:
                yield name, _Flag(where, index, 2, following)


def _same(left: str, right: str) -> bool:
    """Whether two values are equal, or name the same ranges."""
    return left == right or _ranges(left) == _ranges(right)


def _ranges(text: str) -> list[str]:
    try:
        return [canonical(entry.strip()) for entry in text.split(",")]
    except ValueError:
        return [text]
