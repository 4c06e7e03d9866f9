"""The document of a trial, `dualstack.trial/v1` (docs/evidence.md#document). Times are Unix seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from dualstack.model.errors import InvalidInput

Confidence = Literal["certain", "likely", "undecided"]
"""`certain`: every request or packet that was tried agrees. `likely`: rests on how often it was tried. `undecided`: the
trial could not tell."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One request and its answer. `seconds` until the answer; `operation`: the operation as it ended."""

    at: float
    seconds: float
    call: str
    query: dict[str, str] = {}
    body: Any = None
    status: int = 0
    answer: Any = None
    operation: Any = None


class Distribution(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Measured seconds, sorted. `window`: their resolution."""

    samples: tuple[float, ...]
    window: float = 0.0

    @property
    def longest(self) -> float:
        return self.samples[-1]

    @property
    def median(self) -> float:
        return self.samples[len(self.samples) // 2]

    def describe(self) -> str:
        """As text."""
        shortest, longest = self.samples[0], self.longest
        return f"{shortest:.1f} to {longest:.1f} s, median {self.median:.1f} s, {len(self.samples)} samples"


class Packets(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one flow sent in each window from `since` on, and how much of it was answered.

    transition: what happened meanwhile. connections: how often a TCP flow had to connect again.
    """

    flow: str
    transition: str
    since: float
    window: float
    sent: tuple[int, ...]
    answered: tuple[int, ...]
    connections: int = 0

    @property
    def lost(self) -> int:
        return sum(self.sent) - sum(self.answered)


class Fact(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One question and its answer. `answer` is empty while it is undecided, and `explanation` then says why.

    id: as in docs/evidence.md. knobs: the settings of the simulated cloud that behave as measured.
    """

    id: str
    question: str
    experiment: str
    answer: str = ""
    confidence: Confidence = "undecided"
    explanation: str = ""
    repetitions: int = 1
    knobs: dict[str, str] = {}
    seconds: dict[str, Distribution] = {}
    exchanges: tuple[Exchange, ...] = ()
    packets: tuple[Packets, ...] = ()

    @property
    def verdict(self) -> str:
        """The answer and how sure it is."""
        return f"{self.id}: {f'{self.answer} ({self.confidence})' if self.answer else 'undecided'}"

    def describe(self) -> str:
        """The answer, and why."""
        return f"{self.verdict}. {self.explanation}".rstrip()


class Trial(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A whole trial. left: resources that could not be removed. It names neither the project nor the account."""

    schema: Literal["dualstack.trial/v1"] = "dualstack.trial/v1"
    id: str
    version: str
    started_at: str
    ended_at: str
    region: str
    zones: tuple[str, ...]
    machine_type: str
    image: str = ""
    ended: str = ""
    """Why it ended before all of its experiments had run."""
    facts: tuple[Fact, ...] = ()
    left: tuple[str, ...] = ()
    requests: int = 0
    changes: int = 0

    @property
    def knobs(self) -> dict[str, str]:
        """Every setting of the simulated cloud that the trial has measured."""
        return {name: value for fact in self.facts for name, value in fact.knobs.items()}


SCHEMA = "dualstack.trial/v1"


class _Any(msgspec.Struct):
    """Any document."""

    schema: str = ""


def encode(trial: Trial) -> bytes:
    """As indented JSON with a line break."""
    return msgspec.json.format(msgspec.json.encode(trial), indent=1) + b"\n"


def load(path: Path) -> Trial:
    """Read a document. InvalidInput if it is not one."""
    try:
        content = path.read_bytes()
        schema = msgspec.json.decode(content, type=_Any).schema
        if schema != SCHEMA:
            raise InvalidInput(
                f"{path}: is a document {schema or 'without a schema'}; this version of dualstack reads {SCHEMA}, "
                "as `dualstack trial` writes it"
            )
        return msgspec.json.decode(content, type=Trial)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: is not a document of `dualstack trial`: {error}") from None
