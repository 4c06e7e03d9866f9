"""Names and URLs of resources, in all forms that clients send (docs/reference/compute-engine.md#references)."""

from __future__ import annotations

import re
from typing import NamedTuple

from dualstack_sim.compute.api.errors import ApiError, invalid, invalid_parameter
from dualstack_sim.rules import enforced

NAME = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME = re.compile(NAME)
_PATH_NAME = re.compile(rf"{NAME}|[1-9][0-9]{{0,19}}")
_IN_PROJECT = re.compile(r"(?:^|/)projects/([^/]+)/(.+)$")

GLOBAL = "global"


class Key(NamedTuple):
    """The identity of a resource: `("subnetworks", "regions/europe-west1", "nodes")`."""

    collection: str
    scope: str
    name: str

    def text(self) -> str:
        """The key in a saved state: its three parts, separated by spaces."""
        return " ".join(self)

    @classmethod
    def parse(cls, text: str) -> Key:
        """The inverse of `text`. Raises ValueError for other text."""
        collection, scope, name = text.split(" ")
        return cls(collection, scope, name)


class Links:
    """Builds and parses the URLs of one project. `endpoint` ends in `/compute/v1`, without a slash."""

    def __init__(self, endpoint: str, project: str, number: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.project = project
        self.number = number

    def partial(self, key: Key) -> str:
        """`projects/P/regions/R/subnetworks/S`, as messages name a resource; `projects/P` for the project itself."""
        if key.collection == "projects":
            return f"projects/{self.project}"
        return f"projects/{self.project}/{key.scope}/{key.collection}/{key.name}"

    def full(self, key: Key) -> str:
        return f"{self.endpoint}/{self.partial(key)}"

    def within(self, path: str) -> str:
        """The URL of `path` in the project, such as `regions/europe-west1`."""
        return f"{self.endpoint}/projects/{self.project}/{path}" if path else f"{self.endpoint}/projects/{self.project}"

    def read(self, text: str, collection: str, scope: str) -> Key | None:
        """The key of a full URL of any host, a partial path, or a bare name, which is resolved in `scope`.

        None for other text, and for a path of another project or another collection.
        """
        match = _IN_PROJECT.search(text)
        if match:
            if match[1] not in (self.project, self.number) and enforced("requests.other-project"):
                return None
            text = match[2]
        parts = text.split("/")
        if len(parts) == 1 and not match and parts[0]:
            return Key(collection, scope, parts[0])
        if parts[0] == GLOBAL and len(parts) == 3 and parts[1] == collection:
            return Key(collection, GLOBAL, parts[2])
        if parts[0] in ("regions", "zones") and len(parts) == 4 and parts[2] == collection:
            return Key(collection, f"{parts[0]}/{parts[1]}", parts[3])
        return None


def check_name(value: object) -> str:
    """The checked name of a new resource (docs/reference/compute-engine.md#resource-names)."""
    if not isinstance(value, str) or not (_NAME.fullmatch(value) or not enforced("requests.name-form")):
        raise invalid("resource.name", value, f"Must be a match of regex '(?:{NAME})'")
    return value


def is_name(text: str) -> bool:
    """Whether `text` is a valid name of a project, region or resource."""
    return _NAME.fullmatch(text) is not None


def check_path(value: str, *, numeric: bool = True) -> None:
    """Check a path parameter: a name or, for a resource, its numeric id."""
    if not (_PATH_NAME if numeric else _NAME).fullmatch(value) and enforced("requests.path-form"):
        raise invalid_parameter(value, f"Values must match the following regular expression: '{NAME}'")


def unknown_reference(field: str, value: object, noun: str) -> ApiError:
    return invalid(field, value, f"The referenced {noun} resource cannot be found.")
