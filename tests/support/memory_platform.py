"""The second implementation of `dualstack.cutover.platform.Platform`: plain memory, without any Gardener object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dualstack.cutover.platform import Member
from dualstack.model.cluster import Cluster, NodePool
from dualstack.model.kinds import Manifest
from dualstack.plan.facts import ControllerFacts, SavedRoute

CLUSTER = Cluster(
    name="kubernetes",
    project="proj-1",
    region="europe-west1",
    network="prod",
    nodes_subnet="prod-nodes",
    nodes="10.0.0.0/16",
    pods="10.96.0.0/16",
    services_subnet="prod-services",
    services="10.112.0.0/20",
    pools=(NodePool("workers", ("europe-west1-b",), vm_name_prefixes=("worker-",)),),
)
NODES = ("worker-0", "worker-1", "worker-2")


def pod_cidr(number: int) -> str:
    return f"10.96.{number}.0/24"


def node(number: int) -> Manifest:
    name = NODES[number]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"podCIDR": pod_cidr(number)},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


@dataclass
class MemoryPlatform:
    """Nodes, saved routes and the route controller as plain values. They survive a kill of the cut-over."""

    nodes: dict[str, Manifest | None] = field(default_factory=lambda: {name: node(n) for n, name in enumerate(NODES)})
    saved: tuple[SavedRoute, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    controller: ControllerFacts = field(default_factory=lambda: ControllerFacts(replicas=1, pods=1, ignored=False))
    calls: list[str] = field(default_factory=list)

    async def members(self) -> tuple[Member, ...]:
        return tuple(Member(name, "europe-west1-b", node) for name, node in self.nodes.items())

    async def saved_routes(self) -> tuple[SavedRoute, ...]:
        return self.saved

    async def save(self, routes: Iterable[SavedRoute]) -> None:
        self.saved = tuple(dict.fromkeys((*self.saved, *routes)))

    async def forget(self, done: Callable[[SavedRoute], bool]) -> None:
        self.saved = tuple(route for route in self.saved if not done(route))

    async def notes(self) -> Mapping[str, str]:
        return self.kept

    async def note(self, name: str, value: str | None) -> None:
        self.kept = {known: text for known, text in self.kept.items() if known != name}
        if value is not None:
            self.kept[name] = value

    async def route_controller(self) -> ControllerFacts:
        return self.controller

    async def stop_route_controller(self) -> None:
        self.calls.append("stop")
        self.controller = replace(self.controller, replicas=0, pods=0, ignored=True)

    async def restore_route_controller(self) -> None:
        self.calls.append("restore")
        self.controller = replace(self.controller, replicas=1, pods=1, ignored=False)
