"""The type of a rule, and the registry that the enforcing code queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

Tag = Literal["documented", "observed", "inferred"]
"""The evidence for a rule: Google documents it, it was observed, or it is inferred from what is known."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One behaviour of Google Cloud that the simulator reproduces.

    `id` is `area.what`; `sources` are paths with anchors in this repository, such as `docs/reference/cut-over.md#e3`.
    """

    id: str
    tag: Tag
    statement: str
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        area, dot, what = self.id.partition(".")
        if not (area and dot and what and self.statement and self.sources):
            raise ValueError(f"a rule needs an id 'area.what', a statement and sources, not {self}")
        if self.tag not in get_args(Tag):
            raise ValueError(f"the tag of rule {self.id} must be one of {get_args(Tag)}, not {self.tag!r}")

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]

    @property
    def source(self) -> str:
        """The sources as text, separated by commas."""
        return ", ".join(self.sources)

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "statement": self.statement, "source": self.source, "tag": self.tag}


class Registry(Mapping[str, Rule]):
    """Rules by id, with their switches and a record of use. Raises ValueError for a duplicate id."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in self._rules:
                raise ValueError(f"two rules have the id {rule.id}")
            self._rules[rule.id] = rule
        self._enabled = dict.fromkeys(self._rules, True)
        self._exercised: set[str] = set()

    def __getitem__(self, rule: str) -> Rule:
        return self._rules[rule]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def enforced(self, rule: str) -> bool:
        """Whether the rule is on. Marks it as exercised; raises KeyError for an unknown rule."""
        self._exercised.add(rule)
        return self._enabled[rule]

    def all_hold(self) -> bool:
        """Whether every rule is on."""
        return all(self._enabled.values())

    @contextmanager
    def without(self, *rules: str) -> Iterator[None]:
        """Switch the rules off inside the `with` block; raises KeyError for an unknown rule."""
        for rule in rules:
            self._rules[rule]
        before = dict(self._enabled)
        self._enabled.update(dict.fromkeys(rules, False))
        try:
            yield
        finally:
            self._enabled.update(before)

    def exercised(self) -> list[Rule]:
        """The rules that were queried since `restart`, in the order of the registry."""
        return [rule for name, rule in self._rules.items() if name in self._exercised]

    def restart(self) -> None:
        """Forget which rules were exercised."""
        self._exercised.clear()
