"""Changes one value inside the text of a configuration file, and keeps the rest of the text as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from dualstack.model import kubernetes_yaml


def with_yaml_value(text: str, key: str, value: str | Sequence[str]) -> str:
    """The YAML or JSON mapping with the value of one top-level key replaced by a string or a list of strings.

    Nothing but the text of the value changes, and of a list only the entries behind the first ones that stay.
    ValueError when the text is not one mapping, when it does not set the key once, and when the value is an anchor.
    """
    wanted = {**read_mapping(text), key: value if isinstance(value, str) else list(value)}
    try:
        root = yaml.compose(text, kubernetes_yaml.Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is JSON with an escape that YAML does not have: {error}") from error
    found = [entry for name, entry in root.value if name.value == key] if isinstance(root, yaml.MappingNode) else []
    if len(found) != 1:
        raise ValueError(f'"{key}" is {f"set {len(found)} times" if found else "not set"}')
    if read_mapping(text) == wanted:
        return text
    edited = _with_scalar(text, found[0], value) if isinstance(value, str) else _with_list(text, found[0], value)
    try:
        if read_mapping(edited) == wanted:
            return edited
    except ValueError:
        pass
    raise ValueError(f'"{key}" cannot be changed alone')


def read_mapping(text: str) -> dict[str, Any]:
    """The one YAML mapping in the text; ValueError for anything else."""
    try:
        found = kubernetes_yaml.load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from error
    if isinstance(found, dict):
        return found
    raise ValueError("it is not a mapping")


def with_json_object(text: str, member: str, changed: Any) -> str:
    """The JSON text in which the object that is the value of `member` is replaced, in the layout of its surroundings.

    The text may have placeholders that an installer fills in. ValueError when there is not exactly one such object.
    """
    start, end = _span_of(text, member)
    line = text[text.rfind("\n", 0, start) + 1 : start]
    content = msgspec.json.encode(changed)
    found = re.compile(r"(\r?\n)([ \t]*)").search(text, start, end)
    if not found:
        return text[:start] + content.decode() + text[end:]
    margin = line[: len(line) - len(line.lstrip())]
    step = found[2].removeprefix(margin) or "  "
    lines = msgspec.json.format(content, indent=1).decode().splitlines()
    indented = [step * (len(each) - len(each.lstrip(" "))) + each.lstrip(" ") for each in lines]
    return text[:start] + f"{found[1]}{margin}".join(indented) + text[end:]


def json_object(text: str, member: str) -> dict[str, Any]:
    """The object that is the value of `member`, anywhere in the JSON text; ValueError as `with_json_object`."""
    start, end = _span_of(text, member)
    found: dict[str, Any] = msgspec.json.decode(text[start:end])
    return found


def _with_scalar(text: str, node: yaml.Node, value: str) -> str:
    """The text with another value in the place of the node, in the quotes that the present one has."""
    start, end = node.start_mark.index, node.end_mark.index
    quote = text[start : start + 1] if text[start : start + 1] in ("'", '"') else ""
    return f"{text[:start]}{quote}{value}{quote}{text[end:]}"


def _with_list(text: str, node: yaml.Node, value: Sequence[str]) -> str:
    """The text with other entries in the list; entries at the beginning that are the same stay as they are written."""
    if not isinstance(node, yaml.SequenceNode):
        raise ValueError("the value is not a list")  # noqa: TRY004 - of the text, not of the program
    entries, kept = node.value, 0
    while kept < min(len(entries), len(value)) and entries[kept].value == value[kept]:
        kept += 1
    if not kept:
        raise ValueError("no entry of the list stays")
    start, end = (entry.end_mark.index for entry in (entries[kept - 1], entries[-1]))
    if node.flow_style:
        added = "".join(f', "{each}"' for each in value[kept:])
    else:
        # Comments stay in the lines of their entries.
        start, end = _end_of_line(text, start), _end_of_line(text, end)
        newline = "\r\n" if "\r\n" in text else "\n"
        added = "".join(f"{newline}{' ' * node.start_mark.column}- {each}" for each in value[kept:])
    return text[:start] + added + text[end:]


def _end_of_line(text: str, index: int) -> int:
    """The index behind the last character of the line."""
    found = re.compile(r"\r?\n|\Z").search(text, index)
    return found.start() if found else len(text)


def _span_of(text: str, member: str) -> tuple[int, int]:
    found = list(re.finditer(rf'"{re.escape(member)}"\s*:\s*(?=\{{)', text))
    if len(found) != 1:
        raise ValueError(f'it has {len(found) or "no"} objects named "{member}", where one is expected')
    start = found[0].end()
    end = _end_of_object(text, start)
    try:
        msgspec.json.decode(text[start:end])
    except msgspec.DecodeError as error:
        raise ValueError(f'"{member}" is not JSON: {error}') from error
    return start, end


def _end_of_object(text: str, start: int) -> int:
    depth, quoted, index = 0, False, start
    while index < len(text):
        character = text[index]
        if quoted:
            index += character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return index + 1
        index += 1
    raise ValueError("an object has no end")
