"""Reads and validates the Shoot that the user names; reports all errors together."""

from __future__ import annotations

import sys
from pathlib import Path

from dualstack.gardener.model.shoot import load_shoot
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest

LARGEST = 3 * 1024 * 1024
"""The largest request that kube-apiserver accepts, in bytes."""


STANDARD_INPUT = Path("-")


def read_shoot(path: Path, nodes: int | None = None) -> Manifest:
    """The Shoot manifest in `path`, valid for a migration with `nodes` nodes; InvalidInput with all its errors."""
    return parse_shoot(read_text(path), path, nodes)


def read_text(path: Path) -> str:
    """The text of the file, which may be a pipe or `-`; InvalidInput if it cannot be read or is not text."""
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InvalidInput(f"{path}: larger than 3 MiB, which no Kubernetes API accepts; pass a Shoot manifest")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}") from error


def parse_shoot(text: str, path: Path, nodes: int | None = None) -> Manifest:
    """As `read_shoot`, for `text` that was read from `path`."""
    try:
        shoot = load_shoot(text)
    except InvalidInput as error:
        raise InvalidInput(*(f"{path}: {fault}" for fault in error.faults)) from error
    faults = validate_shoot(shoot, node_count=nodes)
    if faults:
        raise InvalidInput(*(f"{path}: {fault}" for fault in faults))
    return shoot
