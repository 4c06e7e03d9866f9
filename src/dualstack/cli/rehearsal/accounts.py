"""What the simulated world accounted, with its times in seconds since the trigger, to the millisecond."""

from __future__ import annotations

from typing import Any


def faults_since(account: dict[str, Any], origin: float) -> dict[str, Any]:
    """The account of injected faults."""
    return {**account, "fired": [_since(origin, fault, "at") for fault in account["fired"]]}


def traffic_since(traffic: dict[str, Any], origin: float) -> dict[str, Any]:
    """The account of traffic: blackout, broken pairs; for `traffic.*` of the result."""

    def seconds(value: Any) -> Any:
        return round(value, 3) if isinstance(value, float) else value

    account: dict[str, Any] = {key: value for key, value in traffic.items() if key not in {"at", "markedAt"}}
    for family in (account, account["ipv6"]):
        family["blackoutSeconds"] = {key: seconds(value) for key, value in family["blackoutSeconds"].items()}
    account["brokenPairs"] = [
        {key: seconds(value) for key, value in _since(origin, pair, "since").items()} for pair in account["brokenPairs"]
    ]
    return account


def _since(origin: float, entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {**entry, key: round(entry[key] - origin, 3)}
