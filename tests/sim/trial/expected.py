"""What a trial can find out about a simulated cloud."""

from __future__ import annotations

from collections.abc import Mapping

from dualstack.trial.document import Trial
from dualstack.trial.experiments.registry import EXPERIMENTS

API_ONLY = tuple(each.name for each in EXPERIMENTS if not each.traffic and not each.by_name)
QUICK = tuple(name for name in API_ONLY if name != "network-quota")
"""Without the one that takes hundreds of requests."""
NEED_FLAG = {"new-route-in-flagged-range", "clear-flag-over-routes"}
BY_REQUESTS = {
    "overlap-flag",
    "route-conflict",
    "network-quotas",
    "repeated-alias",
    "subnetwork-patch",
    "request-latency",
    "prefix-arrival",
}
BY_PACKETS = {"propagation", "address-manager-key", "interface-stack-type"}
SELDOM = "subnet-order"
"""A knob whose value shows only in some runs."""


def answers(trial: Trial) -> dict[str, str]:
    """The answer to each question by its id."""
    return {fact.id: fact.answer for fact in trial.facts}


def decidable(profile: Mapping[str, str]) -> set[str]:
    """The knobs that a whole trial finds on a cloud with these answers, without `SELDOM`."""
    found = BY_REQUESTS | BY_PACKETS
    if profile["interface-stack-type"] == "running":
        found |= {"ipv6-lease"}
    if profile["overlap-flag"] == "shown":
        found |= NEED_FLAG | {"unmatched-to-instances", "alias-over-route"}
        if profile["alias-over-route"] == "accept":
            found |= {"alias-matched"}
            if profile["unmatched-to-instances"] == profile["alias-matched"] == "yes":
                found |= {"established-flows"}
    return found
