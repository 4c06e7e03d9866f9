"""Settings of another owner, kept in an annotation of their object while a migration has others in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dualstack.model.kinds import Manifest
from dualstack.model.parts import UnknownShape, value_at
from dualstack.model.workloads import with_annotation

BEFORE_MIGRATION = "dualstack.dev/before-migration"
"""Ours, on an object of a component: the IPv6 settings of another owner, which the way back restores, as JSON."""


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
