"""YAML as Kubernetes reads it: a key that stands twice in a mapping is a mistake; no value is dropped in silence."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from dualstack.model.errors import InvalidInput


def documents(text: str) -> list[Any]:
    """All documents of `text` that are not empty; InvalidInput, in one sentence, when it is no YAML."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidInput(f"not YAML: {where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"not YAML: {' '.join(str(error).split())}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two values of a key."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            # What `<<` merges in may be overridden: that is what it is for.
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
