"""T3 to T6, T10, T11, K3: what each transition of a cut-over does to traffic between pods."""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.gce.errors import ComputeRefusal
from dualstack.trial.document import Packets
from dualstack.trial.experiment import Answer, Experiment, Lab, Question, is_flagged, no_flag, undecided
from dualstack.trial.ladder import Passage

MOSTLY, HARDLY = 0.99, 0.01
"""Answered shares above and below which a state counts as working and as dark."""
SHOWN_ELSEWHERE = ("T3", "routes-off")
"""Their packets are those of T4 and T6."""
WAY = (1, 3, 1, 5)
"""The states that are visited from S0: the flag alone, up to aliases beside routes, back to the flag, to the end."""


async def run(lab: Lab) -> Sequence[Answer]:
    """Walk through all states, wait in each until the hosts have seen it, and count what was lost."""
    if lab.measuring.problem:
        return [undecided(question.id, lab.measuring.problem) for question in EXPERIMENT.questions]
    await lab.ground()
    passages: list[Passage] = []
    refused = ""
    for state in WAY:
        try:
            made = await lab.ladder.go(state)
        except ComputeRefusal as error:
            refused = f"A request failed: {error}."
            break
        passages.extend(passage for passage in made if passage.measured)
        if lab.ladder.state != state:
            refused = f"{made[-1].name} was tried; {made[-1].refusal}."
            break
        if lab.measuring.problem:
            refused = lab.measuring.problem
            break
        if state == 1 and not is_flagged(await lab.read(lab.site.nodes, is_flagged)):
            return [no_flag(question.id) for question in EXPERIMENT.questions]
    answers = _Evidence(passages, refused, lab).answers()
    await lab.undo(lambda: lab.ladder.go(0))
    return answers


class _Evidence:
    """Reads the answers off the passages."""

    def __init__(self, passages: Sequence[Passage], refused: str, lab: Lab) -> None:
        self._passages = passages
        self._refused = refused
        self._lab = lab

    def answers(self) -> list[Answer]:
        static = self._works("S1>S2 range on")
        aliases = self._works("S3>S4 routes off")
        return [
            self._loss("T3", ["S1>S2 range on"], static, "static routes do not serve unmatched addresses (T4)"),
            self._working("T4", static, "S2", "unmatched-to-instances"),
            self._unmatched(),
            self._accepted(),
            self._working("T6", aliases, "S4", "alias-matched"),
            self._loss("routes-off", ["S3>S4 routes off"], aliases, "an alias is not matched (T6)"),
            self._loss("T10", ["S4>S5 flag off"], aliases, "an alias is not matched (T6)"),
            self._loss(
                "T11",
                ["S3>S2 aliases off", "S2>S1 range off"],
                static,
                "static routes do not serve unmatched addresses (T4)",
            ),
            self._connections(static and aliases),
        ]

    def _named(self, *names: str) -> list[Passage]:
        return [passage for passage in self._passages if passage.name in names and passage.accepted]

    def _works(self, name: str) -> bool | None:
        """Whether pods reach each other in the state after a transition; None if that is not clear."""
        shares = [passage.steady for passage in self._named(name) if passage.sent]
        if shares and min(shares) >= MOSTLY:
            return True
        return False if shares and max(shares) <= HARDLY else None

    def _working(self, identity: str, works: bool | None, state: str, knob: str) -> Answer:
        made = self._named("S1>S2 range on" if state == "S2" else "S3>S4 routes off")
        if works is None:
            shares = ", ".join(f"{passage.steady:.3f}" for passage in made)
            return undecided(identity, self._refused or f"In {state} the answered share was {shares}.")
        share = ", ".join(f"{passage.steady:.3f}" for passage in made)
        why = f"In {state}, {share} of all packets between pods were answered once the hosts had settled."
        answer = "yes" if works else "no"
        return Answer(identity, answer, why, knobs={knob: answer}, repetitions=len(made), packets=_of(made))

    def _loss(self, identity: str, names: list[str], works: bool | None, unless: str) -> Answer:
        made = self._named(*names)
        if not works or len({passage.name for passage in made}) < len(names):
            return undecided(identity, self._refused or f"Not decided: {unless}.")
        lost = sum(passage.lost for passage in made)
        why = "; ".join(passage.describe() for passage in made) + "."
        answer = f"lost {lost} packets" if lost else "no loss"
        packets = () if identity in SHOWN_ELSEWHERE else _of(made)
        return Answer(identity, answer, why, "certain" if lost else "likely", repetitions=len(made), packets=packets)

    def _unmatched(self) -> Answer:
        """An address of the range that no resource and no route has."""
        shares = {}
        for state, name in (("with the flag", "S1>S2 range on"), ("without the flag", "S4>S5 flag off")):
            for passage in self._named(name)[-1:]:
                flows = self._lab.measuring.flows(lambda flow: flow.endswith(">unused/udp"))
                shares[state] = self._lab.measuring.share(flows, passage.until - 10.0, passage.until)
        if not shares:
            return undecided("unmatched", self._refused or "the range was never there")
        words = [f"{'dropped' if share <= HARDLY else 'delivered'} {state}" for state, share in shares.items()]
        return Answer("unmatched", ", ".join(words), "Packets to an address of the range that has neither.")

    def _accepted(self) -> Answer:
        """Whether an alias beside a route to the same block is accepted."""
        for passage in self._passages:
            if passage.name == "S2>S3 aliases on":
                answer = "accept" if passage.accepted else "refuse"
                why = passage.refusal or "Each VM got its block as an alias while a route led to it."
                knobs = {"alias-over-route": answer}
                return Answer(
                    "T5", answer, f"{why}.".replace("..", "."), knobs=knobs, repetitions=len(passage.outcomes)
                )
        return undecided("T5", self._refused or "the state before was not reached")

    def _connections(self, works: bool | None) -> Answer:
        if not works:
            return undecided("established-flows", self._refused or "not every state carries traffic")
        smooth = [passage for passage in self._passages if not _datagrams_lost(passage)]
        broken = sum(passage.broken for passage in smooth)
        names = ", ".join(passage.name for passage in smooth if passage.broken)
        why = f"Over {len(smooth)} transitions without lost UDP packets, {broken} TCP connections had to be made again"
        answer = "break" if broken else "move"
        knobs = {"established-flows": answer}
        return Answer("established-flows", answer, f"{why}{f': {names}' if names else ''}.", "likely", knobs=knobs)


def _datagrams_lost(passage: Passage) -> int:
    """A TCP connection also ends when its packets are lost for long, which is another question."""
    return sum(packets.lost for packets in passage.packets if packets.flow.endswith("/udp"))


def _of(passages: Sequence[Passage]) -> tuple[Packets, ...]:
    return tuple(packets for passage in passages for packets in passage.packets)


EXPERIMENT = Experiment(
    "transitions",
    (
        Question("T3", "How many packets are lost when the range is added, some time after the flag?"),
        Question(
            "T4",
            "In S2, does a static route to an instance of the same subnet serve unmatched addresses?",
            "unmatched-to-instances",
        ),
        Question("unmatched", "What becomes of a packet to an address that nothing has, with and without the flag?"),
        Question("T5", "Is an alias accepted while a static route has the same /24?", "alias-over-route"),
        Question("T6", "Is an alias matched: does traffic flow when its route is gone?", "alias-matched"),
        Question("routes-off", "How many packets are lost when the routes go, with aliases in place?"),
        Question("T10", "How many packets are lost when the flag is cleared, from S4 to S5?"),
        Question("T11", "How many packets are lost when aliases, then the range, go while the routes are present?"),
        Question("established-flows", "Do established TCP connections survive each transition?", "established-flows"),
    ),
    run,
    minutes=6.5,
    place="vms",
    traffic=True,
)
