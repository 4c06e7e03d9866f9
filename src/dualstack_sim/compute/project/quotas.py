"""Rate quotas in fixed one-minute windows, allocation limits, and request statistics.

Source: docs/reference/compute-engine.md#quotas.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from dualstack_sim.compute.api.errors import ApiError, Json
from dualstack_sim.rules import enforced

WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`requests_per_minute` applies to each rate group, except those in `by_group`. The rest are allocation quotas."""

    requests_per_minute: int = 1500
    by_group: dict[str, int] = field(default_factory=dict)
    static_routes_per_network: int = 200
    secondary_ranges_per_subnetwork: int = 170
    alias_ranges_per_interface: int = 150
    instances_per_network: int = 15_000
    """Network interfaces."""
    aliases_per_network: int = 15_000
    """Alias ranges of any size."""
    subnet_ranges_per_network: int = 300
    """Primary, secondary and IPv6 ranges together."""
    peerings_per_network: int = 25
    concurrent_operations: int = 4_000
    """Running operations: globally, and in each region with its zones."""
    concurrent_operations_by_type: dict[str, int] = field(default_factory=dict)
    """The same for single methods, such as `routes.insert`."""
    gpus: dict[str, int] = field(default_factory=dict)
    """GPUs by quota, such as NVIDIA_T4_GPUS in each region, or GPUS_ALL_REGIONS."""

    def gpu_limit(self, metric: str) -> int:
        """The limit of a quota of GPUs."""
        return self.gpus.get(metric, 128 if metric == ALL_GPUS else 32)


ALL_GPUS = "GPUS_ALL_REGIONS"
GPU_QUOTAS = (
    ALL_GPUS, "NVIDIA_A100_80GB_GPUS", "NVIDIA_A100_GPUS", "NVIDIA_L4_GPUS", "NVIDIA_P100_GPUS",
    "NVIDIA_P4_GPUS", "NVIDIA_T4_GPUS", "NVIDIA_V100_GPUS",
)  # fmt: skip
LIMITS = {
    "REQUESTS_PER_MINUTE": "requests_per_minute",
    "CONCURRENT_OPERATIONS": "concurrent_operations",
    "STATIC_ROUTES_PER_NETWORK": "static_routes_per_network",
    "SUBNET_RANGES_PER_NETWORK": "subnet_ranges_per_network",
    "INSTANCES_PER_NETWORK_GLOBAL": "instances_per_network",
    "ALIASES_PER_NETWORK_GLOBAL": "aliases_per_network",
    "PEERINGS_PER_NETWORK": "peerings_per_network",
}
"""Name of a quota -> field of `Limits`. REQUESTS_PER_MINUTE applies to every rate group without its own limit."""


def with_reduced_limit(limits: Limits, name: str, value: int) -> Limits:
    """`limits` with one of `LIMITS`, `GPU_QUOTAS` or `group_names()` reduced to `value`, if that is lower."""
    if name in GPU_QUOTAS:
        return replace(limits, gpus={**limits.gpus, name: min(value, limits.gpu_limit(name))})
    field_name = LIMITS.get(name)
    if field_name is None:
        present = limits.by_group.get(name, limits.requests_per_minute)
        return replace(limits, by_group={**limits.by_group, name: min(value, present)})
    return replace(limits, **{field_name: min(value, getattr(limits, field_name))})


@dataclass(frozen=True, slots=True)
class RateGroup:
    """A rate quota as error messages name it."""

    name: str
    metric: str
    limit: str


_GROUPS = {
    "read": ("ReadRequestsPerMinutePer", "Read requests", "Read requests per minute"),
    "list": ("ListRequestsPerMinutePer", "List requests", "List requests per minute"),
    "operation": ("OperationReadRequestsPerMinutePer", "Operation read requests", "Operation read requests per minute"),
    "heavy": (
        "HeavyWeightReadRequestsPerMinutePer",
        "Heavy-weight read requests",
        "Heavy-weight read requests per minute",
    ),
    "default": ("QueriesPerMinutePer", "Queries", "Queries per minute"),
}

_NAMES = {"QueriesPerMinutePerProject": "defaultPerMinutePerProject"}
"""The group whose name differs from the pattern (docs/reference/compute-engine.md#rate-groups)."""


def group_names() -> list[str]:
    """Every rate group, of the project and of a region, as error messages name it."""
    names = (f"{name}{place}" for name, _, _ in _GROUPS.values() for place in ("Project", "Region"))
    return sorted(_NAMES.get(name, name) for name in names)


def group_of(method: str, scope: str) -> RateGroup:
    """The rate group of a method (docs/reference/compute-engine.md#rate-groups)."""
    collection, _, verb = method.partition(".")
    if verb in ("aggregatedList", "wait"):
        kind = "heavy"
    elif verb.startswith("get"):
        kind = "operation" if collection.endswith("Operations") else "read"
    elif verb.startswith("list"):
        kind = "list"
    else:
        kind = "default"
    if not enforced("quotas.groups"):
        kind = "default"
    name, metric, limit = _GROUPS[kind]
    place = "Region" if scope.startswith(("regions/", "zones/")) else "Project"
    return RateGroup(_NAMES.get(f"{name}{place}", f"{name}{place}"), metric, f"{limit} per {place.lower()}")


class RateMeter:
    """Counts requests per group and window; windows start at full minutes of simulated time.

    Source: docs/reference/compute-engine.md#rate-windows.
    """

    def __init__(self, project_number: str) -> None:
        self._consumer = f"project_number:{project_number}"
        self._window = -1
        self._counts: Counter[tuple[str, str]] = Counter()

    def charge(self, method: str, scope: str, region: str, now: float, limits: Limits) -> None:
        """Count one request; 403 rateLimitExceeded when the window of the group is used up."""
        window = int(now // WINDOW)
        if window != self._window and (self._window < 0 or enforced("quotas.fixed-windows")):
            self._window = window
            self._counts.clear()
        group = group_of(method, scope)
        limit = limits.by_group.get(group.name, limits.requests_per_minute)
        place = region if group.name.endswith("Region") else ""
        if self._counts[group.name, place] >= limit and enforced("quotas.requests-per-minute"):
            raise self._exceeded(group, limit, place)
        self._counts[group.name, place] += 1

    def _exceeded(self, group: RateGroup, limit: int, place: str) -> ApiError:
        message = (
            f"Quota exceeded for quota metric '{group.metric}' and limit '{group.limit}' of service "
            f"'compute.googleapis.com' for consumer '{self._consumer}'."
        )
        detail: Json = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "RATE_LIMIT_EXCEEDED",
            "domain": "googleapis.com",
            "metadata": {
                "consumer": self._consumer.replace("project_number:", "projects/"),
                "quota_limit": group.name,
                "quota_limit_value": str(limit),
                "quota_location": place or "global",
                "quota_metric": f"compute.googleapis.com/{group.metric.lower().replace(' ', '_').replace('-', '_')}",
                "service": "compute.googleapis.com",
            },
        }
        return ApiError(
            403, "rateLimitExceeded", message, domain="usageLimits", rpc_status="PERMISSION_DENIED", details=(detail,)
        )


def concurrency_exceeded(number: str, place: str) -> ApiError:
    """403 for too many concurrent operations in `place`, `global` or a region.

    Source: docs/reference/compute-engine.md#concurrent-operations.
    """
    detail: Json = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        "domain": "compute.googleapis.com",
        "metadatas": {"containerType": "PROJECT", "containerId": number, "location": place},
    }
    return ApiError(
        403,
        "rateLimitExceeded",
        "Rate Limit Exceeded",
        domain="usageLimits",
        rpc_status="PERMISSION_DENIED",
        details=(detail,),
    )


_READS = ("get", "list", "aggregatedList", "wait", "testIamPermissions")
"""Prefixes of the verbs of methods that only read, such as `getRouterStatus`."""


class Statistics:
    """Counts of requests by caller since the start or the last `reset`."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()
        self._rate_limited: Counter[str] = Counter()
        self._windows: Counter[tuple[str, str, int]] = Counter()

    def count(self, caller: str, method: str, scope: str, now: float) -> None:
        """Count one call; `caller` is its User-Agent."""
        self._calls[caller, method] += 1
        self._windows[caller, group_of(method, scope).name, int(now // WINDOW)] += 1

    def count_rate_limited(self, caller: str) -> None:
        """Count one call that a rate quota refused."""
        self._rate_limited[caller] += 1

    def reset(self) -> None:
        """Reset all counts to zero."""
        self._calls.clear()
        self._rate_limited.clear()
        self._windows.clear()

    def document(self, caller: str = "") -> Json:
        """`{"calls", "mutations", "byMethod", "rateLimited", "peaks"}`, of User-Agents that start with `caller`.

        Deleting a finished operation does not count as a mutation. peaks: the most calls of one window, by rate group.
        """
        windows: Counter[tuple[str, int]] = Counter()
        for (agent, group, window), number in self._windows.items():
            if agent.startswith(caller):
                windows[group, window] += number
        peaks: dict[str, int] = {}
        for (group, _), number in sorted(windows.items()):
            peaks[group] = max(number, peaks.get(group, 0))
        by_method: Counter[str] = Counter()
        for (agent, method), number in self._calls.items():
            if agent.startswith(caller):
                by_method[method] += number
        mutations = sum(
            number
            for method, number in by_method.items()
            if not method.rpartition(".")[2].startswith(_READS) and not method.endswith("Operations.delete")
        )
        return {
            "calls": by_method.total(),
            "mutations": mutations,
            "byMethod": dict(sorted(by_method.items())),
            "rateLimited": sum(n for agent, n in self._rate_limited.items() if agent.startswith(caller)),
            "peaks": peaks,
        }
