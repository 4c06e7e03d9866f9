"""Reads a body as a built-in type, as Go's decoder does: types, unknown fields, and what `fieldValidation` does then.

The fields of each type are those of the protobuf layout (docs/simulated-kubernetes.md#decoding).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from dualstack.clock import parse_rfc3339
from dualstack_sim.kube.objects import encoded
from dualstack_sim.kube.protobuf import Field, kind_of, shape
from dualstack_sim.kube.status import StatusError, bad_request, invalid, invalid_value

Validation = Literal["Ignore", "Warn", "Strict"]
VALIDATIONS: tuple[Validation, ...] = ("Ignore", "Strict", "Warn")

MOST_WARNINGS = 100

_METADATA = "apimachinery/pkg/apis/meta/v1.ObjectMeta"
_QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
_INT64 = frozenset(
    {
        "activeDeadlineSeconds",
        "creationTime",
        "expirationSeconds",
        "fsGroup",
        "generation",
        "gracePeriodSeconds",
        "observedGeneration",
        "deletionGracePeriodSeconds",
        "remainingItemCount",
        "runAsGroup",
        "runAsUser",
        "sizeBytes",
        "supplementalGroups",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
    }
)


class WrongType(Exception):
    """A value that Go cannot decode; the message is Go's."""


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """What a request wants done with unknown fields, and the warnings of its response."""

    mode: Validation = "Ignore"
    warnings: list[str] = field(default_factory=list)

    def settle(self, faults: list[str], refuse: Callable[[str], StatusError]) -> None:
        """Refuse or warn because of `faults`, such as `unknown field "spec.x"`."""
        if faults and self.mode == "Strict":
            raise refuse(f"strict decoding error: {', '.join(faults)}")
        if self.mode == "Warn":
            self.warnings.extend(faults[: MOST_WARNINGS - len(self.warnings)])


def known_type(api_version: str, kind: str) -> str | None:
    """The name of the layout of a built-in type."""
    return kind_of({"apiVersion": api_version, "kind": kind})


def read(type_name: str, tree: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    """`tree` with the fields of the type alone; `faults` gets the unknown ones. Raises WrongType."""
    return _Reader(faults).message(type_name, tree, "", ())


def read_metadata(metadata: Any, faults: list[str]) -> dict[str, Any]:
    """The metadata of a custom resource, as `read`."""
    if not isinstance(metadata, dict):
        raise WrongType(f"json: cannot unmarshal {json_word(metadata)} into Go value of type v1.ObjectMeta")
    return _Reader(faults).message(_METADATA, metadata, "metadata", ("metadata",), top=False)


@cache
def _members(type_name: str) -> Mapping[str, Field]:
    """The fields by their name in JSON; those of embedded messages stand in their place."""
    found: dict[str, Field] = {}
    for each in shape(type_name).values():
        found.update(_members(each.form) if not each.name else {each.name: each})
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    faults: list[str]

    def message(
        self, type_name: str, tree: Mapping[str, Any], path: str, names: tuple[str, ...], top: bool = True
    ) -> dict[str, Any]:
        members, kept = _members(type_name), {}
        for name, value in tree.items():
            member = members.get(name)
            if member is not None:
                if value is not None:
                    where = _Where(type_name, member, f"{path}.{name}" if path else name, (*names, name))
                    kept[name] = self._field(where, value)
            elif top and not path and name in ("apiVersion", "kind"):
                kept[name] = value
            else:
                self.faults.append(f'unknown field "{path}.{name}"' if path else f'unknown field "{name}"')
        return kept

    def _field(self, where: _Where, value: Any) -> Any:
        if where.field.list:
            if not isinstance(value, list):
                raise where.wrong(value, whole=True)
            return [self._value(where.at(index), item) for index, item in enumerate(value)]
        if where.field.map:
            if not isinstance(value, dict):
                raise where.wrong(value, whole=True)
            return {key: self._value(where.under(key), item) for key, item in value.items()}
        return self._value(where, value)

    def _value(self, where: _Where, value: Any) -> Any:
        form = where.field.form
        check = _CHECKS.get(form)
        if check is not None:
            if value is not None or form == "string":
                value = check(where, value)
            return value
        if form in _OPAQUE:
            return value
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise where.wrong(value)
        return self.message(form, value, where.path, where.names, top=False)


@dataclass(frozen=True, slots=True)
class _Where:
    """A field of `type_name`: its path in the document, and its path of names alone."""

    type_name: str
    field: Field
    path: str
    names: tuple[str, ...]

    def at(self, index: int) -> _Where:
        return _Where(self.type_name, self.field, f"{self.path}[{index}]", self.names)

    def under(self, key: str) -> _Where:
        return _Where(self.type_name, self.field, f"{self.path}.{key}", self.names)

    def wrong(self, value: Any, *, whole: bool = False) -> WrongType:
        """The error for a value of another type; `whole`: in place of a list or a map."""
        one = self._go_type()
        go_type = (f"[]{one}" if self.field.list else f"map[string]{one}") if whole else one
        place = f"{self.type_name.rpartition('.')[2]}.{'.'.join(self.names)}"
        return WrongType(f"json: cannot unmarshal {json_word(value)} into Go struct field {place} of type {go_type}")

    def _go_type(self) -> str:
        form = self.field.form
        if form == "int":
            return "int64" if self.names[-1] in _INT64 else "int32"
        if form in _GO_TYPES:
            return _GO_TYPES[form]
        package, _, name = form.rpartition(".")
        return f"{package.rpartition('/')[2]}.{name}" if package else form


_GO_TYPES = {"string": "string", "bool": "bool", "bytes": "[]uint8", "double": "float64"}
_OPAQUE = frozenset(
    {"RawExtension", "FieldsV1", "JSON", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrArray", "Items"}
    | {"JSONSchemaPropsOrStringArray"}
)


def json_word(value: Any) -> str:
    """What Go calls a JSON value in an error."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number" if isinstance(value, int) else f"number {value!r}"
    words: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return words.get(type(value), "null")


def _text(where: _Where, value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise where.wrong(value)
    return value


def _bool(where: _Where, value: Any) -> Any:
    if not isinstance(value, bool):
        raise where.wrong(value)
    return value


def _int(where: _Where, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise where.wrong(value)
    return value


def _double(where: _Where, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise where.wrong(value)
    return value


def _bytes(where: _Where, value: Any) -> Any:
    if not isinstance(value, str):
        raise where.wrong(value)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        at = next((index for index, letter in enumerate(value) if not _is_base64(letter)), len(value) // 4 * 4)
        raise WrongType(f"illegal base64 data at input byte {at}") from None
    return value


def _is_base64(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter in "+/=")


def _time(where: _Where, value: Any) -> Any:
    if not isinstance(value, str):
        raise where.wrong(value)
    try:
        parse_rfc3339(value)
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00" if where.field.form == "Time" else "2006-01-02T15:04:05.000000Z07:00"
        raise WrongType(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"') from None
    return value


def _quantity(where: _Where, value: Any) -> Any:
    text = str(value)
    if isinstance(value, bool | list | dict) or not _QUANTITY.match(text):
        raise WrongType(f"quantities must match the regular expression '{_QUANTITY.pattern}'")
    return value


def _int_or_text(where: _Where, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise where.wrong(value)
    return value


_CHECKS: dict[str, Callable[[_Where, Any], Any]] = {
    "string": _text,
    "bool": _bool,
    "int": _int,
    "double": _double,
    "bytes": _bytes,
    "Time": _time,
    "MicroTime": _time,
    "Duration": _text,
    "Quantity": _quantity,
    "IntOrString": _int_or_text,
}


def patch_refusal(why: str, patched: str) -> StatusError:
    """422: the result of a patch is no object of the type."""
    return invalid("", "", "", [invalid_value("patch", encoded(patched).decode(), why)])


def body_refusal(kind: str, version: str) -> Callable[[str], StatusError]:
    """Makes the 400 for a body that is no object of the type."""
    return lambda why: bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def check_types(
    api_version: str, kind: str, body: dict[str, Any], refuse: Callable[[str], StatusError] | None = None
) -> None:
    """400, or what `refuse` makes, for a field of another type than that of this kind."""
    try:
        read(known_type(api_version, kind) or "", body, [])
    except WrongType as error:
        raise (refuse or body_refusal(kind, api_version.rpartition("/")[2]))(str(error)) from None
