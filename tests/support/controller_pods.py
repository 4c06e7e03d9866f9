"""The pods of the cloud-controller-manager, for worlds without kubelets, and how long none of them leads."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualstack.clock import Clock
from dualstack.model import names
from dualstack.model.kinds import DEPLOYMENT, POD, Manifest
from dualstack_sim.kube.store import KubeStore

POLL = 2.0
LEASE = 15.0
"""Seconds of a leader's Lease, which a process that ends does not release."""


@dataclass
class ControllerPods:
    """A rolling update: the new pod starts within `start` seconds, then the old one goes after `grace`.

    away: seconds in which no pod leads. A pod leads as soon as the Lease of the one before has expired. replaced: when
    the last old pod was gone.
    """

    store: KubeStore
    clock: Clock
    namespace: str
    grace: float = 20.0
    start: float = 10.0
    away: float = 0.0
    replaced: float | None = None
    _number: int = field(default=0)
    _left: float | None = None

    async def run(self) -> None:
        """Follow the Deployment until cancelled."""
        while True:
            deployment = self.store.get(DEPLOYMENT, names.CLOUD_CONTROLLER_MANAGER, self.namespace)
            if deployment is not None:
                await self._follow(deployment)
            await self.clock.sleep(POLL)

    def finish(self) -> float:
        """The seconds so far; counts a time without leader that still lasts."""
        return self.away + (0.0 if self._left is None else self.clock.now() - self._left)

    async def _follow(self, deployment: Manifest) -> None:
        selector = deployment["spec"]["selector"]["matchLabels"]
        wanted = deployment["spec"]["template"]["spec"] if deployment["spec"].get("replicas", 1) else None
        pods = [pod for pod in self.store.list(POD, self.namespace) if pod["metadata"].get("labels") == selector]
        old = [pod for pod in pods if wanted is None or _words(pod["spec"]) != _words(wanted)]
        if wanted is not None and len(old) == len(pods):
            if pods:
                await self.clock.sleep(self.start)
            self._create(selector, wanted)
            if self._left is not None:
                self.away += self.clock.now() - self._left
                self._left = None
        if old:
            await self.clock.sleep(self.grace)
            for pod in old:
                self.store.delete(POD, pod["metadata"]["name"], self.namespace)
            self.replaced = self.clock.now()
            if wanted is None:
                self._left = self.clock.now()
            else:
                self.away += LEASE

    def _create(self, labels: dict[str, str], spec: Manifest) -> None:
        name = f"{names.CLOUD_CONTROLLER_MANAGER}-{self._number}"
        self._number += 1
        metadata = {"name": name, "namespace": self.namespace, "labels": labels}
        containers = {"containers": spec["containers"], "terminationGracePeriodSeconds": 0}
        self.store.upsert(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": containers})


def _words(spec: Manifest) -> list[list[str]]:
    """What the containers of a pod run; the API server adds other fields."""
    return [[*(found.get("command") or ()), *(found.get("args") or ())] for found in spec["containers"]]
