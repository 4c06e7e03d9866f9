"""Words that several commands show."""

from __future__ import annotations

from dualstack.model.events import (
    AnyEvent,
    Notice,
    OutageExpected,
    OutageMeasured,
    PropagationMeasured,
    StrategyChosen,
)


def duration(seconds: float) -> str:
    """`seconds` in words: 12 s, 3 min 05 s, 1 h 02 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def announced(event: AnyEvent) -> str | None:
    """The sentence of a notice, or of an event about the strategy or the outage; None for other events."""
    match event:
        case StrategyChosen(strategy=strategy, reason=reason):
            return f"strategy {strategy}: {reason}"
        case OutageExpected(detail=detail):
            return detail
        case OutageMeasured(detail=detail) | PropagationMeasured(detail=detail):
            return f"Measured: {detail}"
        case Notice(detail=detail):
            return f"Note: {detail}"
        case _:
            return None
