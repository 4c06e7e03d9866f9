"""The changes that a resource needs: current resources compared with desired bodies by meaning.

An omitted default, another order, and another spelling of a link or an IPv6 range are not differences. What users added
(secondary ranges, NATs) stays (docs/reference/weaknesses.md#w29).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.gardener.controllers.infrastructure.desired import Body, Desired
from dualstack.gce.resources import DUAL_STACK, same_resource
from dualstack.model import cidr

Current = Mapping[str, Any]

_PROTOCOLS = {"icmpv6": "58", "ipv6-icmp": "58"}
_NAT_DEFAULTS: Body = {
    "minPortsPerVm": 64,
    "maxPortsPerVm": 65536,
    "enableDynamicPortAllocation": False,
    "enableEndpointIndependentMapping": False,
    "icmpIdleTimeoutSec": 30,
    "tcpEstablishedIdleTimeoutSec": 1200,
    "tcpTimeWaitTimeoutSec": 120,
    "tcpTransitoryIdleTimeoutSec": 30,
    "udpIdleTimeoutSec": 30,
}
"""The API's defaults of absent fields; `maxPortsPerVm` counts only with dynamic allocation."""
_LOG_DEFAULTS: Body = {"aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 0.5, "metadata": "EXCLUDE_ALL_METADATA"}


@dataclass(frozen=True, slots=True)
class SubnetChange:
    """One request on an existing subnet. A PATCH needs the current fingerprint."""

    what: str
    """`range`, `flow-logs` or `stack-type`."""
    body: Body
    expand: bool = False
    """POST expandIpCidrRange instead of PATCH."""


def network_change(current: Current, desired: Desired) -> Body | None:
    """The PATCH that a managed VPC needs, or None."""
    mode = (current.get("routingConfig") or {}).get("routingMode", "REGIONAL")
    return None if mode == "REGIONAL" else {"routingConfig": desired.network()["routingConfig"]}


def nodes_subnet_changes(current: Current, desired: Desired) -> list[SubnetChange]:
    """One request for each differing aspect, in Gardener's order (docs/reference/gardener.md#subnet-update-order).

    The secondary range is not compared: the cut-over creates it, and it stays in an IPv4-only Shoot.
    """
    changes: list[SubnetChange] = []
    wanted = desired.config.workers
    if not cidr.same(current["ipCidrRange"], wanted):
        changes.append(SubnetChange("range", {"ipCidrRange": wanted}, expand=True))
    logs = desired.flow_logs()
    if _flow_logs_differ(current, logs):
        changes.append(SubnetChange("flow-logs", {"logConfig": logs or {"enable": False}}))
    return changes + (stack_type_changes(current) if desired.dual else [])


def stack_type_changes(current: Current) -> list[SubnetChange]:
    """The change that makes the subnet dual-stack; a subnet never becomes IPv4-only again."""
    if current.get("stackType") == "IPV4_IPV6":
        return []
    return [SubnetChange("stack-type", dict(DUAL_STACK))]


def nats_change(router: Current, wanted: Body) -> Body | None:
    """The PATCH of the router that sets the cluster's NAT and keeps all others, or None."""
    nats = list(router.get("nats") or ())
    at = next((index for index, nat in enumerate(nats) if nat.get("name") == wanted["name"]), None)
    if at is None:
        return {"nats": [*nats, wanted]}
    if not _nat_differs(nats[at], wanted):
        return None
    # A list is replaced as a whole, so the fields that Gardener does not set must be sent again.
    kept = {key: value for key, value in nats[at].items() if key != "natIps"}
    return {"nats": [*nats[:at], {**kept, **wanted}, *nats[at + 1 :]]}


def firewall_change(current: Current, wanted: Body) -> Body | None:
    """The PATCH that a rule needs, or None."""
    same = (
        _allowed(current) == _allowed(wanted)
        and _ranges(current) == _ranges(wanted)
        and current.get("direction", "INGRESS") == wanted["direction"]
        and current.get("priority", 1000) == wanted["priority"]
        and bool(current.get("disabled")) == wanted["disabled"]
    )
    return None if same else wanted


def _flow_logs_differ(current: Current, wanted: Body | None) -> bool:
    logs: Mapping[str, Any] = current.get("logConfig") or {}
    enabled = bool(logs.get("enable", current.get("enableFlowLogs")))
    if wanted is None or not enabled:
        return enabled != (wanted is not None)
    # The cloud returns flowSampling in single precision.
    return any(
        abs(float(logs.get(field, default)) - float(wanted[field])) > 1e-6
        if field == "flowSampling"
        else logs.get(field, default) != wanted[field]
        for field, default in _LOG_DEFAULTS.items()
    )


def _nat_differs(current: Current, wanted: Body) -> bool:
    for field, default in _NAT_DEFAULTS.items():
        if field == "maxPortsPerVm" and not wanted["enableDynamicPortAllocation"]:
            continue
        if current.get(field, default) != wanted[field]:
            return True
    plain = ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat")
    logs = current.get("logConfig") or {}
    return (
        any(current.get(field) != wanted[field] for field in plain)
        or not _same_links(current.get("natIps") or (), wanted.get("natIps") or ())
        or _sources(current) != _sources(wanted)
        or {"enable": bool(logs.get("enable")), "filter": logs.get("filter", "ALL")} != wanted["logConfig"]
    )


def _same_links(left: Iterable[str], right: Iterable[str]) -> bool:
    first, second = sorted(map(_partial, left)), sorted(map(_partial, right))
    return len(first) == len(second) and all(map(same_resource, first, second))


def _sources(nat: Current) -> set[tuple[str, frozenset[str]]]:
    return {
        (_partial(entry["name"]), frozenset(entry.get("sourceIpRangesToNat") or ()))
        for entry in nat.get("subnetworks") or ()
    }


def _partial(link: str) -> str:
    """The link without host and API version."""
    _, found, rest = link.partition("/projects/")
    return rest if found else link.removeprefix("projects/")


def _allowed(rule: Current) -> set[tuple[str, frozenset[str]]]:
    return {
        (_protocol(str(entry.get("IPProtocol", ""))), frozenset(entry.get("ports") or ()))
        for entry in rule.get("allowed") or ()
    }


def _protocol(name: str) -> str:
    return _PROTOCOLS.get(name.lower(), name.lower())


def _ranges(rule: Current) -> set[str]:
    return {cidr.canonical(text) for text in rule.get("sourceRanges") or ()}
