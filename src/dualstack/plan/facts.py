"""What a cut-over is planned from: the observed state of routes, range, aliases, flag and controller.

Facts hold what was read from the two APIs, never what was intended. Two parts of the run's state travel with them,
`quiet` and `passed`; they do not take part in comparisons, and losing them only makes the plan wait longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

Limitation = Literal["", "routes-not-served", "aliases-not-matched"]
"""What a cloud does not do: static routes do not serve addresses inside a range (docs/reference/cut-over.md#r6), or
aliases are not matched resources (docs/reference/cut-over.md#k3)."""

NO_NETWORK = "reports that its network is unavailable"
"""Why a Node is not healthy: cloud-controller-manager has created no route for it."""

SETTLED = 30.0
"""Seconds until every host and every report of a Node shows that a node that joined is reachable: propagation, one
period of the network problem detector, and its report (docs/reference/cut-over.md#trial)."""

REPORT_OF_NEW_NODE = 75.0
"""Seconds until the report of a node that joined can only mean that its alias carries nothing: the slowest host, one
period of the network problem detector, and its report (docs/reference/cut-over.md#new-node)."""

Aspect = Literal["flag", "range", "range-canary", "aliases", "routes", "controller", "decoys"]
ASPECTS: tuple[Aspect, ...] = ("flag", "range", "range-canary", "aliases", "routes", "controller", "decoys")


@dataclass(frozen=True, slots=True)
class SubnetFacts:
    """The nodes subnet. flag_visible: the answer has `allowSubnetCidrRoutesOverlap`
    (docs/reference/cut-over.md#e12)."""

    name: str
    region: str
    overlap_flag: bool = False
    flag_visible: bool = True
    stack_type: str = "IPV4_ONLY"
    secondary_ranges: tuple[tuple[str, str], ...] = ()
    """Pairs of range name and CIDR, in the order of the API."""


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A static route. `instance` and `zone` are empty when the next hop is no instance."""

    name: str
    destination: str
    instance: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class SavedRoute:
    """A route that is recorded before it is deleted."""

    instance_name: str
    destination_cidr: str
    zone: str


@dataclass(frozen=True, slots=True)
class AliasFacts:
    """An alias IP range of nic0."""

    cidr: str
    range_name: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A machine of this cluster. `pod_cidr` is `Node.spec.podCIDR`, None while there is no Node or it has none yet."""

    name: str
    zone: str
    pod_cidr: str | None
    instance_exists: bool = True
    running: bool = True
    aliases: tuple[AliasFacts, ...] = ()
    """The aliases of nic0 in the order of the API."""
    subnet_ok: bool = True
    """nic0 is in the subnet that gets the range (docs/reference/cut-over.md#r12)."""

    def has_alias_in(self, range_name: str) -> bool:
        """Whether it has any alias of that range; aliases of other ranges are the user's."""
        return any(alias.range_name == range_name for alias in self.aliases)


@dataclass(frozen=True, slots=True)
class ControllerFacts:
    """The controller that creates routes. replicas, pods: those that create routes, wanted and existing. ignored: it is
    stopped so that its manager does not start it again. kept: it creates routes on purpose, because no route is going
    to be deleted (`dualstack.plan.strategies.prepare`)."""

    replicas: int
    pods: int
    ignored: bool
    kept: bool = False
    absent: bool = False
    """It is not deployed, so nothing runs and nothing can be restored."""

    @property
    def gone(self) -> bool:
        """No pod creates routes, and nothing starts one that does."""
        return self.replicas == 0 and self.pods == 0 and self.ignored


KEPT = ControllerFacts(replicas=1, pods=1, ignored=False, kept=True)
"""It creates routes, and is to go on with that."""


@dataclass(frozen=True, slots=True)
class DecoyFacts:
    """The state of the decoy check (`dualstack.plan.strategies.decoys`).

    vm: the decoy VM exists. home: the CIDR of its blocks, read from the VM; empty when it does not run. range: the CIDR
    of the decoys' range of the subnet; empty without one. routes, aliases: the CIDRs that lead to the VM. prober: the
    DaemonSet of probe pods exists.
    """

    vm: bool = False
    home: str = ""
    range: str = ""
    routes: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    prober: bool = False

    @property
    def present(self) -> bool:
        """Any part of it exists."""
        return self.vm or bool(self.range) or bool(self.routes) or self.prober


@dataclass(frozen=True)
class CutoverFacts:
    """One consistent observation.

    routes: provably the cluster's (docs/reference/design-rules.md#provably-ours). foreign_routes: all others with their
    destination inside the pod CIDR.
    """

    pods_cidr: str
    range_name: str
    subnet: SubnetFacts
    routes: tuple[RouteFacts, ...]
    nodes: tuple[NodeFacts, ...]
    saved_routes: tuple[SavedRoute, ...]
    controller: ControllerFacts
    foreign_routes: tuple[RouteFacts, ...] = ()
    drill_routes: tuple[str, ...] = ()
    """Names of temporary routes that a drill left behind; they lead to an unused block of the pod CIDR."""
    decoys: DecoyFacts = DecoyFacts()
    range_canary: str = ""
    """The CIDR of the range canary: one node's block as a secondary range of its own; empty without one."""
    headroom_trial: bool = False
    """The range of a trial before an outage exists (`dualstack.plan.steps.headroom`)."""
    headroom_holders: tuple[str, ...] = ()
    """The VMs that hold an alias of it."""
    range_proven: bool = False
    """A range canary has shown, and the platform remembers, that routes serve addresses inside a range."""
    disproved: Limitation = ""
    """What a trial has shown this cloud not to do; the platform remembers it until the way back is complete."""
    with_network_problem: frozenset[str] = field(default=frozenset(), compare=False)
    """The Nodes that report that their pods do not reach others."""
    network_watched: bool = field(default=True, compare=False)
    """Some Node has a condition in which it reports whether its pods reach others. Without one, a node on trial cannot
    show that its pods are unreachable."""
    unhealthy: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Why each Node is not healthy, by name; healthy Nodes are not in it."""
    unidentified: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The running VMs and the Nodes of which it is not certain that they belong together, each with the reason."""
    quiet: Mapping[Aspect, float] = field(default_factory=dict, compare=False)
    """Seconds since each aspect was last observed to change; an absent one counts as 0."""
    passed: Mapping[str, tuple[Aspect, ...]] = field(default_factory=dict, compare=False)
    """The gates that passed, by id, each with the aspects that have not changed since."""
    since_joined: float = field(default=math.inf, compare=False)
    """Seconds since a node was last observed to join, leave, or to become reachable or unreachable."""
    refused: frozenset[str] = field(default=frozenset(), compare=False)
    """The steps that were refused while nodes are unreachable (`dualstack.plan.strategies.serve`)."""

    # Derived indexes.

    @cached_property
    def node_of(self) -> Mapping[str, NodeFacts]:
        """The machines whose VM exists, by name."""
        return {node.name: node for node in self.nodes if node.instance_exists}

    @cached_property
    def routes_to(self) -> Mapping[str, tuple[RouteFacts, ...]]:
        """The cluster's routes by the name of the VM to which they lead."""
        routes: dict[str, list[RouteFacts]] = {}
        for route in self.routes:
            routes.setdefault(route.instance, []).append(route)
        return {instance: tuple(found) for instance, found in routes.items()}

    @cached_property
    def holders(self) -> Mapping[str, frozenset[str]]:
        """The names of the VMs that hold each CIDR as an alias in the pod range."""
        holders: dict[str, set[str]] = {}
        for node in self.node_of.values():
            for alias in node.aliases:
                if alias.range_name == self.range_name:
                    holders.setdefault(alias.cidr, set()).add(node.name)
        return {cidr: frozenset(names) for cidr, names in holders.items()}

    @cached_property
    def pod_cidr_of(self) -> Mapping[str, str]:
        """The pod CIDR of each existing VM, by name; VMs without one are missing.

        `Node.spec.podCIDR` is the source of truth (docs/reference/weaknesses.md#w11). A VM whose Node is gone may still
        run pods, so its route, or its saved route, counts unless it holds an alias of its own.
        """
        saved = {entry.instance_name: entry.destination_cidr for entry in self.saved_routes}
        found: dict[str, str] = {}
        for node in self.node_of.values():
            if node.pod_cidr:
                found[node.name] = node.pod_cidr
            elif not node.has_alias_in(self.range_name):
                routes = self.routes_to.get(node.name)
                cidr = routes[0].destination if routes else saved.get(node.name)
                if cidr and cidr not in self._taken:
                    found[node.name] = cidr
        return found

    @cached_property
    def _taken(self) -> frozenset[str]:
        return frozenset(node.pod_cidr for node in self.node_of.values() if node.pod_cidr)

    # What is in place.

    @property
    def range_present(self) -> bool:
        """The subnet has exactly the pod range: its name and the whole pod CIDR."""
        return (self.range_name, self.pods_cidr) in self.subnet.secondary_ranges

    def aliased(self, name: str) -> bool:
        """Whether the VM, and no other, holds its pod CIDR as an alias in the pod range, at any position."""
        return self.holders.get(self.pod_cidr_of[name]) == frozenset({name})

    def alias_in_place(self, name: str) -> bool:
        """As `aliased`, and first in the list, where cloud-controller-manager reads it
        (docs/reference/gardener.md#interop-alias-is-pod-cidr)."""
        first = self.node_of[name].aliases[:1]
        return self.aliased(name) and first == (AliasFacts(self.pod_cidr_of[name], self.range_name),)

    def routed(self, name: str) -> bool:
        """Whether a static route of the cluster leads to the VM for its pod CIDR."""
        return any(route.destination == self.pod_cidr_of[name] for route in self.routes_to.get(name, ()))

    def reachable(self, name: str) -> bool:
        """Whether the network, once settled, delivers packets for the VM's pod CIDR to it.

        A subnet range takes precedence over static routes (docs/reference/cut-over.md#r5). An address in it goes to the
        VM that holds it; without one, it follows static routes only while the overlap flag is set
        (docs/reference/cut-over.md#r6, docs/reference/cut-over.md#r8). What this cloud was seen not to do does not
        count.
        """
        routes_serve = self.subnet.overlap_flag and self.disproved != "routes-not-served"
        if not self.range_present:
            return self.routed(name) and (self.pod_cidr_of[name] != self.range_canary or routes_serve)
        if self.holders.get(self.pod_cidr_of[name]) and not self.aliases_carry_nothing:
            return self.aliased(name)
        return routes_serve and self.routed(name)

    @property
    def aliases_carry_nothing(self) -> bool:
        """Whether aliases do not count while the flag is set (docs/reference/cut-over.md#k3)."""
        return self.subnet.overlap_flag and self.disproved == "aliases-not-matched"

    def settled(self, name: str) -> bool:
        """Whether one path serves the VM's pod CIDR permanently: its alias, or its route without a range."""
        return self.aliased(name) or (not self.range_present and self.routed(name))

    @cached_property
    def unreachable(self) -> tuple[str, ...]:
        """The VMs that are not `reachable`, sorted."""
        return tuple(sorted(name for name in self.pod_cidr_of if not self.reachable(name)))

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """The running VMs that are not `reachable` although their route was saved. A new one had none."""
        return tuple(name for name in self.unreachable if name in self.once_routed and self.node_of[name].running)

    @cached_property
    def once_routed(self) -> frozenset[str]:
        """The VMs with a saved route to their current pod CIDR."""
        cidrs = self.pod_cidr_of
        entries = ((entry.instance_name, entry.destination_cidr) for entry in self.saved_routes)
        return frozenset(name for name, destination in entries if cidrs.get(name) == destination)

    # What remains.

    @cached_property
    def without_alias(self) -> tuple[str, ...]:
        """The VMs that need their alias: running ones first, then by name."""
        missing = [name for name in self.pod_cidr_of if not self.alias_in_place(name)]
        return tuple(sorted(missing, key=lambda name: (not self.node_of[name].running, name)))

    @cached_property
    def live_routes(self) -> tuple[RouteFacts, ...]:
        """The cluster's routes whose VM exists and has the destination as pod CIDR, by instance name."""
        live = [route for route in self.routes if self.pod_cidr_of.get(route.instance) == route.destination]
        return tuple(sorted(live, key=lambda route: (route.instance, route.name)))

    @cached_property
    def unsaved(self) -> tuple[SavedRoute, ...]:
        """The cluster's routes that are not in the saved list yet, as entries of it."""
        saved = set(self.saved_routes)
        return tuple(dict.fromkeys(entry for entry in map(as_saved, self.routes) if entry not in saved))

    @property
    def begun(self) -> bool:
        """Whether a cut-over has changed something already, or cloud-controller-manager is stopped for one."""
        return bool(
            self.range_present or self.range_canary or self.saved_routes or self.all_holders or self.controller.gone
        )

    @property
    def finished(self) -> bool:
        """Whether nothing of the cut-over remains. A flag that a foreign route needs stays set."""
        ours = self.routes or self.drill_routes or self.decoys.present or self.saved_routes or self.left_over
        open_work = ours or self.without_alias or not self.range_present
        return not open_work and (not self.subnet.overlap_flag or bool(self.foreign_routes))

    @property
    def left_over(self) -> bool:
        """Whether a range canary or the range of a trial exists."""
        return bool(self.range_canary) or self.headroom_trial

    # What remains on the way back.

    @cached_property
    def to_route(self) -> Mapping[str, str]:
        """The CIDR for which each VM needs a route before its alias can be removed, by name."""
        held = {name: cidr for cidr, names in self.holders.items() if len(names) == 1 for name in names}
        return {**held, **self.pod_cidr_of}

    @cached_property
    def unrouted(self) -> tuple[str, ...]:
        """The VMs without a static route of the cluster, by name."""
        led = {(route.instance, route.destination) for route in self.routes}
        return tuple(sorted(name for name, cidr in self.to_route.items() if (name, cidr) not in led))

    @cached_property
    def all_holders(self) -> tuple[str, ...]:
        """The VMs that hold any alias in the pod range, by name."""
        return tuple(sorted({name for names in self.holders.values() for name in names}))

    @property
    def _on_alias_alone(self) -> tuple[str, ...]:
        """The VMs with their alias and without a route, by name."""
        return tuple(name for name in self.unrouted if name in self.pod_cidr_of and self.aliased(name))

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The VMs without a route whose aliases carry nothing (docs/reference/cut-over.md#k3).

        Empty unless the Node of each VM that has only its alias reports a network problem, which may not be due to a
        node that has just joined.
        """
        if self.unreachable or not self.subnet.overlap_flag:
            return ()
        bare = self._on_alias_alone
        if self.since_joined < (SETTLED if self.once_routed.issuperset(bare) else REPORT_OF_NEW_NODE):
            return ()
        return bare if self.with_network_problem.issuperset(bare) else ()

    @property
    def unserved(self) -> bool:
        """Whether every route exists and every Node reports a network problem: routes do not serve addresses inside the
        range (docs/reference/cut-over.md#r6)."""
        running = {name for name in self.pod_cidr_of if self.node_of[name].running}
        depending = self.range_present and self.subnet.overlap_flag and self.without_alias and not self.unrouted
        return bool(depending and len(running) > 1 and self.with_network_problem.issuperset(running))

    # One node on trial.

    @property
    def reports_are_ambiguous(self) -> bool:
        """Whether a network problem of a Node may be due to a node that joins: others do not reach it at first."""
        return bool(self.unreachable) or self.since_joined < SETTLED

    @property
    def canary(self) -> str:
        """The VM whose block is the range canary; empty without one."""
        return next((name for name, cidr in self.pod_cidr_of.items() if cidr == self.range_canary), "")

    @property
    def canary_unserved(self) -> bool:
        """Whether the Node of the range canary reports a network problem: its route does not serve addresses inside a
        range (docs/reference/cut-over.md#r6)."""
        return self.subnet.overlap_flag and self.canary in self.with_network_problem

    @property
    def on_trial(self) -> tuple[str, ...]:
        """The VMs whose pods depend on a fact that the cloud has not shown yet."""
        if self.canary:
            return (self.canary,)
        bare = self._on_alias_alone
        return bare if self.range_present and self.subnet.overlap_flag and len(bare) == 1 else ()

    # State of the run.

    def quiet_for(self, *aspects: Aspect) -> float:
        """Seconds since any of `aspects` was last observed to change."""
        return min(self.quiet.get(aspect, 0.0) for aspect in aspects)

    def with_changed(self, *aspects: Aspect) -> CutoverFacts:
        """These facts with `aspects` changed just now; gates that depend on one of them must pass again."""
        passed = {gate: seen for gate, seen in self.passed.items() if not set(seen) & set(aspects)}
        return replace(self, quiet={**self.quiet, **dict.fromkeys(aspects, 0.0)}, passed=passed)

    def same_as(self, other: CutoverFacts) -> bool:
        """Whether nothing that a step changes differs, run state included."""
        ours, theirs = ((each.passed, each.quiet, each.refused, each.since_joined) for each in (self, other))
        return ours == theirs and self == other

    def after(self, seconds: float) -> CutoverFacts:
        """These facts when nothing has changed for `seconds` more."""
        return self.with_runtime_state(quiet={aspect: self.quiet.get(aspect, 0.0) + seconds for aspect in ASPECTS})

    def with_runtime_state(
        self,
        *,
        quiet: Mapping[Aspect, float] | None = None,
        passed: Mapping[str, tuple[Aspect, ...]] | None = None,
        refused: frozenset[str] | None = None,
        since_joined: float | None = None,
    ) -> CutoverFacts:
        """The same facts with other run state. Keeps derived values, which take most of the planning time in a large
        cluster."""
        fresh = replace(
            self,
            quiet=self.quiet if quiet is None else quiet,
            passed=self.passed if passed is None else passed,
            refused=self.refused if refused is None else refused,
            since_joined=self.since_joined if since_joined is None else since_joined,
        )
        fresh.__dict__.update({name: value for name, value in self.__dict__.items() if name not in _FIELDS})
        return fresh


_FIELDS = frozenset(CutoverFacts.__dataclass_fields__)


def as_saved(route: RouteFacts) -> SavedRoute:
    """The entry of the saved list for `route`."""
    return SavedRoute(route.instance, route.destination, route.zone)
