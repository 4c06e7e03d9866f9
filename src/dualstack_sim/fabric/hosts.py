"""What a VM is called in the fabric: by its name alone, or by zone and name where another zone had the name first."""

from __future__ import annotations

from collections.abc import Callable, Collection

HostOf = Callable[[str, str], str]
"""`host_of(zone, name)`: what the VM `name` of `zone` is called."""


class HostNames:
    """VM names are unique in their zone only. A name keeps meaning the zone it was first seen in, so that a route to a
    VM that is gone does not lead to its namesake in another zone."""

    def __init__(self) -> None:
        self._first_zone: dict[str, str] = {}

    def of(self, zone: str, name: str) -> str:
        """`name`, or `zone/name` for whoever is not the first of that name."""
        return name if self._first_zone.setdefault(name, zone) == zone else f"{zone}/{name}"

    def find(self, text: str, hosts: Collection[str]) -> str | None:
        """Which of `hosts` is meant by NAME or ZONE/NAME; None if none is, or more than one may be."""
        zone, _, name = text.rpartition("/")
        exact = name if zone and self._first_zone.get(name) == zone else text
        if exact in hosts:
            return exact
        namesakes = [host for host in hosts if host.endswith(f"/{text}")]
        return namesakes[0] if len(namesakes) == 1 else None
