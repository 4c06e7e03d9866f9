"""The product's own annotations: which there are on which object, and what is wrong with those of an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from dualstack.gardener.model.names import (
    CUT_OVER,
    DECOYS,
    DRILL,
    ENABLED,
    INTERNAL_SUBNET,
    OVERLAP_UNSUPPORTED,
    PREPARE,
    STRATEGY,
)
from dualstack.plan.strategies import AUTO, STRATEGIES, UPSTREAM_HINT

PREFIX = "dualstack.dev/"
BACK = "back"
IPV4 = "ipv4"
"""The value of the annotation that keeps the internal subnet without IPv6."""

_SHOOT: dict[str, tuple[str, ...]] = {
    ENABLED: ("true", "false"),
    STRATEGY: (*STRATEGIES, AUTO),
    DRILL: ("true", "false"),
    DECOYS: ("true", "false"),
    PREPARE: ("true", "false"),
    CUT_OVER: (BACK,),
    INTERNAL_SUBNET: (IPV4,),
}
"""Annotations of a Shoot with their values."""
_INFRASTRUCTURE = (OVERLAP_UNSUPPORTED,)
"""Annotations of an Infrastructure, which the product writes itself."""


def own(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those of the annotations that are the product's, known or not, whatever the case of the prefix."""
    return {name: value for name, value in annotations.items() if name.lower().startswith(PREFIX)}


def shoot_faults(annotations: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the product's annotations of a Shoot: unknown names, and values that have no effect."""
    for name, value in own(annotations).items():
        field = f"metadata.annotations[{name}]"
        if name in _INFRASTRUCTURE:
            yield f"{field}: Forbidden: it belongs to the Infrastructure, where the operator writes it"
        elif name not in _SHOOT:
            yield f"{field}: Unsupported value: no such annotation; {_nearest(name)}"
        elif value not in _SHOOT[name]:
            allowed = ", ".join(f'"{each}"' for each in _SHOOT[name])
            hint = f"; {UPSTREAM_HINT}" if (name, value) == (STRATEGY, "gardener") else ""
            yield f'{field}: Unsupported value: "{value}": supported values: {allowed}{hint}'


def infrastructure_faults(name: str, annotations: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the product's annotations of the Infrastructure `name`."""
    for annotation, value in own(annotations).items():
        field = f"Infrastructure {name}: metadata.annotations[{annotation}]"
        if annotation == ENABLED:
            if value not in _SHOOT[ENABLED]:
                yield f'{field}: Unsupported value: "{value}": supported values: "true", "false"'
        elif annotation in _SHOOT:
            yield f"{field}: Forbidden: it has no effect here; set it on the Shoot"
        elif annotation not in _INFRASTRUCTURE:
            yield f"{field}: Unsupported value: no such annotation; {_nearest(annotation)}"


def _nearest(name: str) -> str:
    known = {each.removeprefix(PREFIX): each for each in (*_SHOOT, *_INFRASTRUCTURE)}
    close = get_close_matches(name[len(PREFIX) :].lower(), known, n=1)
    return f"did you mean {known[close[0]]}?" if close else f"supported annotations: {', '.join(_SHOOT)}"


def no_way_to_routes(*, dual_stack: bool, published: bool) -> str | None:
    """Why the annotation `cut-over: back` cannot lead back to routes, and what to do; None where it can.

    dual_stack: the spec has both families. published: the Infrastructure shows two node ranges.
    """
    if published and dual_stack:
        return (
            "the infrastructure is dual-stack and other components depend on it; to return to IPv4, set "
            "spec.networking.ipFamilies to [IPv4]; pods keep their alias ranges"
        )
    if published:
        return (
            "the cluster has returned to IPv4 and pods keep their alias ranges: while the status shows two node "
            "ranges, Gardener gives new machines an alias and runs cloud-controller-manager without its route "
            "controller, so routes would not exist for new nodes (docs/reference/gardener.md#return-to-ipv4); remove "
            "the annotation"
        )
    return None if dual_stack else "no cut-over runs, because the Shoot is IPv4-only; remove the annotation"
