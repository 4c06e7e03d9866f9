"""CIDRs of a Shoot: they parse, are canonical, of the right family and disjoint (gardener-behaviour.md 1.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dualstack.gardener.validation.field_errors import Fault, invalid, required
from dualstack.model import cidr
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NETWORKING = "spec.networking"
_NETWORKS = "spec.provider.infrastructureConfig.networks"
_WORDS = {"pods": "pod", "services": "service", "nodes": "node"}
_REPORTED_AT = {
    frozenset(("pods", "services")): ("services", "shoot pod network intersects with shoot service network"),
    frozenset(("pods", "nodes")): ("pods", "shoot pod network intersects with shoot node network"),
    frozenset(("services", "nodes")): ("services", "shoot service network intersects with shoot node network"),
}


def range_faults(shoot: Manifest) -> Iterator[Fault]:
    """Faults of the pods, services and nodes CIDR in the spec, and of the lists in the status."""
    networking = dig(shoot, "spec", "networking") or {}
    families = networking.get("ipFamilies") or ["IPv4"]
    given = {key: networking[key] for key in _WORDS if networking.get(key)}
    for key in ("pods", "services"):
        if not given.get(key):
            yield required(f"{_NETWORKING}.{key}", f"{key} is required")
    for key, text in given.items():
        yield from spelling_faults(f"{_NETWORKING}.{key}", text)
        if len(families) < 2 and _parses(text) and cidr.family(text) != families[0]:
            yield invalid(f"{_NETWORKING}.{key}", text, f"must be a valid {families[0]} address")
    yield from _overlap_faults({key: text for key, text in given.items() if _parses(text)})
    yield from _status_faults(shoot)


def spelling_faults(field: str, text: str) -> Iterator[Fault]:
    """Faults of one CIDR: it does not parse, or has host bits."""
    if not _parses(text):
        yield invalid(field, text, f"invalid CIDR address: {text}")
    elif not cidr.is_canonical(text):
        yield invalid(field, text, "must be valid canonical CIDR")


def spelled_well(text: str | None) -> bool:
    """Whether `text` is there and is a CIDR; host bits do not matter."""
    return bool(text) and _parses(str(text))


def infrastructure_ranges(shoot: Manifest) -> dict[str, str]:
    """The CIDRs in the infrastructureConfig that parse, by field path."""
    networks = dig(shoot, "spec", "provider", "infrastructureConfig", "networks") or {}
    keys = ("internal", "workers" if networks.get("workers") else "worker")
    return {f"{_NETWORKS}.{key}": networks[key] for key in keys if spelled_well(networks.get(key))}


def _parses(text: str) -> bool:
    try:
        cidr.parse_loosely(text)
    except ValueError:
        return False
    return True


def _overlap_faults(given: Mapping[str, str]) -> Iterator[Fault]:
    names = list(given)
    for left, right in cidr.overlaps(list(given.values())):
        key, message = _REPORTED_AT[frozenset((names[left], names[right]))]
        yield invalid(f"{_NETWORKING}.{key}", given[key], message)


def _status_faults(shoot: Manifest) -> Iterator[Fault]:
    for key, ranges in (dig(shoot, "status", "networking") or {}).items():
        if key in ("pods", "services", "nodes") and isinstance(ranges, list):
            for index, text in enumerate(ranges):
                yield from spelling_faults(f"status.networking.{key}[{index}]", text)
