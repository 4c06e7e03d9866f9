"""Requests to extensions and the waits for their answers, with gardenlet's conditions and times
(docs/reference/gardener.md#requests-and-waiting)."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.model.kinds import CONTROL_PLANE, INFRASTRUCTURE, NETWORK, WORKER
from dualstack.gardener.model.names import OPERATION, RECONCILE, TIMESTAMP
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.actors.kube_api import KubeApi


@dataclass(frozen=True, slots=True)
class WaitTimes:
    """Seconds between two looks at an object, and until gardenlet stops waiting for it."""

    interval: float
    timeout: float


WAIT_TIMES = {
    INFRASTRUCTURE: WaitTimes(10.0, 600.0),
    CONTROL_PLANE: WaitTimes(5.0, 180.0),
    NETWORK: WaitTimes(5.0, 180.0),
    WORKER: WaitTimes(5.0, 600.0),
}
"""docs/reference/gardener.md#wait-times"""


class NotReady(DualstackError):
    """The extension has not answered in time; `codes` are those of its lastError."""

    def __init__(self, text: str, codes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.codes = codes


@dataclass(frozen=True, slots=True)
class Requests:
    """The extension objects of one Shoot."""

    kube: KubeApi
    clock: Clock

    async def request(self, kind: Kind, wanted: Manifest) -> None:
        """Write the spec, and request a reconcile with both annotations."""
        await self._write(kind, wanted, {OPERATION: RECONCILE, TIMESTAMP: _nanoseconds(self.clock.now())})

    async def request_if_due(self, kind: Kind, wanted: Manifest, *, forced: bool) -> None:
        """As `request` where that is due, else write only the spec
        (docs/reference/gardener.md#infrastructure-request)."""
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        if forced or _is_due(await self.kube.get(kind, name, namespace)):
            await self.request(kind, wanted)
        else:
            await self._write(kind, wanted, {})

    async def _write(self, kind: Kind, wanted: Manifest, annotations: dict[str, str]) -> None:
        metadata = {**wanted["metadata"], "annotations": annotations}
        name, namespace = metadata["name"], metadata["namespace"]
        if await self.kube.get(kind, name, namespace) is None:
            await self.kube.create(kind, {**wanted, "metadata": metadata})
            return
        change = {"spec": wanted["spec"], **({"metadata": {"annotations": annotations}} if annotations else {})}
        await self.kube.patch(kind, name, change, namespace)

    async def wait(self, kind: Kind, name: str, namespace: str) -> Manifest:
        """The object once it has answered the request that it carries. NotReady when the time is over."""
        times, begun = WAIT_TIMES[kind], self.clock.now()
        requested = dig(await self.kube.get(kind, name, namespace), "metadata", "annotations", TIMESTAMP)
        while True:
            found = await self.kube.get(kind, name, namespace)
            missing = missing_answer(found, requested)
            if missing is None and found is not None:
                return found
            if self.clock.now() - begun >= times.timeout:
                codes = tuple(dig(found, "status", "lastError", "codes") or ())
                subject = f"error while waiting for {kind.kind} {namespace}/{name} to become ready"
                raise NotReady(f"{subject}: {missing}", codes)
            await self.clock.sleep(times.interval)


def missing_answer(found: Manifest | None, requested: str | None) -> str | None:
    """What is missing until the request with the timestamp `requested` is answered; None when it is
    (docs/reference/gardener.md#wait-conditions)."""
    if found is None:
        return "the object does not exist"
    status, annotations = found.get("status") or {}, found["metadata"].get("annotations") or {}
    last = status.get("lastOperation") or {}
    stamp = annotations.get(TIMESTAMP)
    if stamp != requested:
        return f"object has wrong operation timestamp annotation: {stamp} instead of {requested}"
    if error := status.get("lastError"):
        return f"error during reconciliation: {error.get('description')}"
    generation = found["metadata"].get("generation")
    if status.get("observedGeneration") != generation:
        return f"observed generation outdated ({status.get('observedGeneration')}/{generation})"
    if operation := annotations.get(OPERATION):
        return f'gardener operation "{operation}" is not yet picked up by controller'
    if last.get("state") != "Succeeded":
        return f"extension state is not Succeeded but {last.get('state')}"
    if stamp is not None and int(parse_rfc3339(stamp)) > parse_rfc3339(last["lastUpdateTime"]):
        return "last operation was not updated since the request"
    return None


def _is_due(found: Manifest | None) -> bool:
    last = dig(found, "status", "lastOperation") or {}
    stamp = dig(found, "metadata", "annotations", TIMESTAMP)
    if last.get("state") != "Succeeded":
        return True
    try:
        return stamp is not None and int(parse_rfc3339(stamp)) > parse_rfc3339(last["lastUpdateTime"])
    except ValueError:
        return True


def _nanoseconds(seconds: float) -> str:
    return rfc3339(seconds, fraction=True)
