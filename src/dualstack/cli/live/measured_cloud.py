"""`--profile` of commands for a live cluster: what a trial has measured, against what a strategy assumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dualstack.model.errors import InvalidInput
from dualstack.plan.assumptions import contradictions
from dualstack.trial.measurements import Measurements, read_measurements


def measurements_of(profile: Path | None) -> Measurements | None:
    """The document of the option, if it was given. InvalidInput for another file."""
    return None if profile is None else read_measurements(profile)


def contradicted(measured: Measurements | None, strategy: str, *, gardener: bool = False) -> str:
    """Why the strategy must not be chosen, as a clause; empty if nothing that was measured contradicts it."""
    found = (
        contradictions(strategy, measured.answers, measured.longest, gardener=gardener) if measured is not None else ()
    )
    return f"{strategy} assumes that {'; and that '.join(found)}, {measured.describe()}" if measured and found else ""


def say_risks(measured: Measurements | None, say: Callable[[str], None]) -> None:
    """Name what no strategy avoids in the measured cloud, before the user confirms."""
    for risk in measured.risks if measured is not None else ():
        say(f"{risk[0].upper()}{risk[1:]}.")


def refuse_contradicted(measured: Measurements | None, strategy: str, *, gardener: bool = False) -> None:
    """InvalidInput for a strategy that the measured cloud does not support."""
    if reason := contradicted(measured, strategy, gardener=gardener):
        raise InvalidInput(
            f"--profile: {reason}; nothing was changed. `dualstack plan --profile FILE` shows another way"
        )
