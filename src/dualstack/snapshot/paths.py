"""Paths of Compute resources below their project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_SCOPED = re.compile(r"projects/[^/]+/((?:global|zones/[^/]+|regions/[^/]+)/[^/]+/[^/]+)$")
_REGION = re.compile(r"projects/[^/]+/((?:regions|zones)/[^/]+)$")


def path_of(resource: Mapping[str, Any]) -> str | None:
    """The path of a resource, from its selfLink; None without one that names a resource of a project."""
    link = urlsplit(str(resource.get("selfLink") or "")).path.lstrip("/")
    found = _SCOPED.search(link) or _REGION.search(link)
    if found is not None:
        return found[1]
    return "" if re.search(r"projects/[^/]+$", link) else None


def in_collection(path: str, collection: str) -> bool:
    """Whether a resource's path lies in the collection, such as `global/routes` or `aggregated/instances`."""
    parent = path.rpartition("/")[0]
    if collection.startswith("aggregated/"):
        return parent.rpartition("/")[2] == collection.removeprefix("aggregated/")
    return parent == collection
