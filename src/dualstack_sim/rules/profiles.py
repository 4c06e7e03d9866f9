"""What no document settles about Google Cloud, as knobs by name, and named settings of all of them.

The knobs K1 to K5 are those of cutover.md 11; the others are open points of both references (cutover.md 12,
compute-api.md 11). Each is known by its number, if it has one, and by a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from dualstack.model.errors import InvalidInput
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile
from dualstack_sim.world.gardener.knobs import Garden

LAGS: Mapping[str, LagProfile] = {
    "prompt": LagProfile.fixed(0.5),
    "usual": LagProfile(),
    "slow": LagProfile(*[(0.0, 60.0)] * 5),
}
"""How long hosts take to see a change: the figures of compute-api.md 10, and the 0 to 60 s of cutover.md 11."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One open question: `settings` maps the word for each answer to what it means in the code."""

    name: str
    question: str
    part: Literal["compute", "fabric", "lag", "garden"]
    field: str
    settings: Mapping[str, Any]
    number: str = ""

    def named(self) -> str:
        return f"{self.number} {self.name}".strip()


KNOBS = (
    Knob(
        "new-route-in-flagged-range",
        "May a route be made inside a range of a subnet with the overlap flag? (cutover.md E5)",
        "compute",
        "new_route_in_flagged_range",
        {"deny": "deny", "allow": "allow"},
        "K1",
    ),
    Knob(
        "clear-flag-over-routes",
        "May the overlap flag be cleared over routes that conflict? (cutover.md E6)",
        "compute",
        "clear_flag_over_routes",
        {"refuse": "refuse", "accept": "accept"},
        "K2",
    ),
    Knob(
        "alias-matched",
        "Is an alias range a matched resource of a hybrid subnet? (cutover.md E9)",
        "fabric",
        "alias_matched",
        {"yes": True, "no": False},
        "K3",
    ),
    Knob(
        "subnet-order",
        "Does a host see the changes of one subnet in their order? (cutover.md E10)",
        "fabric",
        "subnet_order",
        {"reordered": "reordered", "fifo": "fifo"},
        "K4",
    ),
    Knob(
        "overlap-flag",
        "Does v1 know allowSubnetCidrRoutesOverlap? (cutover.md E12)",
        "compute",
        "overlap_flag",
        {"shown": "shown", "hidden": "hidden"},
        "K5",
    ),
    Knob(
        "unmatched-to-instances",
        "Do static routes to instances serve what no resource has in a hybrid subnet? (compute-api.md 11.2)",
        "fabric",
        "unmatched_to_instances",
        {"yes": True, "no": False},
    ),
    Knob(
        "hybrid-limits",
        "Does the API enforce 130 instances and 300 routes in a network with a hybrid subnet? (compute-api.md 11.2)",
        "compute",
        "hybrid_limits",
        {"advice": "advice", "enforced": "enforced"},
    ),
    Knob(
        "beyond-hybrid-limits",
        "What of a network with more than is advised beside hybrid subnets? (cutover.md R16, E14)",
        "fabric",
        "beyond_limits",
        {"unstable": "unstable", "works": "works"},
    ),
    Knob(
        "route-conflict",
        "Where does a route that hides a range fail? (compute-api.md 6.2; cutover.md E4)",
        "compute",
        "route_conflict",
        {"operation": "operation", "request": "request"},
    ),
    Knob(
        "network-quotas",
        "Where does a route, range, VM or alias beyond a quota of its network fail? (compute-api.md 11.5)",
        "compute",
        "network_quotas",
        {"operation": "operation", "request": "request"},
    ),
    Knob(
        "propagation",
        "How long until every host sees a change? (compute-api.md 10, 11.7)",
        "lag",
        "lag",
        LAGS,
    ),
    Knob(
        "ipv6-mask",
        "May nodeCIDRMaskSizeIPv6 leave a Shoot together with IPv6? (not in the version of gardener-behaviour.md 1.3)",
        "garden",
        "mask_may_leave",
        {"stays": False, "may-leave": True},
    ),
)
_BY_NAME = {name: knob for knob in KNOBS for name in (knob.name, knob.number) if name}

_DOCUMENTED = {
    "new-route-in-flagged-range": "deny",
    "clear-flag-over-routes": "refuse",
    "alias-matched": "yes",
    "subnet-order": "reordered",
    "overlap-flag": "shown",
    "unmatched-to-instances": "yes",
    "hybrid-limits": "advice",
    "beyond-hybrid-limits": "unstable",
    "route-conflict": "operation",
    "network-quotas": "operation",
    "propagation": "usual",
    "ipv6-mask": "stays",
}
PROFILES: Mapping[str, Mapping[str, str]] = {
    "documented": _DOCUMENTED,
    "pessimistic": {
        **_DOCUMENTED,
        "alias-matched": "no",
        "overlap-flag": "hidden",
        "unmatched-to-instances": "no",
        "hybrid-limits": "enforced",
        "propagation": "slow",
    },
    "optimistic": {
        **_DOCUMENTED,
        "new-route-in-flagged-range": "allow",
        "clear-flag-over-routes": "accept",
        "subnet-order": "fifo",
        "beyond-hybrid-limits": "works",
        "route-conflict": "request",
        "network-quotas": "request",
        "propagation": "prompt",
        "ipv6-mask": "may-leave",
    },
}
"""`documented`: what the documents say, and where they contradict each other the reading that costs us more.
`pessimistic`: every open question answered against us. `optimistic`: every one in our favour."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One answer to every open question. `name` tells the profile and the knobs that differ from it."""

    name: str
    answers: Mapping[str, str]
    knobs: Knobs
    fabric: FabricKnobs
    lag: LagProfile
    garden: Garden


def choose(profile: str = "documented", changes: tuple[str, ...] = ()) -> Profile:
    """The profile with single knobs changed, each written `NAME=VALUE`; InvalidInput for what does not exist."""
    if profile not in PROFILES:
        raise InvalidInput(f"--profile {profile}: there is no such profile; there are {', '.join(PROFILES)}")
    answers = dict(PROFILES[profile])
    for change in changes:
        knob, value = _read(change)
        answers[knob.name] = value
    parts: dict[str, dict[str, Any]] = {"compute": {}, "fabric": {}, "lag": {}, "garden": {}}
    for knob in KNOBS:
        parts[knob.part][knob.field] = knob.settings[answers[knob.name]]
    differing = [f"{name}={value}" for name, value in answers.items() if PROFILES[profile][name] != value]
    return Profile(
        name=" with ".join([profile, *([", ".join(differing)] if differing else [])]),
        answers=answers,
        knobs=replace(Knobs(), **parts["compute"]),
        fabric=replace(FabricKnobs(), **parts["fabric"]),
        lag=parts["lag"]["lag"],
        garden=Garden(**parts["garden"]),
    )


def _read(change: str) -> tuple[Knob, str]:
    name, equals, value = change.partition("=")
    knob = _BY_NAME.get(name)
    if knob is None or not equals:
        names = ", ".join(knob.named() for knob in KNOBS)
        raise InvalidInput(f"--knob {change}: is not NAME=VALUE with one of the names {names}")
    if value not in knob.settings:
        raise InvalidInput(f"--knob {change}: {knob.name} is one of {', '.join(knob.settings)}: {knob.question}")
    return knob, value
