"""What a rule is, and the registry that enforcing code asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

Tag = Literal["documented", "observed", "inferred"]
"""How far a rule can be trusted: Google says so, somebody saw it, or it is the likeliest reading."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that the simulated cloud does because the real one does it.

    `id` is `area.what`; `source` names the paragraph of the references (`compute-api.md 5.4`, `cutover.md E3`).
    """

    id: str
    statement: str
    source: str
    tag: Tag

    def __post_init__(self) -> None:
        area, dot, what = self.id.partition(".")
        if not (area and dot and what and self.statement and self.source):
            raise ValueError(f"a rule needs an id 'area.what', a statement and a source, not {self}")
        if self.tag not in get_args(Tag):
            raise ValueError(f"the tag of rule {self.id} must be one of {get_args(Tag)}, not {self.tag!r}")

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "statement": self.statement, "source": self.source, "tag": self.tag}


class Registry(Mapping[str, Rule]):
    """Rules by id, which of them hold, and which were asked for. ValueError for two rules of one id."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in self._rules:
                raise ValueError(f"two rules have the id {rule.id}")
            self._rules[rule.id] = rule
        self._holds = dict.fromkeys(self._rules, True)
        self._exercised: set[str] = set()

    def __getitem__(self, rule: str) -> Rule:
        return self._rules[rule]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def enforced(self, rule: str) -> bool:
        """Whether the rule holds. Asking marks it as exercised; KeyError if there is no such rule."""
        self._exercised.add(rule)
        return self._holds[rule]

    def all_hold(self) -> bool:
        """Whether no rule is switched off just now."""
        return all(self._holds.values())

    @contextmanager
    def without(self, *rules: str) -> Iterator[None]:
        """Let the rules not hold inside the `with` block; KeyError if there is no such rule."""
        for rule in rules:
            self._rules[rule]
        before = dict(self._holds)
        self._holds.update(dict.fromkeys(rules, False))
        try:
            yield
        finally:
            self._holds.update(before)

    def exercised(self) -> list[Rule]:
        """The rules that were asked for since `restart`, in the order of the catalogue."""
        return [rule for name, rule in self._rules.items() if name in self._exercised]

    def restart(self) -> None:
        """Forget which rules were exercised."""
        self._exercised.clear()
