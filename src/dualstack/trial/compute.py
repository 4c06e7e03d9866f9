"""The Compute client of a trial: keeps every exchange, and refuses to change what the trial does not own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from dualstack.clock import Clock, parse_rfc3339
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.client import DEFAULT_ENDPOINT
from dualstack.gce.credentials import Credentials
from dualstack.gce.errors import (
    AlreadyExists,
    ComputeRefusal,
    InUse,
    NotFound,
    NotReady,
    PermissionDenied,
    PolicyViolated,
    QuotaExceeded,
    RateLimited,
    StaleFingerprint,
    Transient,
    Unauthenticated,
)
from dualstack.gce.resources import first_interface
from dualstack.trial.document import Exchange
from dualstack.trial.ownership import Owner

FLAG = "allowSubnetCidrRoutesOverlap"
"""The field of a subnet that lets its ranges overlap with routes."""
ATTEMPTS = 6
"""How often a change is tried while it fails for a passing reason."""
PAUSE = 2.0
SKEW = 5.0
"""Seconds by which this machine's clock may differ from Compute's before that is taken into account."""
ABOUT_SOMETHING_ELSE = (
    NotFound,
    NotReady,
    PermissionDenied,
    PolicyViolated,
    RateLimited,
    StaleFingerprint,
    Transient,
    Unauthenticated,
)
"""Refusals that do not say whether Compute permits the change itself."""
_REFERENCE_MISSING = "resource cannot be found"
"""In the message of an invalid field that refers to a resource that is gone."""
_UNSENT = ("user", "metadata", "serviceAccounts")
"""Fields of answers that are not kept: the account, and scripts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How Compute answered a change. ended: Unix seconds at which it took effect, by Compute's clock."""

    refusal: ComputeRefusal | None = None
    ended: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.refusal is None

    @property
    def channel(self) -> str:
        """Where it was refused: `request`, `operation`; empty if it was not."""
        if self.refusal is None:
            return ""
        return "operation" if self.refusal.in_operation else "request"

    def describe(self) -> str:
        """As a clause."""
        if self.refusal is None:
            return "it was accepted"
        message = self.refusal.message
        reason = message.partition(" failed: ")[2] if self.refusal.in_operation else message
        return f"it was refused in the {self.channel}: {reason.rstrip('.')}"


_EXPERIMENT: ContextVar[str] = ContextVar("experiment", default="")
"""In whose tasks requests are sent."""


@dataclass(slots=True)
class _Entry:
    experiment: str
    at: float
    seconds: float
    call: str
    query: dict[str, str]
    body: Any
    status: int
    answer: Any
    operation: Any = None


class TrialCompute(ComputeClient):
    """One project, for one trial."""

    def __init__(
        self,
        project: str,
        clock: Clock,
        owner: Owner,
        *,
        credentials: Credentials | None = None,
        endpoint: str = DEFAULT_ENDPOINT,
    ) -> None:
        super().__init__(project, clock, credentials=credentials, endpoint=endpoint)
        self.owner = owner
        self._time = clock
        self._entries: list[_Entry] = []
        self._begun: dict[str, _Entry] = {}
        """By the name of the operation that the request began."""
        self.requests = self.changes = 0
        self._skew = 0.0

    def now(self) -> float:
        """Unix seconds by Compute's clock, as its operations show it; the VMs follow the same clock."""
        return self._time.now() + self._skew

    # -- the record

    def record_as(self, experiment: str) -> None:
        """Keep what the present task, and those that it starts from now on, send under the name of an experiment."""
        _EXPERIMENT.set(experiment)

    def exchanges(self, experiment: str) -> tuple[Exchange, ...]:
        """The record of an experiment, without the project and the account."""
        hidden = _Hidden(self.project)
        return tuple(
            Exchange(
                at=round(entry.at, 3),
                seconds=round(entry.seconds, 3),
                call=entry.call,
                query=entry.query,
                body=hidden.of(entry.body),
                status=entry.status,
                answer=hidden.of(entry.answer),
                operation=hidden.of(entry.operation),
            )
            for entry in self._entries
            if entry.experiment == experiment
        )

    def hidden(self, text: str) -> str:
        """A text of the document, without the project."""
        return str(_Hidden(self.project).of(text))

    def seconds_of_reads(self) -> list[float]:
        """How long each successful read of one resource took."""
        return [
            entry.seconds
            for entry in self._entries
            if entry.call.startswith("GET") and entry.status == 200 and isinstance(entry.answer, dict)
        ]

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str | None]
    ) -> Resource:
        asks = path.endswith("/testIamPermissions")
        if not asks:
            self.owner.refuse_foreign(method, path, body)
        self.requests += 1
        self.changes += method != "GET" and not asks
        began = self._time.now()
        status, answer, refused = 200, Resource(), None
        try:
            answer = await super()._send(method, path, body, query)
        except ComputeRefusal as error:
            status, answer, refused = error.status, {"reason": error.reason, "message": error.message}, error
        self._keep(method, path, body, query, began, status, answer)
        if refused is not None:
            raise refused
        return answer

    def _keep(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str | None],
        began: float,
        status: int,
        answer: Resource,
    ) -> None:
        if "/operations" in path:
            listed = answer.get("items") or (answer,)
            for operation in listed if isinstance(listed, list | tuple) else ():
                self._end(operation)
            return
        if path.endswith("/serialPort"):
            return
        asked = {name: value for name, value in query.items() if value is not None}
        seconds = self._time.now() - began
        if stamp := answer.get("insertTime"):
            skew = parse_rfc3339(stamp) - (began + seconds / 2)
            self._skew = skew if abs(skew) > SKEW else 0.0
        call = f"{method} {path}"
        entry = _Entry(_EXPERIMENT.get(), began, seconds, call, asked, body, status, answer)
        self._entries.append(entry)
        if method != "GET" and answer.get("name"):
            self._begun[answer["name"]] = entry

    def _end(self, operation: Resource) -> None:
        entry = self._begun.get(str(operation.get("name")))
        if operation.get("status") == "DONE" and entry is not None:
            entry.operation = operation

    # -- reading

    async def serial_output(self, path: str, port: int, start: int) -> tuple[str, int]:
        """The output of a VM's serial port from byte `start` on, and the byte after it."""
        query = {"port": str(port), "start": str(start)}
        answer = await self._request("GET", f"{path}/serialPort", query=query)
        return str(answer.get("contents") or ""), int(answer.get("next") or 0)

    async def rate_limited(self, path: str) -> RateLimited | None:
        """Read once, without a place in the record and without regard to quotas; the refusal for a used-up quota."""
        self.requests += 1
        try:
            await super()._send("GET", path, None, {})
        except RateLimited as refused:
            return refused
        except Transient:
            pass  # it says nothing about the quota
        return None

    # -- changing

    async def create(self, collection: str, body: Mapping[str, Any]) -> None:
        """Insert a resource of the trial; one that an earlier attempt has made is not an error."""

        async def insert() -> Resource:
            try:
                return await self.post(collection, body)
            except AlreadyExists:
                return {}

        await self._persistently(insert)

    async def remove(self, path: str) -> Outcome:
        """Delete a resource of the trial, if it exists."""

        async def delete() -> Resource:
            try:
                return await self._mutate("DELETE", path, None, {})
            except NotFound:
                return {}

        return await self.attempt(delete)

    async def attempt(self, change: Callable[[], Awaitable[Resource]], *, of_quota: bool = False) -> Outcome:
        """Try a change until Compute accepts it, or refuses it twice with the same words.

        of_quota: whether the question is one of quotas. Raises a refusal that is about something else: a missing
        permission or resource, a policy, a used-up quota, no answer.
        """
        before: ComputeRefusal | None = None
        for _ in range(ATTEMPTS):
            try:
                operation = await self._persistently(change)
            except (PermissionDenied, PolicyViolated, Unauthenticated, Transient):
                raise
            except ComputeRefusal as refused:
                if before is not None and (before.reason, before.in_operation) == (
                    refused.reason,
                    refused.in_operation,
                ):
                    break
                before = refused
                await self._time.sleep(PAUSE)
            else:
                return Outcome(ended=self._ended(operation))
        if before is not None and _about_something_else(before, of_quota=of_quota):
            raise before
        return Outcome(before)

    async def patch_subnet(self, path: str, changes: Mapping[str, Any]) -> Outcome:
        """PATCH a subnet with its present fingerprint."""

        async def patch() -> Resource:
            fingerprint = (await self.get(path))["fingerprint"]
            return await self.patch(path, {**changes, "fingerprint": fingerprint})

        return await self.attempt(patch)

    async def patch_interface(self, path: str, changes: Mapping[str, Any]) -> Outcome:
        """PATCH nic0 of a VM with its present fingerprint."""

        async def patch() -> Resource:
            nic = first_interface(await self.get(path))
            body = {**changes, "fingerprint": nic["fingerprint"]}
            return await self.patch(f"{path}/updateNetworkInterface", body, networkInterface="nic0")

        return await self.attempt(patch)

    async def _persistently(self, change: Callable[[], Awaitable[Resource]]) -> Resource:
        """Repeat a change that failed for a passing reason."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await change()
            except (Transient, StaleFingerprint, NotReady, InUse):
                if attempt == ATTEMPTS:
                    raise
                await self._time.sleep(PAUSE * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _ended(self, operation: Resource) -> float:
        """When a change took effect: the end of its operation as Compute stamps it, else now."""
        entry = self._begun.get(str(operation.get("name")))
        stamp = (entry.operation or entry.answer).get("endTime") if entry is not None else None
        return parse_rfc3339(stamp) if stamp else self.now()


class _Hidden:
    """Replaces what a reader of the document need not know."""

    def __init__(self, project: str) -> None:
        self._project = f"projects/{project}"

    def of(self, value: Any) -> Any:
        """The value without the project's name, the account, metadata, and empty parts."""
        if isinstance(value, Mapping):
            return {name: self.of(each) for name, each in value.items() if name not in _UNSENT}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.of(each) for each in value]
        return value.replace(self._project, "projects/PROJECT") if isinstance(value, str) else value


def _about_something_else(refused: ComputeRefusal, *, of_quota: bool) -> bool:
    if isinstance(refused, QuotaExceeded):
        return not of_quota
    return isinstance(refused, ABOUT_SOMETHING_ELSE) or _REFERENCE_MISSING in refused.message
