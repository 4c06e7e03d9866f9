"""What a trial owns: names with its random id. Nothing else is changed or deleted (docs/evidence.md#safety)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dualstack.gce.resources import last_segment
from dualstack.model.errors import DualstackError

PREFIX = "dualstack-trial-"
LABEL = "dualstack-trial"
"""Of the resources that can have labels: VMs and disks."""
_NAME = re.compile(r"dualstack-trial-([0-9a-f]{8})(?:-[a-z0-9-]+)?")
_REFERENCES = ("network", "subnetwork", "nextHopInstance")


class ForeignResource(DualstackError):
    """A request would change a resource that does not belong to the trial; it was not sent."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One trial. id: eight hexadecimal digits."""

    id: str

    @classmethod
    def new(cls) -> Owner:
        """A trial with a random id."""
        return cls(secrets.token_hex(4))

    @property
    def network(self) -> str:
        """The name of the VPC network."""
        return PREFIX + self.id

    @property
    def description(self) -> str:
        """The description of every resource that can have one."""
        return f"Temporary, made by dualstack trial {self.id}. `dualstack trial --cleanup` removes it."

    def name(self, suffix: str) -> str:
        """The name of any other resource."""
        return f"{self.network}-{suffix}"

    def owns(self, name: str) -> bool:
        """Whether a resource of this name, or at this URL, belongs to the trial."""
        return trial_of(name) == self.id

    def owns_network(self, network: Mapping[str, Any]) -> bool:
        """Whether the trial made this VPC network: its name alone is not enough."""
        return network.get("name") == self.network and network.get("description") == self.description

    def refuse_foreign(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        """ForeignResource if a change concerns, or refers to, a resource that does not belong to the trial."""
        if method == "GET":
            return
        target = _target(path)
        names = [target or str((body or {}).get("name", "")), *(last_segment(link) for link in _links(body or {}))]
        for name in names:
            if not self.owns(name):
                raise ForeignResource(f"{method} {path}: {name!r} does not belong to trial {self.id}; not sent")


def trial_of(name: str) -> str | None:
    """The id of the trial to which a resource of this name, or at this URL, belongs."""
    found = _NAME.fullmatch(last_segment(name))
    return found[1] if found else None


def _target(path: str) -> str:
    """The name of the resource at a path; empty for a collection."""
    scope, *rest = path.split("/")
    rest = rest[scope != "global" :]
    return rest[1] if len(rest) > 1 else ""


def _links(body: Mapping[str, Any]) -> Iterator[str]:
    for place in (body, *(body.get("networkInterfaces") or ())):
        yield from (str(place[field]) for field in _REFERENCES if place.get(field))
