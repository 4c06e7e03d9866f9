"""The part of JSONPath that printer columns use: members, indexes, wildcards and equality filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"\.(?P<member>(?:\\.|[^.\[\\])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<wild>\*)\]"
    r"|\[['\"](?P<quoted>[^'\"]*)['\"]\]"
    r"|\[\?\(@\.(?P<field>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)

Step = tuple[str, str, str]
"""Kind of step (`member`, `index`, `wild`, `filter`), its argument, and the value a filter compares with."""


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    for found in _STEP.finditer(text if text.startswith((".", "[")) else f".{text}"):
        if (member := found["member"] or found["quoted"]) is not None:
            steps.append(("member", member.replace("\\", ""), ""))
        elif found["index"] is not None:
            steps.append(("index", found["index"], ""))
        elif found["wild"] is not None:
            steps.append(("wild", "", ""))
        else:
            steps.append(("filter", found["field"], found["value"]))
    return tuple(steps)


def _children(value: Any, step: Step) -> Iterator[Any]:
    kind, argument, wanted = step
    if kind == "member" and isinstance(value, dict) and argument in value:
        yield value[argument]
    elif kind == "index" and isinstance(value, list) and -len(value) <= int(argument) < len(value):
        yield value[int(argument)]
    elif kind == "wild" and isinstance(value, list | dict):
        yield from value.values() if isinstance(value, dict) else value
    elif kind == "filter" and isinstance(value, list):
        yield from (each for each in value if [str(found) for found in find(each, f".{argument}")] == [wanted])


def find(tree: Any, path: str) -> list[Any]:
    """All values at `path`, nulls left out."""
    values = [tree]
    for step in _steps(path):
        values = [child for value in values for child in _children(value, step)]
    return [value for value in values if value is not None]
