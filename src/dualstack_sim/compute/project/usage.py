"""How many interfaces and alias ranges each network has, counted as VMs come, change and go (compute-api.md 4.2)."""

from __future__ import annotations

from collections import Counter

from dualstack_sim.compute.api.errors import Json


class Usage:
    """Network link -> number of network interfaces, and of alias ranges, whatever their size."""

    def __init__(self) -> None:
        self.interfaces: Counter[str] = Counter()
        self.aliases: Counter[str] = Counter()

    def replace(self, before: Json | None, after: Json | None) -> None:
        """An instance changed from `before` to `after`; None is not there."""
        old = before["networkInterfaces"] if before is not None else ()
        new = after["networkInterfaces"] if after is not None else ()
        if old is new:
            return
        for interfaces, sign in ((old, -1), (new, 1)):
            for interface in interfaces:
                self.interfaces[interface["network"]] += sign
                self.aliases[interface["network"]] += sign * len(interface.get("aliasIpRanges", ()))
