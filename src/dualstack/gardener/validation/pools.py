"""Worker pools as the API wants them: names, counts, surge, zones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dualstack.gardener.validation.field_errors import Fault, duplicate, forbidden, invalid, required
from dualstack.model.json_path import dig
from dualstack.model.kinds import Manifest

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PERCENT = re.compile(r"[0-9]+%")
_LONGEST_NAME = 15


def pool_faults(shoot: Manifest) -> Iterator[Fault]:
    """Faults of all pools of a Shoot that has some."""
    seen: set[str] = set()
    for index, pool in enumerate(dig(shoot, "spec", "provider", "workers")):
        field = f"spec.provider.workers[{index}]"
        name = pool.get("name")
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name or "")
        yield from _one_pool(field, pool)


def _one_pool(field: str, pool: Manifest) -> Iterator[Fault]:
    name = pool.get("name")
    if not name:
        yield required(f"{field}.name", "must specify a name")
    elif not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        message = f"must consist of at most {_LONGEST_NAME} lower case letters, digits and hyphens"
        yield invalid(f"{field}.name", name, message)
    if not dig(pool, "machine", "type"):
        yield required(f"{field}.machine.type", "must specify a machine type")
    if not pool.get("zones"):
        yield required(f"{field}.zones", "at least one zone must be configured")
    for index, zone in enumerate(pool.get("zones") or ()):
        if zone in pool["zones"][:index]:
            yield duplicate(f"{field}.zones[{index}]", zone)
    minimum, maximum = pool.get("minimum", 0), pool.get("maximum", 0)
    for key, value in (("minimum", minimum), ("maximum", maximum)):
        if value < 0:
            yield invalid(f"{field}.{key}", value, f"{key} value must not be negative")
    if maximum < minimum:
        yield forbidden(f"{field}.maximum", "maximum value must not be less than minimum value")
    yield from _surge_faults(field, pool)


def _surge_faults(field: str, pool: Manifest) -> Iterator[Fault]:
    usable = True
    for key in ("maxSurge", "maxUnavailable"):
        value = pool.get(key, 0)
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            usable = False
            yield invalid(f"{field}.{key}", value, "must be an integer or a percentage such as 25%")
        elif isinstance(value, int) and value < 0:
            usable = False
            yield invalid(f"{field}.{key}", value, "must not be negative")
    if usable and pool.get("maxSurge") in (0, "0%") and pool.get("maxUnavailable") in (0, "0%"):
        yield invalid(
            f"{field}.maxUnavailable",
            pool["maxUnavailable"],
            "may not be 0 when both `maxSurge` and `maxUnavailable` are 0",
        )
