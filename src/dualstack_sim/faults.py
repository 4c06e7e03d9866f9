"""Faults on request and by seed: a small YAML file that says which Compute requests go wrong, and how.

    faults:
      - method: routes.delete          # discovery id without "compute.", or a glob such as "*.delete"
        target: "shoot--foo--bar-*"    # name of the resource, or a glob; default "*"
        nth: 2                         # from the second such request on (default 1) ...
        count: 3                       # ... this many times (default 1)
        operationError: {code: INTERNAL_ERROR, message: "Internal error."}
      - method: instances.updateNetworkInterface
        probability: 0.1               # instead of nth: each such request, by the seed
        count: 5
        latency: 30                    # simulated seconds more
      - {method: subnetworks.patch, errorBefore: {status: 503}}
      - {method: subnetworks.patch, nth: 2, cut: after}   # took effect, but the answer never arrived

`errorBefore` and `errorAfter` are HTTP errors without and with the effect, `cut: before|after` closes the connection.
One rule may combine several. A request counts for every rule that matches it; the first rule that fires decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from dualstack.clock import Clock
from dualstack.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.interference import Fault, HttpFault


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Which requests go wrong (`method`, `target`: globs), when (`nth` on, or `probability`), how often, and how."""

    method: str
    fault: Fault
    target: str = "*"
    nth: int = 1
    probability: float | None = None
    count: int = 1

    def matches(self, method: str, target: str) -> bool:
        return fnmatchcase(method, self.method) and fnmatchcase(target, self.target)


@dataclass(frozen=True, slots=True)
class FiredFault:
    """A fault that was handed out: the rule's place in the file (from 1) and the request that it hit."""

    at: float
    rule: int
    method: str
    target: str
    fault: Fault

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "rule": self.rule,
            "method": self.method,
            "target": self.target,
            "effect": _describe(self.fault),
        }


class FaultPlan:
    """Decides by rules what goes wrong; implements `dualstack_sim.compute.interference.Faults`."""

    def __init__(self, rules: list[FaultRule], chance: Chance, clock: Clock) -> None:
        self.fired: list[FiredFault] = []
        self._rules = rules
        self._chance = chance
        self._clock = clock
        self._matched = [0] * len(rules)
        self._left = [rule.count for rule in rules]
        self._asked: dict[tuple[str, str], int] = {}

    def consult(self, method: str, target: str) -> Fault | None:
        """What goes wrong with this request; each call is one request."""
        ordinal = self._asked[method, target] = self._asked.get((method, target), 0) + 1
        chosen: int | None = None
        for number, rule in enumerate(self._rules):
            if rule.matches(method, target):
                self._matched[number] += 1
                if chosen is None and self._fires(number, rule, (method, target, ordinal)):
                    chosen = number
        if chosen is None:
            return None
        self._left[chosen] -= 1
        fault = self._rules[chosen].fault
        self.fired.append(FiredFault(self._clock.now(), chosen + 1, method, target, fault))
        return fault

    def idle(self) -> list[int]:
        """Places (from 1) of the rules that never matched a request; most likely their method or target is misspelt."""
        return [number for number, matched in enumerate(self._matched, start=1) if not matched]

    def _fires(self, number: int, rule: FaultRule, request: tuple[str, str, int]) -> bool:
        if not self._left[number]:
            return False
        if rule.probability is None:
            return self._matched[number] >= rule.nth
        return self._chance.uniform(0.0, 1.0, "fault", number, *request) < rule.probability


def load_faults(path: Path | str) -> list[FaultRule]:
    """The rules in a file; InvalidInput with file, line, field and what to do for everything that is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as a text file ({error}); give a readable YAML file") from error
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        problem = getattr(error, "problem", None) or error
        raise InvalidInput(f"{where}: not YAML ({problem}); correct the syntax") from error
    except RecursionError as error:
        raise InvalidInput(f"{path}: nested too deeply; a fault file is a flat list of rules") from error
    reader = _Reader(str(path), loader)
    rules = reader.rules(root)
    if reader.problems:
        raise InvalidInput(*reader.problems)
    return rules


_MISSING = object()


class _Reader:
    """Reads rules from YAML nodes and collects what is wrong, each with its line."""

    def __init__(self, path: str, loader: yaml.SafeLoader) -> None:
        self.problems: list[str] = []
        self._path = path
        self._loader = loader

    def rules(self, root: yaml.Node | None) -> list[FaultRule]:
        if root is not None and not isinstance(root, yaml.MappingNode):
            self._complain(root, "the file", "must be a mapping with one field, faults")
            return []
        listing = self._fields(root, "", {"faults"}).get("faults") if root is not None else None
        if not isinstance(listing, yaml.SequenceNode):
            self._complain(
                listing or root, "faults", "must be a list of rules, each such as {method: routes.delete, latency: 30}"
            )
            return []
        rules = [self._rule(node, f"faults[{number}]") for number, node in enumerate(listing.value)]
        return [rule for rule in rules if rule is not None]

    def _rule(self, node: yaml.Node, where: str) -> FaultRule | None:
        before = len(self.problems)
        fields = self._fields(node, where, _RULE_FIELDS)
        if len(self.problems) > before:
            return None
        if "nth" in fields and "probability" in fields:
            self._complain(fields["probability"], f"{where}.probability", "cannot go with nth; keep one of the two")
        method = self._take(fields, where, "method", _method, "a method such as routes.delete, or a glob")
        fault = self._fault(node, fields, where)
        rule = FaultRule(
            method=cast(str, method),
            fault=fault,
            target=cast(str, self._take(fields, where, "target", _text, "a name or a glob", "*")),
            nth=cast(int, self._take(fields, where, "nth", _whole, "a whole number from 1", 1)),
            probability=cast(
                "float | None",
                self._take(fields, where, "probability", _share, "a number above 0 and at most 1", None),
            ),
            count=cast(int, self._take(fields, where, "count", _whole, "a whole number from 1", 1)),
        )
        if len(self.problems) > before:
            return None
        return rule

    def _fault(self, node: yaml.Node, fields: Mapping[str, yaml.Node], where: str) -> Fault:
        if not fields.keys() & _EFFECTS:
            self._complain(node, where, f"does nothing; give at least one of {', '.join(sorted(_EFFECTS))}")
        return Fault(
            latency=cast(float, self._take(fields, where, "latency", _seconds, "seconds above 0", 0.0)),
            operation_error=self._operation_error(fields, f"{where}.operationError"),
            error_before=self._http_error(fields, where, "errorBefore"),
            error_after=self._http_error(fields, where, "errorAfter"),
            cut=cast(
                'Literal["before", "after"] | None',
                self._take(fields, where, "cut", lambda value: value in ("before", "after"), "before or after", None),
            ),
        )

    def _operation_error(self, fields: Mapping[str, yaml.Node], where: str) -> tuple[str, str] | None:
        if "operationError" not in fields:
            return None
        parts = self._fields(fields["operationError"], where, {"code", "message"})
        code = self._take(parts, where, "code", _text, "an error code such as INTERNAL_ERROR", "INTERNAL_ERROR")
        message = self._take(parts, where, "message", _text, "a text", "Internal error. Please try again.")
        return (cast(str, code), cast(str, message))

    def _http_error(self, fields: Mapping[str, yaml.Node], where: str, name: str) -> HttpFault | None:
        if name not in fields:
            return None
        where = f"{where}.{name}"
        parts = self._fields(fields[name], where, {"status", "reason", "message"})
        default = HttpFault()
        return HttpFault(
            status=cast(int, self._take(parts, where, "status", _status, "an HTTP status 400..599", default.status)),
            reason=cast(str, self._take(parts, where, "reason", _text, "a text", default.reason)),
            message=cast(str, self._take(parts, where, "message", _text, "a text", default.message)),
        )

    def _take(
        self,
        fields: Mapping[str, yaml.Node],
        where: str,
        name: str,
        valid: Callable[[object], bool],
        wanted: str,
        default: object = _MISSING,
    ) -> object:
        """The value of a field; `default` when it is absent or (with a complaint) not valid."""
        if name not in fields:
            if default is _MISSING:
                self._complain(next(iter(fields.values()), None), f"{where}.{name}", f"is required; give {wanted}")
            return default
        try:
            value = self._loader.construct_object(fields[name], deep=True)
        except (yaml.YAMLError, ValueError):
            value = _MISSING
        if value is not _MISSING and valid(value):
            return value
        written = getattr(fields[name], "value", "") if isinstance(fields[name], yaml.ScalarNode) else "a structure"
        self._complain(fields[name], f"{where}.{name}", f"must be {wanted}, not {written!r}")
        return default

    def _fields(self, node: yaml.Node | None, where: str, known: set[str]) -> dict[str, yaml.Node]:
        """The fields of a mapping by name; complains about what is no mapping and about unknown and double fields."""
        fields: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self._complain(node, where, f"must be a mapping with {', '.join(sorted(known))}")
            return fields
        for key, value in node.value:
            name = str(key.value)
            place = f"{where}.{name}" if where else name
            if name not in known:
                self._complain(key, place, f"is not known; remove it or use one of {', '.join(sorted(known))}")
            elif name in fields:
                self._complain(key, place, "is given twice; remove one")
            fields[name] = value
        return fields

    def _complain(self, node: yaml.Node | None, where: str, what: str) -> None:
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        self.problems.append(f"{self._path}{line}: {where}: {what}")


_EFFECTS = {"latency", "operationError", "errorBefore", "errorAfter", "cut"}
_RULE_FIELDS = {"method", "target", "nth", "probability", "count"} | _EFFECTS


def _method(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z*?!\[\]]+(\.[A-Za-z*?!\[\]]+)?", value) is not None


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds(value: object) -> bool:
    return _number(value) and 0 < cast(float, value) < float("inf")


def _share(value: object) -> bool:
    return _number(value) and 0 < cast(float, value) <= 1


def _status(value: object) -> bool:
    return _whole(value) and 400 <= cast(int, value) <= 599


def _describe(fault: Fault) -> str:
    return ", ".join(_parts(fault))


def _parts(fault: Fault) -> Iterator[str]:
    if fault.latency:
        yield f"{fault.latency:g} s later"
    if fault.operation_error:
        yield f"operation error {fault.operation_error[0]}"
    if fault.error_before:
        yield f"HTTP {fault.error_before.status} without effect"
    if fault.error_after:
        yield f"HTTP {fault.error_after.status} after the effect"
    if fault.cut:
        yield f"connection cut {fault.cut} the effect"
