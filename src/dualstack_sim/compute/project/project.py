"""The state and services of one simulated project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any

from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.errors import Json, invalid, not_ready
from dualstack_sim.compute.api.operations import Effect, Operations, Work
from dualstack_sim.compute.api.references import Key, Links, unknown_reference
from dualstack_sim.compute.network.addresses import AddressPool
from dualstack_sim.compute.project.inventory import Inventory
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import LatencyProfile
from dualstack_sim.compute.project.quotas import Limits
from dualstack_sim.compute.project.serial_output import SerialOutput
from dualstack_sim.rules import enforced


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed. `scope` is `global`, `regions/R`, `zones/Z`, `aggregated` or "" (the project itself).

    `now` is its instant in simulated seconds since the epoch.
    """

    method: str
    scope: str
    name: str
    now: float
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    project: str = ""
    """The requested project, which differs from this one only for public images."""


@dataclass(slots=True)
class PrefixAllocations:
    """The /64s that subnetworks have or had, with access type, and the number of assignments."""

    given: dict[Key, tuple[str, IPv6Network]] = field(default_factory=dict)
    taken: set[IPv6Network] = field(default_factory=set)
    ordinals: dict[Key, int] = field(default_factory=dict)

    def dump(self) -> Json:
        """As JSON; `load` is the inverse."""
        return {
            "given": {key.text(): [access, str(prefix)] for key, (access, prefix) in sorted(self.given.items())},
            "ordinals": {key.text(): number for key, number in sorted(self.ordinals.items())},
        }

    def load(self, state: Json) -> None:
        for mapping in (self.given, self.ordinals, self.taken):
            mapping.clear()
        prefixes = {text: (access, IPv6Network(prefix)) for text, (access, prefix) in state["given"].items()}
        self.given.update({Key.parse(text): prefix for text, prefix in prefixes.items()})
        self.ordinals.update({Key.parse(text): number for text, number in state["ordinals"].items()})
        self.taken.update(prefix for _, prefix in prefixes.values())


@dataclass(slots=True)
class Project:
    """State and services shared by the collections of one project."""

    name: str
    number: str
    regions: Mapping[str, tuple[str, ...]]
    links: Links
    chance: Chance
    knobs: Knobs
    limits: Limits
    latency: LatencyProfile
    inventory: Inventory
    operations: Operations
    later: Callable[[float, float, Effect], None]
    """`later(instant, delay, effect)` schedules an effect; immediate while the initial state is set up."""
    run: Callable[[float, str, Work], None]
    """`run(instant, method, work)` starts an operation without a request, as a managed group does."""
    placing: bool = False
    """Whether the initial state is being set up; then every change is effective immediately."""
    pools: dict[Key, AddressPool] = field(default_factory=dict)
    prefixes: PrefixAllocations = field(default_factory=PrefixAllocations)
    pending_subnetworks: dict[Key, Json] = field(default_factory=dict)
    """Subnetworks as running operations will leave them; their ranges count already."""
    pending_aliases: Counter[str] = field(default_factory=Counter)
    """Network link -> alias ranges that running operations will add; they count already."""
    serial: dict[tuple[str, int], SerialOutput] = field(default_factory=dict)
    """Id of a VM and number of a serial port -> what the guest wrote."""
    guests: Callable[[float], None] = lambda _: None
    """`guests(instant)` lets the guests of VMs work until then."""

    def zone_region(self, zone: str) -> str | None:
        return next((region for region, zones in self.regions.items() if zone in zones), None)

    def region_of(self, scope: str) -> str:
        """The region of a regional or zonal scope."""
        kind, _, place = scope.partition("/")
        return place if kind == "regions" else self.zone_region(place) or place

    def check_scope(self, scope: str) -> None:
        """Refuse unknown regions and zones."""
        kind, _, place = scope.partition("/")
        if kind == "regions" and place not in self.regions and enforced("requests.wrong-scope"):
            raise invalid("region", place, "Unknown region.")
        if kind == "zones" and self.zone_region(place) is None and enforced("requests.wrong-scope"):
            raise invalid("zone", place, "Unknown zone.")

    def pool(self, subnetwork: Key) -> AddressPool:
        """The addresses of a subnetwork."""
        pool = self.pools.get(subnetwork)
        if pool is None:
            pool = self.pools[subnetwork] = AddressPool()
        return pool

    def reference(self, field_name: str, value: Any, collection: str, scope: str, noun: str) -> tuple[Key, Json]:
        """The resource that a body refers to; 400 if it does not exist."""
        key = self.links.read(value, collection, scope) if isinstance(value, str) else None
        resource = self.inventory.find(key) if key else None
        if key is None or resource is None:
            raise unknown_reference(field_name, value, noun)
        return Key(key.collection, key.scope, resource["name"]), resource

    def require_unlocked(self, key: Key) -> None:
        """400 resourceNotReady while an exclusive operation runs on the resource."""
        if self.operations.is_locked(key) and enforced("operations.busy-reference"):
            raise not_ready(self.links.partial(key))

    def require_idle(self, key: Key) -> None:
        """400 resourceNotReady while any operation runs on the resource."""
        if self.operations.is_busy(key) and enforced("operations.busy-target"):
            raise not_ready(self.links.partial(key))
