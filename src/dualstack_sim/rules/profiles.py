"""Knobs for the open questions about Google Cloud, and profiles that set all of them.

Each knob has a name, some also a number; both are documented (docs/reference/cut-over.md#knobs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dualstack.model.errors import InvalidInput
from dualstack.trial.measurements import Measurements, read_measurements
from dualstack_sim.compute.project.knobs import Knobs
from dualstack_sim.compute.project.latency import OBSERVED_REQUESTS, LatencyProfile
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile
from dualstack_sim.rules.registry import Rule
from dualstack_sim.world.gardener.knobs import Garden

LAGS: Mapping[str, LagProfile] = {
    "prompt": LagProfile.fixed(0.5),
    "usual": LagProfile(),
    "slow": LagProfile(*[(0.0, 60.0)] * 5),
}
"""How long hosts take to see a change (docs/reference/compute-engine.md#propagation-figures)."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One open question: `settings` maps each answer to its value in the code."""

    name: str
    question: str
    part: Literal["compute", "fabric", "lag", "latency", "garden"]
    field: str
    settings: Mapping[str, Any]
    number: str = ""

    def label(self) -> str:
        """The number, if there is one, and the name."""
        return f"{self.number} {self.name}".strip()

    @property
    def source(self) -> str:
        """Where the question is documented."""
        return f"docs/reference/cut-over.md#{(self.number or self.name).lower()}"


KNOBS = (
    Knob(
        "new-route-in-flagged-range",
        "May a route be created inside a range of a subnet with the overlap flag?",
        "compute",
        "new_route_in_flagged_range",
        {"deny": "deny", "allow": "allow"},
        "K1",
    ),
    Knob(
        "clear-flag-over-routes",
        "May the overlap flag be cleared over routes that conflict?",
        "compute",
        "clear_flag_over_routes",
        {"refuse": "refuse", "accept": "accept"},
        "K2",
    ),
    Knob(
        "alias-matched",
        "Is an alias range a matched resource of a hybrid subnet?",
        "fabric",
        "alias_matched",
        {"yes": True, "no": False},
        "K3",
    ),
    Knob(
        "subnet-order",
        "Does a host see the changes of one subnet in order?",
        "fabric",
        "subnet_order",
        {"reordered": "reordered", "fifo": "fifo"},
        "K4",
    ),
    Knob(
        "overlap-flag",
        "Does v1 know allowSubnetCidrRoutesOverlap?",
        "compute",
        "overlap_flag",
        {"shown": "shown", "hidden": "hidden"},
        "K5",
    ),
    Knob(
        "unmatched-to-instances",
        "Do static routes to instances serve the unused addresses of a hybrid subnet?",
        "fabric",
        "unmatched_to_instances",
        {"yes": True, "no": False},
    ),
    Knob(
        "hybrid-limits",
        "Does the API enforce 130 instances and 300 routes in a network with a hybrid subnet?",
        "compute",
        "hybrid_limits",
        {"advice": "advice", "enforced": "enforced"},
    ),
    Knob(
        "beyond-hybrid-limits",
        "How does traffic behave in a network above the limits of hybrid subnets?",
        "fabric",
        "beyond_limits",
        {"unstable": "unstable", "works": "works"},
    ),
    Knob(
        "route-conflict",
        "Does a route that hides a range fail in the request or in the operation?",
        "compute",
        "route_conflict",
        {"operation": "operation", "request": "request"},
    ),
    Knob(
        "network-quotas",
        "Does a resource beyond a quota of its network fail in the request or in the operation?",
        "compute",
        "network_quotas",
        {"operation": "operation", "request": "request"},
    ),
    Knob(
        "repeated-alias",
        "What becomes of an alias range that one list names twice?",
        "compute",
        "repeated_alias",
        {"collapsed": "collapsed", "operation": "operation", "request": "request"},
    ),
    Knob(
        "subnetwork-patch",
        "May one patch of a subnet change overlap flag, stack type and private IPv6 access together?",
        "compute",
        "subnetwork_patch",
        {"grouped": "grouped", "single": "single"},
    ),
    Knob(
        "alias-over-route",
        "May an interface get an alias range to which a static route leads?",
        "compute",
        "alias_over_route",
        {"accept": "accept", "refuse": "refuse"},
    ),
    Knob(
        "interface-stack-type",
        "May the stack type of an interface change while its VM runs?",
        "compute",
        "interface_stack_type",
        {"running": "running", "stopped": "stopped"},
    ),
    Knob(
        "ipv6-lease",
        "When does a VM whose interface becomes dual-stack have its IPv6 address?",
        "fabric",
        "ipv6_lease",
        {"at-once": "at-once", "reboot": "reboot"},
    ),
    Knob(
        "established-flows",
        "Do established connections survive that the path of their packets changes?",
        "fabric",
        "established_flows",
        {"move": "move", "break": "break"},
    ),
    Knob(
        "address-manager-key",
        "Does the metadata key disable-address-manager stop the guest agent?",
        "fabric",
        "address_manager_key",
        {"obeyed": "obeyed", "ignored": "ignored"},
    ),
    Knob(
        "prefix-arrival",
        "How long after its operation does a dual-stack subnet have its IPv6 prefix?",
        "latency",
        "ipv6_prefix",
        {"prompt": (0.0, 1.0), "usual": (2.0, 18.0), "slow": (20.0, 120.0)},
    ),
    Knob(
        "propagation",
        "How long until every host sees a change?",
        "lag",
        "lag",
        LAGS,
    ),
    Knob(
        "request-latency",
        "How long does the API take to answer a request?",
        "latency",
        "requests",
        {
            "none": {},
            "observed": OBSERVED_REQUESTS,
            "slow": {kind: 5 * seconds for kind, seconds in OBSERVED_REQUESTS.items()},
        },
    ),
    Knob(
        "guest-agent",
        "Does the guest agent of nodes handle alias ranges (ip_aliases = true)?",
        "garden",
        "guest_agent",
        {"off": False, "on": True},
    ),
    Knob(
        "ipv6-mask",
        "May nodeCIDRMaskSizeIPv6 be removed from a Shoot together with IPv6?",
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
    "repeated-alias": "collapsed",
    "subnetwork-patch": "grouped",
    "alias-over-route": "accept",
    "interface-stack-type": "running",
    "ipv6-lease": "at-once",
    "established-flows": "move",
    "address-manager-key": "obeyed",
    "prefix-arrival": "usual",
    "propagation": "usual",
    "request-latency": "observed",
    "guest-agent": "off",
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
        "repeated-alias": "request",
        "subnetwork-patch": "single",
        "alias-over-route": "refuse",
        "interface-stack-type": "stopped",
        "ipv6-lease": "reboot",
        "established-flows": "break",
        "address-manager-key": "ignored",
        "prefix-arrival": "slow",
        "request-latency": "slow",
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
        "prefix-arrival": "prompt",
        "propagation": "prompt",
        "request-latency": "none",
        "ipv6-mask": "may-leave",
    },
}
"""`documented`: what Google documents; where documents contradict each other, the less favourable reading.
`pessimistic`: every open question answered unfavourably. `optimistic`: every one answered favourably."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One answer to every open question. `name` is the profile with the knobs that differ from it.

    measured: for each knob that a trial has measured, when and where.
    """

    name: str
    answers: Mapping[str, str]
    knobs: Knobs
    fabric: FabricKnobs
    lag: LagProfile
    latency: LatencyProfile
    garden: Garden
    measured: Mapping[str, str] = field(default_factory=dict)


def choose(profile: str = "documented", changes: tuple[str, ...] = ()) -> Profile:
    """The profile with single knobs changed, each `NAME=VALUE`; raises InvalidInput for unknown names and values.

    profile: a name, or the path of a document of `dualstack trial`, which answers what it has measured; the profile
    `documented` answers the rest.
    """
    if profile in PROFILES:
        name, base, trial = profile, PROFILES[profile], ""
    else:
        found = measurements(profile)
        name = trial = found.describe()
        base = {**_DOCUMENTED, **found.answers}
    answers = dict(base)
    for change in changes:
        knob, value = _read(change)
        answers[knob.name] = value
    measured = {name: trial for name in (found.answers if trial else ()) if answers[name] == base[name]}
    parts: dict[str, dict[str, Any]] = {"compute": {}, "fabric": {}, "lag": {}, "latency": {}, "garden": {}}
    for knob in KNOBS:
        parts[knob.part][knob.field] = knob.settings[answers[knob.name]]
    differing = [f"{knob}={value}" for knob, value in answers.items() if base[knob] != value]
    return Profile(
        name=" with ".join([name, *([", ".join(differing)] if differing else [])]),
        answers=answers,
        knobs=replace(Knobs(), **parts["compute"]),
        fabric=replace(FabricKnobs(), **parts["fabric"]),
        lag=parts["lag"]["lag"],
        latency=LatencyProfile(**parts["latency"]),
        garden=Garden(**parts["garden"]),
        measured=measured,
    )


def measurements(path: str) -> Measurements:
    """What a trial has measured, with each knob and value known here. Raises InvalidInput."""
    if not Path(path).is_file():
        raise InvalidInput(
            f"--profile {path}: must be one of {', '.join(PROFILES)}, or a file that `dualstack trial` has written"
        )
    found = read_measurements(Path(path))
    for name, value in found.answers.items():
        knob = next((each for each in KNOBS if each.name == name), None)
        if knob is None:
            raise InvalidInput(
                f"{path}: {name}={value}: this version of dualstack has no such knob; rehearse with the version that "
                f"wrote the document, {found.version}, or a newer one"
            )
        if value not in knob.settings:
            raise InvalidInput(f"{path}: {name}={value}: must be one of {', '.join(knob.settings)} ({knob.source})")
    return found


def knob_of(rule: Rule) -> str:
    """The name of the knob that decides whether a rule holds; "" for none."""
    return next((knob.name for knob in KNOBS if knob.number and f"(knob {knob.number})" in rule.statement), "")


def _read(change: str) -> tuple[Knob, str]:
    name, equals, value = change.partition("=")
    knob = _BY_NAME.get(name)
    if knob is None or not equals:
        names = ", ".join(knob.label() for knob in KNOBS)
        raise InvalidInput(f"--knob {change}: must be NAME=VALUE, where NAME is one of {names}")
    if value not in knob.settings:
        allowed = ", ".join(knob.settings)
        raise InvalidInput(f"--knob {change}: {knob.name} must be one of {allowed}. {knob.question} ({knob.source})")
    return knob, value
