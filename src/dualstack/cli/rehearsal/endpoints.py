"""The three HTTP endpoints of a simulated world, as an onlooker uses them: Kubernetes, Compute, control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from dualstack.clock import ScaledClock
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import Kind, Manifest


class RequestRefused(DualstackError):
    """An endpoint of the rehearsal answered with an error; the message has the method, the path and the answer."""


@dataclass(frozen=True, slots=True)
class WorldAddress:
    """Where a simulated world listens, and how its time runs."""

    compute: str
    control: str
    kubeconfig: Path
    project: str
    clock: ScaledClock

    @classmethod
    def parse(cls, line: bytes) -> WorldAddress:
        """Read the line of JSON that `dualstack sim serve` prints."""
        facts = msgspec.json.decode(line)
        return cls(
            compute=facts["computeEndpoint"],
            control=facts["controlEndpoint"],
            kubeconfig=Path(facts["kubeconfig"]),
            project=facts["project"],
            clock=ScaledClock(origin=facts["clock"]["origin"], speed=facts["clock"]["speed"]),
        )

    def kubernetes(self) -> str:
        """The server of the current context in the kubeconfig file."""
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        current = next(entry for entry in config["contexts"] if entry["name"] == config["current-context"])
        cluster = next(entry for entry in config["clusters"] if entry["name"] == current["context"]["cluster"])
        return str(cluster["cluster"]["server"])


class Endpoints:
    """Reads and writes as an onlooker; every method raises RequestRefused when the endpoint answers with an error."""

    def __init__(self, address: WorldAddress, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.clock = address.clock
        self._session = session
        self._kubernetes = address.kubernetes().rstrip("/")

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Manifest:
        """One Kubernetes object."""
        answer: Manifest = await self._request("GET", self._kubernetes + kind.item(name, namespace))
        return answer

    async def list_all(self, kind: Kind, namespace: str | None = None, labels: str | None = None) -> list[Manifest]:
        """All Kubernetes objects of a kind, of one namespace or of all."""
        parameters = {"labelSelector": labels} if labels else {}
        answer = await self._request("GET", self._kubernetes + kind.collection(namespace), params=parameters)
        items: list[Manifest] = answer["items"]
        return items

    async def merge(self, kind: Kind, name: str, body: Manifest, namespace: str | None = None) -> Manifest:
        """JSON merge patch."""
        answer: Manifest = await self._request(
            "PATCH",
            self._kubernetes + kind.item(name, namespace),
            data=msgspec.json.encode(body),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        return answer

    async def watch(self, kind: Kind, name: str, namespace: str) -> AsyncIterator[Manifest]:
        """The object as it is, and again after every change, until the server ends the watch."""
        url = self._kubernetes + kind.collection(namespace)
        parameters = {"watch": "1", "fieldSelector": f"metadata.name={name}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, params=parameters, timeout=timeout) as response:
            async for line in response.content:
                event = msgspec.json.decode(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif event["type"] == "ERROR":
                    return

    async def compute(self, path: str) -> Manifest:
        """A Compute resource, or a list of at most 500, at `path` below the project.

        Asked of the control endpoint: to look must not use up quota, nor take the faults meant for the product.
        """
        answer: Manifest = await self.control(f"/compute/v1/projects/{self.address.project}/{path}")
        return answer

    async def compute_list(self, path: str) -> list[Manifest]:
        """All resources of the collection at `path`, through every page."""
        items: list[Manifest] = []
        token = ""
        while True:
            page = await self.compute(path + (f"?pageToken={token}" if token else ""))
            items += page.get("items", [])
            token = page.get("nextPageToken", "")
            if not token:
                return items

    async def control(self, path: str, method: str = "GET") -> Any:
        """What the world's control endpoint says at `path`."""
        return await self._request(method, self.address.control.rstrip("/") + path)

    async def _request(self, method: str, url: str, **arguments: Any) -> Any:
        try:
            async with self._session.request(method, url, **arguments) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RequestRefused(f"{method} {url}: {error}") from error
        if response.status >= 400:
            raise RequestRefused(f"{method} {url}: {response.status}: {_message(body)}")
        return msgspec.json.decode(body)


def _message(body: bytes) -> str:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode(errors="replace")
    if isinstance(answer, dict):
        message = answer.get("message") or answer.get("error", {}).get("message")
        return str(message or answer)
    return str(answer)
