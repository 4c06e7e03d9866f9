"""Reading the Shoot that the user names, and refusing it with all its faults at once."""

from __future__ import annotations

from pathlib import Path

from dualstack.gardener.model.shoot import load_shoot
from dualstack.gardener.validation.shoot import validate_shoot
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest

LARGEST = 3 * 1024 * 1024
"""Bytes of a request that kube-apiserver takes."""


def read_shoot(path: Path, nodes: int | None = None) -> Manifest:
    """The Shoot manifest in `path`, fit for a migration with `nodes` nodes; InvalidInput with all its faults."""
    return parse_shoot(read_text(path), path, nodes)


def read_text(path: Path) -> str:
    """The text of the file, which may be a pipe and so be read once only; InvalidInput if it is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InvalidInput(f"{path}: has more than 3 MiB, which no Kubernetes API takes; is it a Shoot?")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}") from error


def parse_shoot(text: str, path: Path, nodes: int | None = None) -> Manifest:
    """The Shoot manifest in `text`, which was read from `path`; otherwise as `read_shoot`."""
    try:
        shoot = load_shoot(text)
    except InvalidInput as error:
        raise InvalidInput(*(f"{path}: {fault}" for fault in error.faults)) from error
    faults = validate_shoot(shoot, node_count=nodes)
    if faults:
        raise InvalidInput(*(f"{path}: {fault}" for fault in faults))
    return shoot
