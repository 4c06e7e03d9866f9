"""The structural schema of a custom resource: pruning, defaults, validation, and how its lists merge.

`jsonschema` validates; the texts of the errors are the API server's. Rules in CEL are not evaluated
(docs/simulated-kubernetes.md#differences).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import jsonschema

from dualstack_sim.kube.merging import PLAIN, MergeSchema
from dualstack_sim.kube.objects import copied, encoded
from dualstack_sim.kube.status import Cause, invalid_value, required_value, unsupported_value

Tree = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_LIST_TYPE = "x-kubernetes-list-type"
_MAP_KEYS = "x-kubernetes-list-map-keys"
_TYPE_META = ("apiVersion", "kind", "metadata")
_JSON_SCHEMA = (
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "uniqueItems",
)


class Structure:
    """The schema of one version of a custom type. An empty schema keeps everything."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self.is_open = not schema or (_is_open(schema) and not schema.get("properties"))
        """Whether every object passes unchanged."""

    def pruned(self, tree: Tree, faults: list[str]) -> Tree:
        """`tree` without unknown fields, which `faults` names."""
        if self.is_open:
            return tree
        rest = {name: value for name, value in tree.items() if name not in _TYPE_META}
        kept = _pruned(self._schema, rest, "", faults)
        return {**{name: tree[name] for name in _TYPE_META if name in tree}, **kept}

    def with_defaults(self, tree: Tree) -> Tree:
        """`tree` with the defaults of absent fields. A null that the schema does not allow counts as absent."""
        if self.is_open:
            return tree
        complete: Tree = _defaulted(self._schema, tree)
        return complete

    def causes(self, tree: Tree, old: Tree | None, part: str = "") -> list[Cause]:
        """What is wrong with the object. What an update leaves as it is in `old` may stay wrong.

        part: the field that the request may change, from which the words of a cause count their path.
        """
        if self.is_open:
            return []
        rest = {name: value for name, value in tree.items() if name != "metadata"}
        errors = [
            error
            for error in self._validator.iter_errors(rest)
            if old is None or _at(old, error.absolute_path) != error.instance
        ]
        errors.sort(key=lambda error: [str(step) for step in error.absolute_path])
        found = [cause for error in errors for cause in _causes(error, part)]
        return found + list(_duplicates(self._schema, rest, ""))

    @cached_property
    def _validator(self) -> Any:
        return jsonschema.Draft4Validator(_json_schema(self._schema))

    @cached_property
    def merging(self) -> MergeSchema:
        """How apply merges objects of the type: lists of type `map` and `set` by element, others whole."""
        return _merging(self._schema)


def _is_open(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get(_PRESERVE))


def _pruned(schema: Mapping[str, Any], value: Any, path: str, faults: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_pruned(items, each, f"{path}[{at}]", faults) for at, each in enumerate(value)]
    if not isinstance(value, dict) or schema.get(_INT_OR_STRING):
        return value
    properties, others, kept = schema.get("properties") or {}, schema.get("additionalProperties"), {}
    for name, child in value.items():
        below = f"{path}.{name}" if path else name
        if name in properties:
            kept[name] = _pruned(properties[name], child, below, faults)
        elif isinstance(others, Mapping):
            kept[name] = _pruned(others, child, below, faults)
        elif others or _is_open(schema) or (schema.get(_EMBEDDED) and name in _TYPE_META):
            kept[name] = child
        else:
            faults.append(f'unknown field "{below}"')
    return kept


def _defaulted(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_defaulted(items, each) for each in value]
    if not isinstance(value, dict):
        return value
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    complete = dict(value)
    for name, child in properties.items():
        if name in complete and complete[name] is None and not child.get("nullable"):
            del complete[name]
        if "default" in child and name not in complete:
            complete[name] = copied(child["default"])
        if name in complete:
            complete[name] = _defaulted(child, complete[name])
    if isinstance(others, Mapping):
        complete |= {name: _defaulted(others, each) for name, each in complete.items() if name not in properties}
    return complete


def _json_schema(schema: Mapping[str, Any]) -> Tree:
    """The schema in JSON Schema's words."""
    made: Tree = {name: schema[name] for name in _JSON_SCHEMA if name in schema}
    if schema.get(_INT_OR_STRING):
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    elif "type" in schema:
        made["type"] = [schema["type"], "null"] if schema.get("nullable") else schema["type"]
    if "properties" in schema:
        made["properties"] = {name: _json_schema(each) for name, each in schema["properties"].items()}
    for name in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(name), Mapping):
            made[name] = _json_schema(schema[name])
    for name in ("allOf", "anyOf", "oneOf"):
        if name in schema and name not in made:
            made[name] = [_json_schema(each) for each in schema[name]]
    return made


def _path(steps: Any) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _at(tree: Any, steps: Any) -> Any:
    """The value at the path; None if there is none."""
    for step in steps:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _causes(error: Any, part: str) -> Iterator[Cause]:
    """The API server's words for one error of jsonschema."""
    path, value, bound = _path(error.absolute_path), error.instance, error.validator_value
    inner = path.removeprefix(f"{part}.") if part else path
    shown = encoded(value).decode()
    if error.validator == "required":
        name = re.search(r"'(.*)' is a required property", error.message)
        yield required_value(".".join(filter(None, (path, name[1] if name else ""))))
    elif error.validator == "type":
        found, wanted = _type_word(value), bound if isinstance(bound, str) else bound[0]
        detail = f'{inner} in body must be of type {wanted}: "{found}"'
        yield Cause("FieldValueTypeInvalid", f'Invalid value: "{found}": {detail}', path)
    elif error.validator == "enum":
        yield unsupported_value(path, shown, [str(each) for each in bound])
    elif error.validator == "maxLength":
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {bound} bytes", path)
    elif error.validator in ("maxItems", "maxProperties"):
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {bound} items", path)
    else:
        counted = error.validator in ("minItems", "minProperties")
        yield invalid_value(path, str(len(value)) if counted else shown, f"{inner} in body {_rule(error, bound)}")


def _rule(error: Any, bound: Any) -> str:
    match error.validator:
        case "pattern":
            return f"should match '{bound}'"
        case "minimum" | "maximum":
            word = "greater than" if error.validator == "minimum" else "less than"
            strict = error.schema.get(f"exclusive{error.validator.capitalize()}")
            return f"should be {word} {bound}" if strict else f"should be {word} or equal to {bound}"
        case "minLength":
            return f"should be at least {bound} chars long"
        case "minItems":
            return f"should have at least {bound} items"
        case "minProperties":
            return f"should have at least {bound} properties"
        case "uniqueItems":
            return "shouldn't contain duplicates"
        case other:
            return f"must validate {other}"


def _type_word(value: Any) -> str:
    if value is None:
        return "null"
    words = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return words[type(value)]


def _duplicates(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Cause]:
    """Elements of lists of type `map` or `set` that occur twice."""
    if isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, child in value.items():
            below = properties.get(name, others if isinstance(others, Mapping) else {})
            yield from _duplicates(below, child, f"{path}.{name}" if path else name)
    if not isinstance(value, list):
        return
    keys = schema.get(_MAP_KEYS) if schema.get(_LIST_TYPE) == "map" else None
    seen: list[Any] = []
    for at, each in enumerate(value):
        identity = {key: each.get(key) for key in keys} if keys and isinstance(each, dict) else each
        if keys or schema.get(_LIST_TYPE) == "set":
            if identity in seen:
                yield Cause("FieldValueDuplicate", f"Duplicate value: {encoded(identity).decode()}", f"{path}[{at}]")
            seen.append(identity)
        yield from _duplicates(schema.get("items") or {}, each, f"{path}[{at}]")


def _merging(schema: Mapping[str, Any]) -> MergeSchema:
    fields = {name: _merging(child) for name, child in (schema.get("properties") or {}).items()}
    if schema.get("type") == "array":
        keys, below = list(schema.get(_MAP_KEYS) or ()), _merging(schema.get("items") or {})
        if schema.get(_LIST_TYPE) == "map" and len(keys) == 1:
            return MergeSchema(below.fields, key=keys[0])
        return MergeSchema(values=True) if schema.get(_LIST_TYPE) == "set" else PLAIN
    return MergeSchema(fields) if any(each != PLAIN for each in fields.values()) else PLAIN
