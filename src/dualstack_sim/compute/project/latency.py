"""How long operations take (docs/reference/compute-engine.md#operation-latency)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualstack_sim.chance import Chance

MEDIANS: Mapping[str, float] = {
    "networks.insert": 12.0,
    "networks.patch": 6.0,
    "networks.delete": 12.0,
    "subnetworks.insert": 8.0,
    "subnetworks.patch": 8.0,
    "subnetworks.delete": 10.0,
    "subnetworks.expandIpCidrRange": 60.0,
    "subnetworks.setPrivateIpGoogleAccess": 6.0,
    "routes.insert": 4.0,
    "routes.delete": 4.0,
    "firewalls.insert": 3.0,
    "firewalls.patch": 3.0,
    "firewalls.update": 3.0,
    "firewalls.delete": 3.0,
    "routers.insert": 8.0,
    "routers.patch": 6.0,
    "routers.update": 6.0,
    "routers.delete": 6.0,
    "addresses.insert": 3.0,
    "addresses.delete": 3.0,
    "globalAddresses.insert": 3.0,
    "globalAddresses.delete": 3.0,
    "networks.addPeering": 8.0,
    "networks.updatePeering": 6.0,
    "networks.removePeering": 8.0,
    "instanceTemplates.insert": 3.0,
    "instanceTemplates.delete": 3.0,
    "instanceGroupManagers.insert": 4.0,
    "instanceGroupManagers.delete": 75.0,
    "forwardingRules.insert": 8.0,
    "forwardingRules.delete": 8.0,
    "regionBackendServices.insert": 6.0,
    "regionBackendServices.update": 6.0,
    "regionBackendServices.patch": 6.0,
    "regionBackendServices.delete": 6.0,
    "regionHealthChecks.insert": 4.0,
    "instanceGroups.insert": 3.0,
    "instanceGroups.addInstances": 4.0,
    "disks.insert": 3.0,
    "disks.delete": 3.0,
    "instances.insert": 15.0,
    "instances.delete": 45.0,
    "instances.start": 12.0,
    "instances.stop": 30.0,
    "instances.updateNetworkInterface": 5.0,
    "instances.setTags": 2.0,
    "instances.setLabels": 2.0,
    "instances.setMetadata": 2.0,
}
"""Simulated seconds. Values without evidence are inferred from similar methods."""


OBSERVED_REQUESTS: Mapping[str, float] = {
    "get": 0.4,
    "list": 0.4,
    "aggregatedList": 0.6,
    "operation": 0.2,
    "change": 0.4,
}
"""Class of method -> median of the time until its answer (docs/reference/compute-engine.md#request-latency)."""


def class_of(method: str) -> str:
    """The class of a method in `OBSERVED_REQUESTS`."""
    collection, _, verb = method.partition(".")
    if collection.endswith("Operations"):
        return "operation"
    if verb == "aggregatedList":
        return verb
    if verb.startswith(("list", "testIamPermissions")):
        return "list"
    return "get" if verb.startswith("get") else "change"


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """Lognormal around `medians` with a tail, all multiplied by `factor`."""

    medians: Mapping[str, float] = field(default_factory=lambda: MEDIANS)
    factor: float = 1.0
    sigma: float = 0.25
    tail: float = 0.01
    ipv6_prefix: tuple[float, float] = (2.0, 18.0)
    """Seconds from the end of the operation to the subnet's /64, uniformly distributed."""

    requests: Mapping[str, float] = field(default_factory=dict)
    """Median of the simulated seconds until an answer, by class of method; empty for answers without delay."""

    def request(self, chance: Chance, method: str, target: str, ordinal: int) -> float:
        """Seconds until the answer to the `ordinal`-th request of this method for this target."""
        median = self.requests.get(class_of(method), 0.0)
        return chance.latency(median, "request", method, target, ordinal, sigma=self.sigma) if median else 0.0

    def operation(self, chance: Chance, method: str, target: str, ordinal: int) -> float:
        """Seconds of the `ordinal`-th operation of this kind on this target, independent of all other draws."""
        median = self.medians.get(method, 5.0) * self.factor
        return chance.latency(median, "operation", method, target, ordinal, sigma=self.sigma, tail=self.tail)

    def prefix_assignment(self, chance: Chance, subnetwork: str, ordinal: int) -> float:
        low, high = self.ipv6_prefix
        return chance.uniform(low, high, "ipv6-prefix", subnetwork, ordinal) * self.factor
