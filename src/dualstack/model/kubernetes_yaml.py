"""YAML as Kubernetes reads it, which differs from PyYAML (docs/reference/kubernetes.md#yaml).

What is read and written again must mean the same to Kubernetes: to PyYAML alone, `22:22` is the number 1342, and `"y"`
needs no quotes.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import msgspec
import yaml

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": (r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    "bool": (
        r"(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)",
        list("yYtToOnNfF"),
    ),
    "int": (r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
"""Pattern and first characters of the scalars without quotes that are not strings; timestamps are."""


class Loader(yaml.CSafeLoader):
    """Reads scalars as Kubernetes does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so
    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012


class _Dumper(yaml.CSafeDumper):
    """Quotes every string that a reader of YAML takes for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write shared values again instead of anchors, which not every reader supports."""
        return True


for _name, (_pattern, _first) in _SCALARS.items():
    for _class in (Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"{_pattern}$"), _first)


def load(text: str) -> Any:
    """The one document in the text; yaml.YAMLError for anything else."""
    if text.lstrip().startswith("{"):
        with suppress(msgspec.DecodeError):  # a flow mapping of YAML
            return msgspec.json.decode(text)
    return yaml.load(text, Loader)  # noqa: S506 - it makes scalars, lists and mappings only


def dump(value: Any) -> str:
    """The value as YAML in lines."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
