"""When a rehearsal gives up: nothing new for hours, or several times the usual duration."""

from __future__ import annotations

from dualstack.cli.rehearsal.progress_limit import FACTOR, RESERVE, SILENCE, ProgressLimit
from dualstack.model.events import PhaseStarted, Progress, StepFailed, StepStarted

SHOOT = "shoot--foo--bar"


def test_p33_repetition_is_no_progress() -> None:
    """Given a step that fails and is repeated for hours, when the time is up, then the reason names it."""
    limit = ProgressLimit(typical=10 * 3600.0)
    for at in range(0, 4 * 3600, 300):
        limit.see(PhaseStarted(at=at, shoot=SHOOT, phase="preparation"), at)
        limit.see(StepStarted(at=at, shoot=SHOOT, step="create-services-subnet"), at)
        limit.see(StepFailed(at=at, shoot=SHOOT, step="create-services-subnet", detail=f"503, attempt {at}"), at)
        assert limit.exceeded(at) is None or at > SILENCE
    reason = limit.exceeded(4 * 3600.0)
    assert reason is not None
    assert "no progress for 3 simulated hours (the operator repeats what it did)" in reason
    assert "last failure: create-services-subnet: 503" in reason


def test_p33_silence_is_told_apart_from_repetition() -> None:
    limit = ProgressLimit(typical=10 * 3600.0)
    limit.see(StepStarted(at=60.0, shoot=SHOOT, step="await-roll-out"), 60.0)
    assert limit.exceeded(SILENCE) is None
    assert "no event of the operator" in (limit.exceeded(SILENCE + 61.0) or "")


def test_p33_each_node_is_progress_up_to_several_times_the_usual_duration() -> None:
    limit = ProgressLimit(typical=3600.0)
    at = 0.0
    while limit.exceeded(at) is None:
        at += 1800.0
        limit.see(Progress(at=at, shoot=SHOOT, nodes=999, nodes_dual_stack=int(at), routes_left=0), at)
        assert at <= FACTOR * 3600.0 + RESERVE + 1800.0
    assert "not finished after" in (limit.exceeded(at) or "")
