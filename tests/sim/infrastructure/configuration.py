"""Changes of the InfrastructureConfig."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from dualstack.gardener.model import kinds as gardener_kinds
from tests.sim.infrastructure.scene import Scene


def configure(made: Scene, **networks: Any) -> None:
    """Set keys of `infrastructureConfig.networks`; None takes one away."""
    cluster = made.store.get(gardener_kinds.CLUSTER, made.namespace)
    assert cluster is not None
    cluster = deepcopy(cluster)
    spec = cluster["spec"]["shoot"]["spec"]
    config = spec["provider"]["infrastructureConfig"]["networks"]
    config.update(networks)
    for name in [name for name, value in networks.items() if value is None]:
        del config[name]
    if "workers" in networks:
        spec["networking"]["nodes"] = networks["workers"]
    made.store.replace(gardener_kinds.CLUSTER, cluster)
