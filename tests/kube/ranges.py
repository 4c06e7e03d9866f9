"""Does to the real API server what the roll-out of its Deployment does in a landscape: restarts it with new ranges."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from dualstack_sim.actors.pods import is_active, is_ready
from dualstack_sim.actors.service_addresses import ranges_of
from tests.kube.cluster import Cluster

_EVERY = 0.5


class RangeFollower:
    """Restarts the API server when all ready pods of kube-apiserver in `namespace` have the same other ranges."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=role%3Dkube-apiserver"
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
            try:
                found = self._cluster.get(self._path)
            except OSError:  # it is down: a test has stopped it
                continue
            ranges = self._served(found)
            if ranges and ranges != self._cluster.ranges:
                self._cluster.api.stop()
                self._cluster.start_api(*ranges)
                self.restarts.append(ranges)

    @staticmethod
    def _served(found: Any) -> tuple[str, ...]:
        pods = [pod for pod in (found or {}).get("items", ()) if is_active(pod) and is_ready(pod)]
        served = {tuple(str(each) for each in ranges_of(pod["spec"])) for pod in pods}
        return served.pop() if len(served) == 1 else ()
