"""Changes one value inside the text of a configuration file, and keeps the rest of the text as it is."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml


def with_yaml_value(text: str, key: str, value: Any) -> str:
    """The YAML mapping with one top-level key set, or removed for None. Every other line stays as it is.

    ValueError when the text is not one mapping. A mapping in flow style is written again as a whole.
    """
    current = read_mapping(text)
    wanted = {name: entry for name, entry in current.items() if name != key}
    if value is not None:
        wanted = {**current, key: value}
    if wanted == current:
        return text
    edited = _with_lines(text, key, _dump({key: value}) if value is not None else "")
    try:
        if yaml.safe_load(edited) == wanted:
            return edited
    except yaml.YAMLError:
        pass
    return _dump(wanted)


def read_mapping(text: str) -> dict[str, Any]:
    """The one YAML mapping in the text; ValueError for anything else."""
    try:
        found = yaml.safe_load(text)
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
    if "\n" not in text[start:end]:
        return text[:start] + content.decode() + text[end:]
    margin = line[: len(line) - len(line.lstrip())]
    lines = msgspec.json.format(content, indent=2).decode().splitlines()
    return text[:start] + f"\n{margin}".join(lines) + text[end:]


def json_object(text: str, member: str) -> dict[str, Any]:
    """The object that is the value of `member`, anywhere in the JSON text; ValueError as `with_json_object`."""
    start, end = _span_of(text, member)
    found: dict[str, Any] = msgspec.json.decode(text[start:end])
    return found


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False)


def _with_lines(text: str, key: str, replacement: str) -> str:
    lines = text.splitlines(keepends=True)
    pattern = re.compile(rf"""(['"]?){re.escape(key)}\1\s*:(\s|$)""")
    start = next((index for index, line in enumerate(lines) if pattern.match(line)), len(lines))
    end = start + 1
    while end < len(lines) and _continues(lines[end]):
        end += 1
    while end > start + 1 and _is_empty(lines[end - 1]):
        end -= 1  # comments and empty lines behind the value belong to what follows
    before = "".join(lines[:start])
    if before and not before.endswith("\n"):
        before += "\n"
    return before + replacement + "".join(lines[end:])


def _continues(line: str) -> bool:
    """Whether the line belongs to the value of the top-level key above it; entries of a list need no indentation."""
    return _is_empty(line) or line[0].isspace() or line.startswith(("- ", "-\n")) or line.rstrip("\n") == "-"


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


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
