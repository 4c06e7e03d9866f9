"""Records the requests of the product's Kubernetes clients as RBAC sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from dualstack.kube.client import LightkubeKube
from dualstack.model.kinds import Kind


class Request(NamedTuple):
    """URL of the API server, API group, resource with its subresource, verb, and name; empty where there is none."""

    server: str
    group: str
    resource: str
    verb: str
    name: str


VERBS = {
    "get": "get",
    "snapshot": "list",
    "probe": "list",
    "watch": "watch",
    "create": "create",
    "patch": "patch",
    "delete": "delete",
}
"""The methods of the client that send requests, and the verb of each; `list` calls `snapshot`."""

NAMED = ("get", "patch", "delete")


@contextmanager
def recorded() -> Iterator[set[Request]]:
    """What all clients request meanwhile. The actors of the simulated world have another class of client."""
    seen: set[Request] = set()
    with pytest.MonkeyPatch.context() as patch:
        for method, verb in VERBS.items():
            patch.setattr(LightkubeKube, method, _recording(getattr(LightkubeKube, method), verb, seen))
        yield seen


def _recording(method: Any, verb: str, seen: set[Request]) -> Any:
    def record(self: LightkubeKube, kind: Kind, *arguments: Any, **options: Any) -> Any:
        server = self._client._client.config.cluster.server
        subresource = options.get("subresource")
        resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
        seen.add(Request(server, kind.group, resource, verb, arguments[0] if verb in NAMED else ""))
        return method(self, kind, *arguments, **options)

    return record
