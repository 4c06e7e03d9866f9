"""Whether nodes give what their pods send to the internet their own address."""

from __future__ import annotations

from collections.abc import Iterable

from dualstack.model.kinds import Manifest


def masquerades(daemon_sets: Iterable[Manifest], config_maps: Iterable[Manifest]) -> bool:
    """Whether ip-masq-agent or Cilium translates IPv4 on every node. Both arguments are objects of kube-system.

    Then packets of pods leave with the primary address of the node, which a NAT of secondary ranges does not concern
    (docs/reference/compute-engine.md#nat-ranges).
    """
    agent = any(each["metadata"]["name"] == "ip-masq-agent" for each in daemon_sets)
    return agent or any(
        each["metadata"]["name"] == "cilium-config" and (each.get("data") or {}).get("enable-ipv4-masquerade") == "true"
        for each in config_maps
    )
