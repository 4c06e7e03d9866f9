"""The static pods on the node with the control plane: files on that node, of which the API shows mirror pods
(docs/reference/kubernetes.md#mirror-pods)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from dualstack.clock import rfc3339
from dualstack.model.kinds import NODE, POD, Manifest
from dualstack.model.manifests import checksum, command, manifest
from dualstack.model.names import KUBE_SYSTEM
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.pods import is_terminating, owner_reference
from dualstack_sim.actors.refusals import AlreadyExists
from dualstack_sim.world.control_answers import Refused, guarded, json_object

_HASH = "kubernetes.io/config.hash"
_PERIOD = 5.0
"""Seconds between two looks at the files. A kubelet looks every 20 s, and is notified of changes before."""


@dataclass(frozen=True, slots=True)
class StaticPods:
    """The files in /etc/kubernetes/manifests of the node. flags: of each program, by its name; images: likewise.

    label: the label of each pod that names the program.
    """

    node: str
    label: str
    images: Mapping[str, str]
    flags: dict[str, dict[str, str]]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`GET` and `PATCH /static-pods/NAME` of the control endpoint: as with an editor on the node."""
        router.add_get("/static-pods/{name}", guarded(self._show))
        router.add_patch("/static-pods/{name}", guarded(self._edit))

    def mirror_pod(self, program: str, node: Manifest, now: float) -> Manifest:
        """The mirror pod of one file. node: the Node, which owns it."""
        spec = {
            "hostNetwork": True,
            "nodeName": self.node,
            "priorityClassName": "system-node-critical",
            "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
            "containers": [
                {"name": program, "image": self.images[program], "command": command(program, self.flags[program])}
            ],
        }
        digest = checksum(spec)[:32]
        result = manifest(POD, f"{program}-{self.node}", KUBE_SYSTEM, spec=spec)
        result["metadata"] |= {
            "labels": {self.label: program, "tier": "control-plane"},
            "annotations": {
                _HASH: digest,
                "kubernetes.io/config.mirror": digest,
                "kubernetes.io/config.seen": rfc3339(now),
                "kubernetes.io/config.source": "file",
            },
            "ownerReferences": [owner_reference(NODE, node)],
        }
        return result

    async def _show(self, request: web.Request) -> dict[str, str]:
        return self._flags(request)

    async def _edit(self, request: web.Request) -> dict[str, str]:
        flags, change = self._flags(request), await json_object(request)
        if wrong := [name for name, value in change.items() if not isinstance(value, str | None)]:
            raise Refused(400, f"{wrong[0]}: must be a string, or null to remove the flag")
        program = request.match_info["name"]
        merged: dict[str, Any] = {**flags, **change}
        self.flags[program] = {name: value for name, value in merged.items() if value is not None}
        return self.flags[program]

    def _flags(self, request: web.Request) -> dict[str, str]:
        program = request.match_info["name"]
        if program not in self.flags:
            raise Refused(404, f"{program} is not a static pod; these are {', '.join(self.flags)}")
        return self.flags[program]


class StaticPodKubelet:
    """Keeps one mirror pod for each file, with its present content."""

    def __init__(self, context: ActorContext, static: StaticPods) -> None:
        self._clock = context.clock
        self._informers = context.informers
        self._kube, _ = context.named("kubelet")
        self._nodes, self._pods = context.informers.of(NODE), context.informers.of(POD)
        self._static = static

    async def run(self) -> None:
        """Until cancelled."""
        await self._informers.synced(NODE, POD)
        while True:
            node = self._nodes.get(self._static.node)
            if node is not None:
                for program in self._static.flags:
                    await self._keep(self._static.mirror_pod(program, node, self._clock.now()))
            await self._clock.sleep(_PERIOD)

    async def _keep(self, wanted: Manifest) -> None:
        """Create the mirror pod; one of a former content ends first."""
        name = wanted["metadata"]["name"]
        found = self._pods.get(name, KUBE_SYSTEM)
        if found is None:
            with suppress(AlreadyExists):  # the watch is late
                self._pods.observe(await self._kube.create(POD, wanted))
        elif not is_terminating(found) and _hash(found) != _hash(wanted):
            await self._kube.delete(POD, name, KUBE_SYSTEM, uid=found["metadata"]["uid"])


def _hash(pod: Manifest) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(_HASH))
