"""The mutations of a module: which there are, and the source of each.

A mutation changes one place of the source so that the program does something else, which a test should notice. The
operators are cosmic-ray's, without those that mostly yield programs that mean the same or do not run; two are ours.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

SOURCES = Path(__file__).parents[2] / "src"

_COMPARISONS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt")
_CALCULATIONS = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "BitOr_BitAnd", "BitAnd_BitOr")
_FROM_COSMIC_RAY = (
    *(f"core/ReplaceComparisonOperator_{pair}" for pair in (*_COMPARISONS, "Is_IsNot", "IsNot_Is")),
    *(f"core/ReplaceBinaryOperator_{pair}" for pair in _CALCULATIONS),
    "core/AddNot",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/ReplaceAndWithOr",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceOrWithAnd",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/ZeroIterationForLoop",
)

Position = tuple[tuple[int, int], tuple[int, int]]


class DropOperand:
    """Leaves out one operand of `and`, `or` and `|`."""

    def mutation_positions(self, node: Any) -> list[Position]:
        chain = node.type in ("and_test", "or_test", "expr")
        return [(operand.start_pos, operand.end_pos) for operand in node.children[::2]] if chain else []

    def mutate(self, node: Any, index: int) -> Any:
        start = max(0, 2 * index - 1)
        del node.children[start : start + 2]
        return node


class SwapExtremes:
    """Replaces `min` with `max` and the other way round."""

    def mutation_positions(self, node: Any) -> list[Position]:
        return [(node.start_pos, node.end_pos)] if node.type == "name" and node.value in ("min", "max") else []

    def mutate(self, node: Any, index: int) -> Any:
        node.value = "max" if node.value == "min" else "min"
        return node


@dataclass(frozen=True, slots=True)
class Site:
    """One place where one operator applies: its `occurrence` in the module, counted from 0."""

    path: Path
    operator: Any
    occurrence: int


@dataclass(frozen=True, slots=True)
class Mutation:
    """path: from the repository's folder. was, becomes: the changed lines without indentation, joined by spaces."""

    path: str
    line: int
    was: str
    becomes: str
    source: str

    @property
    def module(self) -> str:
        """The dotted name."""
        return self.path.removeprefix("src/").removesuffix(".py").replace("/", ".")

    def __str__(self) -> str:
        return f"{self.path}:{self.line}\n  - {self.was}\n  + {self.becomes}"


def sites(packages: Iterable[str]) -> Iterator[Site]:
    """All sites of the modules of these packages of `dualstack`, in a fixed order."""
    operators = [get_operator(name)() for name in _FROM_COSMIC_RAY] + [DropOperand(), SwapExtremes()]
    for package in packages:
        for path in sorted((SOURCES / "dualstack" / package).rglob("*.py")):
            nodes = list(ast_nodes(get_ast(_text(path))))
            for operator in operators:
                count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
                yield from (Site(path, operator, occurrence) for occurrence in range(count))


def mutations(places: Iterable[Site]) -> Iterator[Mutation]:
    """The mutations at these sites, without those that change nothing that is ever executed, each once."""
    seen: set[tuple[Path, str]] = set()
    executed = cache(lambda path: _executed(_text(path)))
    for site in places:
        before = _text(site.path)
        after = mutate_code(before, site.operator, site.occurrence)
        if after is None or _executed(after) in (None, executed(site.path)) or (site.path, after) in seen:
            continue
        seen.add((site.path, after))
        yield _mutation(site.path, before, after)


def _mutation(path: Path, before: str, after: str) -> Mutation:
    old, new = before.splitlines(), after.splitlines()
    changes = [entry for entry in difflib.SequenceMatcher(None, old, new, False).get_opcodes() if entry[0] != "equal"]
    was = " ".join(line.strip() for _, start, end, _, _ in changes for line in old[start:end])
    becomes = " ".join(line.strip() for _, _, _, start, end in changes for line in new[start:end])
    return Mutation(str(path.relative_to(SOURCES.parent)), changes[0][1] + 1, was, becomes, after)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _executed(source: str) -> str | None:
    """The syntax tree; None when there is none.

    Without annotations and their aliases, which are not evaluated, and without what only guards against mistakes of a
    programmer: the arguments of `dataclass`, `frozen` and `kw_only` of a class, `strict` of `zip`, and which parameters
    are keywords.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for statement in tree.body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.BinOp() | ast.Subscript() | ast.Name()) if not name.isupper():
                statement.value = ast.Constant(None)
    for node in ast.walk(tree):
        match node:
            case ast.arg():
                node.annotation = None
            case ast.arguments():
                node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
                node.defaults += [default for default in node.kw_defaults if default is not None]
                node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                node.returns = None
            case ast.AnnAssign():
                node.annotation = ast.Constant(None)
            case ast.ClassDef():
                node.keywords = [each for each in node.keywords if each.arg not in ("frozen", "kw_only")]
            case ast.Call(func=ast.Name(id="dataclass" | "zip")):
                node.keywords = []
    return ast.dump(tree)
