"""Reading the Shoot that the user names, and refusing it with all its faults at once."""

from __future__ import annotations

from pathlib import Path

from dualstack.errors import InvalidInput
from dualstack.model.kinds import Manifest
from dualstack.model.shoot import load_shoot
from dualstack.model.shoot_validation import validate_shoot


def read_shoot(path: Path, nodes: int | None = None) -> Manifest:
    """The Shoot manifest in `path`, fit for a migration with `nodes` nodes; InvalidInput with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}") from error
    try:
        shoot = load_shoot(text)
    except InvalidInput as error:
        raise InvalidInput(*(f"{path}: {fault}" for fault in error.faults)) from error
    faults = validate_shoot(shoot, node_count=nodes)
    if faults:
        raise InvalidInput(*(f"{path}: {fault}" for fault in faults))
    return shoot
