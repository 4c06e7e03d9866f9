"""The three API servers of a landscape for controllers under test."""

from __future__ import annotations

from dualstack.gardener.clusters import Clusters
from dualstack.kube.interface import Kube
from dualstack.kube.watching import Watched


def one_api_server(kube: Kube) -> Clusters:
    """One API server that plays garden, seed and shoot."""
    return Clusters(garden=kube, seed=kube, shoot=lambda _: kube)


class OneShoot:
    """Access to one shoot on the API server that plays all three."""

    def __init__(self, kube: Watched) -> None:
        self._kube = kube
        self.gone: list[str] = []

    def of(self, namespace: str) -> Watched:
        return self._kube

    async def forget(self, namespace: str) -> None:
        self.gone.append(namespace)
