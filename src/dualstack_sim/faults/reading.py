"""Reads fault documents, YAML files and JSON objects. All errors of a document are reported together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from dualstack.model.errors import InvalidInput
from dualstack_sim.compute.api.fault_injection import ConcurrentChange, Fault, HttpFault, QuotaReduction, VmEnd
from dualstack_sim.compute.project.inventory import HISTORY_SECONDS
from dualstack_sim.compute.project.quotas import GPU_QUOTAS, LIMITS, group_names
from dualstack_sim.faults.plan import FaultRule


def load_faults(path: Path | str) -> list[FaultRule]:
    """The rules in a file; InvalidInput with the file, line, field and remedy of every error."""
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
    return _read(_Reader(str(path), loader), root)


def parse_faults(document: Any) -> list[FaultRule]:
    """The rules in a decoded JSON document; InvalidInput with the field and remedy of every error."""
    try:
        root = yaml.SafeDumper(StringIO()).represent_data(document)
    except RecursionError as error:
        raise InvalidInput("the document is nested too deeply; it is a flat list of rules") from error
    return _read(_Reader("", yaml.SafeLoader("")), root)


def _read(reader: _Reader, root: yaml.Node | None) -> list[FaultRule]:
    rules = reader.rules(root)
    if reader.problems:
        raise InvalidInput(*reader.problems)
    return rules


_MISSING = object()


class _Reader:
    """Reads rules from YAML nodes and collects errors, with line numbers if the nodes come from a file."""

    def __init__(self, path: str, loader: yaml.SafeLoader) -> None:
        self.problems: list[str] = []
        self._path = path
        self._loader = loader

    def rules(self, root: yaml.Node | None) -> list[FaultRule]:
        if root is not None and not isinstance(root, yaml.MappingNode):
            self._add_error(root, "the document", "must be a mapping with one field, faults")
            return []
        listing = self._fields(root, "", {"faults"}).get("faults") if root is not None else None
        if not isinstance(listing, yaml.SequenceNode):
            self._add_error(
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
            self._add_error(fields["probability"], f"{where}.probability", "cannot go with nth; keep one of the two")
        if "deny" in fields:
            return self._denial(fields, where)
        if "from" in fields and not ({"method"} & fields.keys()):
            method: object = "*"
        else:
            method = self._take(fields, where, "method", _method, "a method such as routes.delete, or a glob")
        from_start = self._take(fields, where, "from", lambda value: value == "start", "start", "") == "start"
        self._check_start(fields, where, from_start=from_start)
        fault = self._fault(node, fields, where, str(method))
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
            from_start=from_start,
        )
        if len(self.problems) > before:
            return None
        return rule

    def _check_start(self, fields: Mapping[str, yaml.Node], where: str, *, from_start: bool) -> None:
        """Refuse effects on requests together with effects on the initial state."""
        on_state = sorted(fields.keys() & {"vm", "meanwhile", "quota"})
        if not from_start or not on_state:
            return
        for name in sorted(fields.keys() & (_EFFECTS | {"nth", "probability"}) - set(on_state)):
            self._add_error(fields[name], f"{where}.{name}", f"cannot go with from: start and {on_state[0]}")
        if "meanwhile" in fields and "method" not in fields:
            self._add_error(fields["meanwhile"], f"{where}.method", "is required; give the method of the change")

    def _denial(self, fields: Mapping[str, yaml.Node], where: str) -> FaultRule | None:
        """A rule that denies permissions, and nothing else."""
        for name in sorted(fields.keys() - {"deny"}):
            self._add_error(fields[name], f"{where}.{name}", "cannot go with deny; a denial holds for all requests")
        wanted = "a permission such as compute.routes.create, or a glob"
        denied = self._take(fields, where, "deny", _permission, wanted)
        if denied is _MISSING or len(fields) > 1:
            return None
        return FaultRule(method="*", fault=Fault(denied=cast(str, denied)))

    def _fault(self, node: yaml.Node, fields: Mapping[str, yaml.Node], where: str, method: str) -> Fault:
        if not fields.keys() & _EFFECTS:
            self._add_error(node, where, f"does nothing; give at least one of {', '.join(sorted(_EFFECTS))}")
        past = f"seconds above 0 and at most {HISTORY_SECONDS:g}"
        return Fault(
            latency=cast(float, self._take(fields, where, "latency", _seconds, "seconds above 0", 0.0)),
            operation_error=self._operation_error(fields, f"{where}.operationError"),
            error_before=self._http_error(fields, where, "errorBefore"),
            error_after=self._http_error(fields, where, "errorAfter"),
            cut=cast(
                'Literal["before", "after"] | None',
                self._take(fields, where, "cut", lambda value: value in ("before", "after"), "before or after", None),
            ),
            pending=cast(float, self._take(fields, where, "pending", _seconds, "seconds above 0", 0.0)),
            stale=cast(float, self._take(fields, where, "stale", _remembered, past, 0.0)),
            meanwhile=self._meanwhile(fields, f"{where}.meanwhile", method),
            quota=self._quota(fields, f"{where}.quota"),
            vm=self._vm(fields, f"{where}.vm"),
            stuck=cast(
                'Literal["never", "error"] | None',
                self._take(fields, where, "stuck", lambda value: value in ("never", "error"), "never or error", None),
            ),
        )

    def _meanwhile(self, fields: Mapping[str, yaml.Node], where: str, method: str) -> ConcurrentChange | None:
        if "meanwhile" not in fields:
            return None
        parts = self._fields(fields["meanwhile"], where, {"method", "body"})
        wanted = "the body of a request, such as {labels: {owner: another-client}}"
        body = self._take(parts, where, "body", lambda value: isinstance(value, dict), wanted, {})
        collection = method.partition(".")[0]

        def is_valid_method(value: object) -> bool:
            return _exact(value) and str(value).partition(".")[0] == collection

        other = self._take(
            parts, where, "method", is_valid_method, f"another method of {collection}, on the same resource", ""
        )
        return ConcurrentChange(cast("dict[str, Any]", body), cast(str, other))

    def _quota(self, fields: Mapping[str, yaml.Node], where: str) -> QuotaReduction | None:
        if "quota" not in fields:
            return None
        names = [*LIMITS, *GPU_QUOTAS, *group_names()]
        parts = self._fields(fields["quota"], where, {"limit", "value", "seconds"})
        limit = self._take(parts, where, "limit", lambda value: value in names, f"one of {', '.join(names)}")
        value = self._take(parts, where, "value", _amount, "a whole number from 0")
        seconds = self._take(parts, where, "seconds", _seconds, "seconds above 0", None)
        return QuotaReduction(cast(str, limit), cast(int, value), cast("float | None", seconds))

    def _vm(self, fields: Mapping[str, yaml.Node], where: str) -> VmEnd | None:
        if "vm" not in fields:
            return None
        parts = self._fields(fields["vm"], where, {"becomes", "name"})
        known = ("stopped", "deleted")
        becomes = self._take(parts, where, "becomes", lambda value: value in known, "stopped or deleted")
        name = self._take(parts, where, "name", _text, "the name of a VM, or a glob", "")
        return VmEnd(cast('Literal["stopped", "deleted"]', becomes), cast(str, name))

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
        """The value of a field; `default` if it is absent or, with an error, invalid."""
        if name not in fields:
            if default is _MISSING:
                self._add_error(next(iter(fields.values()), None), f"{where}.{name}", f"is required; give {wanted}")
            return default
        try:
            value = self._loader.construct_object(fields[name], deep=True)
        except (yaml.YAMLError, ValueError):
            value = _MISSING
        if value is not _MISSING and valid(value):
            return value
        written = getattr(fields[name], "value", "") if isinstance(fields[name], yaml.ScalarNode) else "a structure"
        self._add_error(fields[name], f"{where}.{name}", f"must be {wanted}, not {written!r}")
        return default

    def _fields(self, node: yaml.Node | None, where: str, known: set[str]) -> dict[str, yaml.Node]:
        """The fields of a mapping by name, with errors for unknown and duplicate fields and for other types."""
        fields: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self._add_error(node, where, f"must be a mapping with {', '.join(sorted(known))}")
            return fields
        for key, value in node.value:
            name = str(key.value)
            place = f"{where}.{name}" if where else name
            if name not in known:
                self._add_error(key, place, f"is not known; remove it or use one of {', '.join(sorted(known))}")
            elif name in fields:
                self._add_error(key, place, "is given twice; remove one")
            fields[name] = value
        return fields

    def _add_error(self, node: yaml.Node | None, where: str, what: str) -> None:
        mark = node.start_mark if node is not None else None
        place = f"{self._path}:{mark.line + 1}: " if mark is not None else f"{self._path}: " if self._path else ""
        self.problems.append(f"{place}{where}: {what}")


_EFFECTS = {
    "latency", "pending", "operationError", "errorBefore", "errorAfter", "cut", "stale", "meanwhile", "quota", "vm",
    "deny", "stuck",
}  # fmt: skip
_RULE_FIELDS = {"method", "target", "nth", "probability", "count", "from"} | _EFFECTS


def _method(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z*?!\[\]]+(\.[A-Za-z*?!\[\]]+)?", value) is not None


def _permission(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"compute\.[A-Za-z*?]+(\.[A-Za-z*?]+)?", value) is not None


def _exact(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z]+\.[A-Za-z]+", value) is not None


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _amount(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds(value: object) -> bool:
    return _number(value) and 0 < cast(float, value) < float("inf")


def _remembered(value: object) -> bool:
    return _seconds(value) and cast(float, value) <= HISTORY_SECONDS


def _share(value: object) -> bool:
    return _number(value) and 0 < cast(float, value) <= 1


def _status(value: object) -> bool:
    return _whole(value) and 400 <= cast(int, value) <= 599
