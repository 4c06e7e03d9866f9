"""How long does the API take to answer a read?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.trial.document import Distribution
from dualstack.trial.experiment import Answer, Experiment, Lab, Question

ID = "request-latency"
READS = 10
NONE, OBSERVED = 0.1, 1.0
"""Upper bounds of the median for the answers `none` and `observed`, in seconds."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Read the VPC network some times, and take all reads of the trial."""
    for _ in range(READS):
        await lab.compute.get(f"global/networks/{lab.site.owner.network}")
    times = Distribution(samples=tuple(sorted(round(each, 3) for each in lab.compute.seconds_of_reads())), window=0.001)
    named = "none" if times.median < NONE else "observed" if times.median < OBSERVED else "slow"
    why = f"A read took {times.samples[0]:.3f} to {times.longest:.3f} s, median {times.median:.3f} s."
    repetitions = len(times.samples)
    return [Answer(ID, named, why, "likely", knobs={ID: named}, repetitions=repetitions, seconds={"read": times})]


EXPERIMENT = Experiment(
    "request-latency",
    (Question(ID, "How long does the API take to answer a request?", knob=ID),),
    run,
    minutes=0.2,
    place="network",
    vms=False,
)
