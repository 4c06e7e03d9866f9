"""The admission hooks of a world as webhooks of a real API server, over TLS with a certificate of their own."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import jsonpatch
import msgspec
from aiohttp import web

from dualstack.model.kinds import MUTATING_WEBHOOK, Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.refusals import AlreadyExists
from dualstack_sim.kube.preparation import Admission, AdmissionRegistry
from dualstack_sim.kube.status import StatusError
from dualstack_sim.world.certificate import HOST, self_signed

_SECONDS = 30
"""The longest that an API server waits for a webhook."""


class Webhooks(AdmissionRegistry):
    """Registers every hook with the API server too. The server must reach loopback on this machine."""

    def __init__(self, kube: KubeApi, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._kube = kube
        self._loop = loop
        self._hooks_of: dict[str, list[Admission]] = {}
        self._port = 0
        self._bundle = ""
        self.application = web.Application(client_max_size=8 << 20)
        self.application.router.add_post("/{group}/{plural}", self._review)

    async def serve(self) -> web.AppRunner:
        """Listen on loopback until the runner is cleaned up."""
        context, authority = self_signed("dualstack simulated admission")
        self._bundle = base64.b64encode(authority).decode()
        runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0, ssl_context=context)
        await site.start()
        self._port = runner.addresses[0][1]
        return runner

    def register(self, group: str, plural: str, hook: Admission) -> None:
        """Register with the API server, from another thread than that of the loop."""
        path = f"{group or 'core'}/{plural}"
        known = path in self._hooks_of
        self._hooks_of.setdefault(path, []).append(hook)
        if not known:
            asyncio.run_coroutine_threadsafe(self._install(group, plural, path), self._loop).result()

    async def _install(self, group: str, plural: str, path: str) -> None:
        name = f"{plural}.{group or 'core'}.sim.dualstack.dev"
        rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
        webhook = {
            "name": name,
            "rules": [rule],
            "clientConfig": {"url": f"https://{HOST}:{self._port}/{path}", "caBundle": self._bundle},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "matchPolicy": "Exact",
            "timeoutSeconds": _SECONDS,
        }
        body: Manifest = {
            "apiVersion": MUTATING_WEBHOOK.api_version,
            "kind": MUTATING_WEBHOOK.kind,
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
        try:
            await self._kube.create(MUTATING_WEBHOOK, body)
        except AlreadyExists:
            await self._kube.patch(MUTATING_WEBHOOK, name, {"webhooks": [webhook]})

    async def remove(self) -> None:
        """Remove all hooks from the API server, which would refuse the objects otherwise."""
        for path in self._hooks_of:
            group, plural = path.split("/")
            await self._kube.delete(MUTATING_WEBHOOK, f"{plural}.{group}.sim.dualstack.dev")

    async def _review(self, http: web.Request) -> web.Response:
        request = msgspec.json.decode(await http.read())["request"]
        path = f"{http.match_info['group']}/{http.match_info['plural']}"
        answer = await asyncio.to_thread(self._decide, self._hooks_of.get(path, []), request)
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
        return web.json_response(body)

    @staticmethod
    def _decide(hooks: list[Admission], request: dict[str, Any]) -> dict[str, Any]:
        given, resource = request["object"], request["resource"]
        kind = Kind(
            resource["group"],
            resource["version"],
            request["kind"]["kind"],
            resource["resource"],
            namespaced=bool(request.get("namespace")),
        )
        new = msgspec.json.decode(msgspec.json.encode(given))
        try:
            for hook in hooks:
                new = hook(request["operation"], kind, request.get("oldObject"), new)
        except StatusError as refusal:
            return {"uid": request["uid"], "allowed": False, "status": refusal.document()}
        answer: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        if changes := jsonpatch.make_patch(given, new).patch:
            encoded = base64.b64encode(msgspec.json.encode(changes)).decode()
            answer |= {"patchType": "JSONPatch", "patch": encoded}
        return answer
