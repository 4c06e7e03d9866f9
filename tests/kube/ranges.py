"""Does to the real API server what the roll-out of its Deployment does in a landscape: restarts it with new ranges."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from dualstack_sim.actors.service_addresses import ranges_of
from tests.kube.cluster import Cluster

_EVERY = 0.1


class RangeFollower:
    """Restarts the API server when the Deployment kube-apiserver in `namespace` gets other ranges.

    It does not wait for the simulated pods: once they are ready, the operator must find a server with the new ranges.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments/kube-apiserver"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.restarts: list[tuple[str, ...]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_EVERY):
            with self._cluster.turn:
                self._follow()

    def _follow(self) -> None:
        try:
            found = self._cluster.get(self._path)
        except OSError:  # it does not answer: a test has stopped it
            return
        ranges = tuple(str(each) for each in ranges_of(found["spec"]["template"]["spec"])) if found else ()
        if ranges and ranges != self._cluster.ranges:
            self._cluster.restart_api(*ranges)
            self.restarts.append(ranges)
