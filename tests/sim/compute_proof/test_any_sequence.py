"""Under any sequence of calls the invariants hold, the counters are right, and dump and load are inverse.

The calls and the invariants over ranges, aliases and routes are those of tests/sim/compute/test_compute_properties.py;
here they are the rules of a state machine, with further rules that save and restore the state.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.sim.compute_proof.any_sequence import AnySequence

AnySequence.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
TestAnySequence = AnySequence.TestCase
