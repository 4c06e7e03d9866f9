"""Edits of Deployments and DaemonSets: flags (docs/reference/kubernetes.md#flag-names), environment, replicas and
annotations, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dualstack.model.cidr import canonical
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest
from dualstack.model.names import CLOUD_CONTROLLER_MANAGER
from dualstack.model.parts import UnknownShape, mappings_at, texts_at, value_at, with_value

_COMPONENTS = ("kube-apiserver", "kube-controller-manager", CLOUD_CONTROLLER_MANAGER)
_BOOLEANS = ("true", "false")


_Word = tuple[str, str]
"""`command` or `args`, and a word of it. The program sees the words of both as one list."""
_Place = tuple[str | int, ...]
"""The path of a container."""


@dataclass(frozen=True, slots=True)
class _Flag:
    """One occurrence of a flag among the words of a container: its place, its number of words, its value."""

    index: int
    words: int
    value: str


def flag_values(workload: Manifest, container: str, known: str) -> dict[str, str]:
    """The flags of the container by name; the last of several counts. Arguments and errors as in `with_flags`."""
    return _flag_values(workload, _container(workload, container, known))


def flags_of(workload: Manifest) -> dict[str, str]:
    """The flags of a component's container in a Deployment or Pod, wherever it stands beside foreign ones."""
    places = _containers(workload)
    own = [place for place in places if not _programs(workload, place).isdisjoint(_COMPONENTS)] or places
    return _flag_values(workload, own[0]) if own else {}


def is_cloud_controller_manager(pod: Manifest) -> bool:
    """Whether a container of the pod is cloud-controller-manager, under any name."""
    return any(CLOUD_CONTROLLER_MANAGER in _programs(pod, place) for place in _containers(pod))


def _programs(workload: Manifest, place: _Place) -> set[str]:
    """The names by which a container is known: its own, and that of its program."""
    words = _words(workload, place)
    return {value_at(workload, str, *place, "name"), *(word.rpartition("/")[2] for _, word in words[:1])}


def with_flags(workload: Manifest, container: str, known: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these flags of a container set, or removed for None, wherever they stand.

    A new flag takes the place of a removed one. Values that mean the same stay as they are written. UnknownShape unless
    exactly one container has this name or the flag `known`, and has that flag, and when a list of ranges would replace
    something else.
    """
    target = _container(workload, container, known)
    words = _words(workload, target)
    place: tuple[int, str] | None = None
    for name in (name for name, value in changes.items() if value is None):
        for flag in reversed([flag for found, flag in _flags(words) if found == name]):
            place = flag.index, words[flag.index][0]
            del words[flag.index : flag.index + flag.words]
    wanted = {name: value for name, value in changes.items() if value is not None}
    added = [f"--{name}={value}" for name, value in wanted.items() if not _set(workload, words, name, value)]
    index, where = place or (len(words), "args" if value_at(workload, list, *target, "args") else "command")
    words[index:index] = [(where, word) for word in added]
    for each in ("command", "args"):
        changed = [word for where, word in words if where == each]
        if changed != value_at(workload, list, *target, each):
            workload = with_value(workload, changed, *target, each)
    return workload


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
    return {name: entry.get("value") for name, entry in _environment(workload, _named_container(workload, container))}


def with_environment(workload: Manifest, container: str, changes: Mapping[str, str | None]) -> Manifest:
    """The workload with these variables of a container set, or removed for None.

    UnknownShape without the container, and when a variable to set has its value from elsewhere.
    """
    place = _named_container(workload, container)
    found = _environment(workload, place)
    kept = [(name, entry) for name, entry in found if changes.get(name, "") is not None]
    entries = [entry for _, entry in kept]
    positions = {name: index for index, (name, _) in enumerate(kept)}
    for name, value in changes.items():
        if value is not None and name in positions:
            entry = entries[positions[name]]
            if "valueFrom" in entry:
                raise UnknownShape(workload, f"variable {name} of container {container} has its value from elsewhere")
            entries[positions[name]] = {**entry, "value": value}
        elif value is not None:
            entries.append({"name": name, "value": value})
    return workload if entries == [entry for _, entry in found] else with_value(workload, entries, *place, "env")


def with_template_annotation(workload: Manifest, name: str, value: str | None) -> Manifest:
    """The workload with an annotation on its pods set, or removed for None; a change restarts them."""
    return _annotated(workload, name, value, "spec", "template", "metadata")


def with_annotation(item: Manifest, name: str, value: str | None) -> Manifest:
    """The object with an annotation set, or removed for None."""
    return _annotated(item, name, value, "metadata")


def _annotated(item: Manifest, name: str, value: str | None, *path: str) -> Manifest:
    present = value_at(item, dict, *path, "annotations")
    if present.get(name) == value:
        return item
    annotations = {key: entry for key, entry in present.items() if key != name}
    kept = {key: entry for key, entry in value_at(item, dict, *path).items() if key != "annotations"}
    if value is not None:
        annotations[name] = value
    return with_value(item, {**kept, **({"annotations": annotations} if annotations else {})}, *path)


def with_replicas(workload: Manifest, usual: int, *, stopped: bool) -> Manifest:
    """The workload with no replicas when it is `stopped`, and with its `usual` ones when it was; others stay."""
    current = dig(workload, "spec", "replicas")
    wanted = 0 if stopped else usual if current == 0 else current
    return workload if wanted == current else with_value(workload, wanted, "spec", "replicas")


def _containers(workload: Manifest) -> list[_Place]:
    """The paths of the containers of a workload or pod."""
    pod = ("spec", "template") if value_at(workload, dict, "spec").get("template") else ()
    path = (*pod, "spec", "containers")
    return [(*path, index) for index in range(len(mappings_at(workload, *path)))]


def _named_container(workload: Manifest, name: str) -> _Place:
    for place in _containers(workload):
        if value_at(workload, str, *place, "name") == name:
            return place
    raise UnknownShape(workload, f"it has no container {name}")


def _container(workload: Manifest, name: str, known: str) -> _Place:
    """The container of this name, else the only one that has the flag `known`."""
    names = {place: value_at(workload, str, *place, "name") for place in _containers(workload)}
    candidates = [place for place, found in names.items() if found == name] or [
        place for place in names if known in _flag_values(workload, place)
    ]
    if len(candidates) != 1:
        raise UnknownShape(workload, f"it has no container {name}, and {len(candidates)} with the flag --{known}")
    if known not in _flag_values(workload, candidates[0]):
        raise UnknownShape(workload, f"container {names[candidates[0]]} has no flag --{known}")
    return candidates[0]


def _environment(workload: Manifest, place: _Place) -> list[tuple[str, Manifest]]:
    """Name and entry of each variable of the container."""
    entries = mappings_at(workload, *place, "env")
    return [(value_at(workload, str, *place, "env", index, "name"), each) for index, each in enumerate(entries)]


def _words(workload: Manifest, place: _Place) -> list[_Word]:
    return [(where, word) for where in ("command", "args") for word in texts_at(workload, *place, where)]


def _flag_values(workload: Manifest, place: _Place) -> dict[str, str]:
    return {name: flag.value for name, flag in _flags(_words(workload, place))}


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
