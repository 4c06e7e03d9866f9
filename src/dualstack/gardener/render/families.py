"""What every edit of an existing object shares: it adds IPv6, or removes the IPv6 that it finds, and nothing else.

An object without IPv6 stays exactly as it is until the migration reaches it, whichever program wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dualstack.gardener.model.names import BEFORE_MIGRATION
from dualstack.gardener.model.shoot import ShootView
from dualstack.model.cidr import family
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Edit, UnknownShape, value_at
from dualstack.model.workloads import with_annotation


def from_migration_on(shoot: ShootView, edit: Edit) -> Edit:
    """The edit, which leaves an object of unknown shape alone as long as no migration of the Shoot has begun."""
    if shoot.dual_stack_infrastructure:
        return edit

    def edited(live: Manifest) -> Manifest:
        try:
            return edit(live)
        except UnknownShape:
            return live

    return edited


def has_ipv6(ranges: str | Iterable[str]) -> bool:
    """Whether one of the ranges or addresses is of IPv6; a text is a comma-separated list."""
    entries = ranges.split(",") if isinstance(ranges, str) else ranges
    return any(family(entry) == "IPv6" for entry in entries)


def changed_ranges(current: Mapping[str, str], wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The flags to set, out of `wanted`: those that gain IPv6, and those that have it and must lose it."""
    return {
        name: ",".join(ranges) for name, ranges in wanted.items() if has_ipv6(ranges) or has_ipv6(current.get(name, ""))
    }


def with_memory(live: Manifest, current: Mapping[str, Any], single_stack: Mapping[str, Any]) -> Manifest:
    """The object with an annotation of the settings of another owner that a migration is about to replace.

    current, single_stack: the settings that it replaces, as they are and as the way back sets them; None for none.
    """
    others = {name: current.get(name) for name, value in single_stack.items() if current.get(name) != value}
    return with_annotation(live, BEFORE_MIGRATION, msgspec.json.encode(others).decode()) if others else live


def from_memory(live: Manifest, single_stack: Mapping[str, Any]) -> tuple[Manifest, dict[str, Any]]:
    """The object without the annotation of `with_memory`, and the settings that it then has."""
    text = value_at(live, str, "metadata", "annotations", BEFORE_MIGRATION)
    try:
        others = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UnknownShape(live, f"annotation {BEFORE_MIGRATION} cannot be read: {error}") from error
    return with_annotation(live, BEFORE_MIGRATION, None), {**single_stack, **others}


def restart_mark(ranges: Sequence[str]) -> str | None:
    """The value of annotation `dualstack.dev/ranges` on pods that read their configuration only at their start.

    None for a single family, so that a cluster that has never been dual-stack is not restarted.
    """
    return ",".join(ranges) if has_ipv6(ranges) else None
