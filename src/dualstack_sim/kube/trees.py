"""JSON trees: reading, copying and changing them without touching what is shared.

Objects in the store are never changed in place. `copied` makes a private copy, `replaced` a new tree that shares
everything off the changed path with the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encoded(tree: Any) -> bytes:
    """`tree` as compact JSON."""
    return _encoder.encode(tree)


def decoded(data: bytes) -> Any:
    """The tree that `data` spells; msgspec.DecodeError if it is not JSON."""
    return _decoder.decode(data)


def copied(tree: Any) -> Any:
    """A private copy; TypeError if `tree` is not made of JSON values."""
    return _decoder.decode(_encoder.encode(tree))


def lookup(tree: Any, path: Sequence[str], default: Any = None) -> Any:
    """What is at `path`, or `default` when a step is missing or leads through something that is no object."""
    for step in path:
        if not isinstance(tree, dict):
            return default
        tree = tree.get(step)
        if tree is None:
            return default
    return tree


def replaced(tree: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """A new tree with `value` at `path`, other branches shared. None removes what is there."""
    head, *rest = path
    if rest:
        child = tree.get(head)
        value = replaced(child if isinstance(child, dict) else {}, rest, value)
    if value is None:
        return {key: child for key, child in tree.items() if key != head}
    return {**tree, head: value}
