"""What every edit of an existing object shares: it adds IPv6, or removes the IPv6 that it finds, and nothing else.

An object without IPv6 stays exactly as it is until the migration reaches it, whichever program wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dualstack.gardener.model.shoot import ShootView
from dualstack.model.cidr import family
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Edit, UnknownShape, unchanged


def from_migration_on(shoot: ShootView, edit: Edit) -> Edit:
    """The edit, which leaves an object of unknown shape alone as long as no migration of the Shoot has begun."""
    if shoot.dual_stack_infrastructure or edit is unchanged:
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


def restart_mark(ranges: Sequence[str]) -> str | None:
    """The value of annotation `dualstack.dev/ranges` on pods that read their configuration only at their start.

    None for a single family, so that a cluster that has never been dual-stack is not restarted.
    """
    return ",".join(ranges) if has_ipv6(ranges) else None
