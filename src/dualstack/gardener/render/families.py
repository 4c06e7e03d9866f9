"""Picking the range of a family out of the lists that components get."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.cidr import family
from dualstack.model.errors import GateFailed


def cidr_of(ranges: Iterable[str], wanted: str) -> str:
    """The last range of the family: calico's choice, and there is one only; GateFailed when it is not assigned yet."""
    found = [cidr for cidr in ranges if family(cidr) == wanted]
    if not found:
        raise GateFailed(f"pods cidr required for setting {wanted.lower()} native routing cidr was not yet set")
    return found[-1]
