"""T3, K4: does a host see the changes of one subnet in their order?"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.trial.experiment import Answer, Experiment, Lab, Question, undecided

ID = "subnet-order"
REPETITIONS = 3


async def run(lab: Lab) -> Sequence[Answer]:
    """Set the flag and add the range at once after it: a host that sees the range first drops packets."""
    if lab.measuring.problem:
        return [undecided(ID, lab.measuring.problem)]
    if (known := lab.known.get("T4")) is not None and known.answer != "yes":
        return [undecided(ID, f"The order shows only where T4 is yes, and it is {known.answer or 'undecided'}.")]
    await lab.ground()
    lost, gaps, words = 0, [], []
    for _ in range(REPETITIONS):
        flag = await lab.ladder.go(1, settle=0.0)
        added = await lab.ladder.go(2)
        passage = added[-1]
        if lab.ladder.state != 2 or not flag:
            return [undecided(ID, f"{passage.name} was tried; {passage.refusal}.")]
        if lab.measuring.problem:
            return [undecided(ID, lab.measuring.problem)]
        if passage.steady < 0.99:
            return [undecided(ID, "Static routes do not serve unmatched addresses (T4).")]
        gaps.append(passage.outcomes[0].ended - flag[-1].outcomes[0].ended)
        lost += passage.lost
        words.append(passage.describe())
        await lab.ladder.go(0, settle=0.0)
        await lab.clock.sleep(lab.ladder.settle)
    between = f"With {min(gaps):.1f} s between flag and range: {'; '.join(words)}"
    if lost:
        why = f"{between}. A host that had seen the flag would have lost nothing."
        return [Answer(ID, "reordered", why, knobs={ID: "reordered"}, repetitions=REPETITIONS)]
    why = f"{between}. Hosts that reorder changes within a shorter time cannot be seen, so no knob is set."
    return [Answer(ID, "not seen", why, "likely", repetitions=REPETITIONS)]


EXPERIMENT = Experiment(
    "subnet-order",
    (Question(ID, "Does a host see the changes of one subnet in their order?", ID),),
    run,
    minutes=5.0,
    place="vms",
    traffic=True,
)
