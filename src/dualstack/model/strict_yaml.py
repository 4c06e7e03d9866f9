"""YAML with the rule of Kubernetes that a duplicate key in a mapping is an error."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from dualstack.model.errors import InvalidInput


def documents(text: str) -> list[Any]:
    """All non-empty documents of `text`; InvalidInput, in one line, if it is not YAML."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidInput(f"not YAML: {where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"not YAML: {' '.join(str(error).split())}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML alone keeps the last value of a duplicate key."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            # Keys that `<<` merges in may be overridden.
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key, deep=True)
            if isinstance(name, Hashable):
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'key "{name}" is already set in this mapping', key.start_mark
                    )
                seen.add(name)
        return super().construct_mapping(node, deep)
