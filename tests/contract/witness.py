"""Checks every request that the simulated Compute Engine answers against the discovery document.

In the process of the tests the check is made at once. A process that the tests start (`dualstack sim serve` and
`sim compute`, the world of a rehearsal) writes one JSON line for each request, and the tests check them later:
so the process is not slowed down, and the lines survive a SIGKILL. Callers see no difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import msgspec

import dualstack_sim.compute.api.server as server
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.paths import Address, locate
from dualstack_sim.rules import RULES
from tests.contract.schema import Json, description, error_faults

FOLDER = "DUALSTACK_TEST_WITNESS"
"""The environment variable with the folder to which processes write."""

_ROOT = Path(__file__).parents[2]
_LONGEST = 20
_VERSION = ContextVar("version", default="v1")
"""The version of the API of the current request."""


class ObservedCall(msgspec.Struct):
    """One request and its answer or refusal."""

    method: str
    version: str
    query: dict[str, str]
    body: dict[str, Any]
    answer: dict[str, Any] | None = None
    refusal: dict[str, Any] | None = None


class Watcher(Protocol):
    def see(self, call: ObservedCall) -> None: ...


class Witness:
    """The numbers of answers and refusals, and the first faults in them."""

    def __init__(self) -> None:
        self.answers = 0
        self.refusals = 0
        self.faults: list[str] = []
        self._known: set[int] = set()
        self._read: dict[Path, int] = {}

    def see(self, call: ObservedCall) -> None:
        what = f"{call.version} {call.method}"
        if call.refusal is not None:
            self.refusals += 1
            self._note(f"{what}: refusal", error_faults(call.refusal))
            return
        self.answers += 1
        api = description(call.version)
        self._note(f"{what}: accepted request", api.request_faults(call.method, call.query, call.body))
        self._note(f"{what}: response", api.response_faults(call.method, call.answer or {}))

    def read(self, folder: Path) -> None:
        """Check what processes wrote to `folder` since the last call."""
        for path in sorted(folder.iterdir()):
            with path.open("rb") as stream:
                stream.seek(self._read.get(path, 0))
                for line in stream:
                    if not line.endswith(b"\n"):  # incomplete line
                        break
                    self._read[path] = self._read.get(path, 0) + len(line)
                    if hash(line) not in self._known:
                        self._known.add(hash(line))
                        self.see(_decode(line))

    def take(self) -> list[str]:
        """The faults since the last call."""
        faults, self.faults = self.faults, []
        return faults

    def _note(self, what: str, faults: list[str]) -> None:
        self.faults += [f"{what}: {fault}" for fault in faults[: _LONGEST - len(self.faults)]]


_decode = msgspec.json.Decoder(ObservedCall).decode


class _Recorder:
    """Writes each observed request as a line, in one write."""

    def __init__(self, folder: str) -> None:
        self._file = os.open(Path(folder, f"{os.getpid()}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def see(self, call: ObservedCall) -> None:
        os.write(self._file, msgspec.json.encode(call) + b"\n")


def record() -> None:
    """Record the requests of this process, if its environment says where."""
    install(_Recorder(os.environ[FOLDER]))


@contextmanager
def watched_processes() -> Iterator[Path]:
    """Let every process that is started from here on record its requests; yields the folder."""
    before = {name: os.environ.get(name) for name in (FOLDER, "PYTHONPATH")}
    with TemporaryDirectory(prefix="dualstack-witness-") as folder:
        paths = [str(_ROOT / "tests" / "startup"), str(_ROOT), *filter(None, [before["PYTHONPATH"]])]
        os.environ.update({FOLDER: folder, "PYTHONPATH": os.pathsep.join(paths)})
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def install(watcher: Watcher) -> None:
    """Let `watcher` observe every answer of every `Compute`, unless a rule is switched off at that moment."""
    answer = Compute.answer

    def located(verb: str, path: str) -> Address:
        address = locate(verb, path)
        _VERSION.set(path.split("/")[2])
        return address

    async def seen(
        self: Compute,
        method: str,
        scope: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Json:
        call = ObservedCall(method, _VERSION.get(), dict(query or {}), dict(body or {}))
        try:
            call.answer = await answer(self, method, scope, name, query=query, body=body, **rest)
        except ApiError as refusal:
            call.refusal = refusal.body()
            raise
        finally:
            if RULES.all_hold() and (call.refusal or call.answer) is not None:
                watcher.see(call)
        return call.answer

    setattr(server, "locate", located)  # noqa: B010 - the attribute is replaced deliberately, here and below
    setattr(Compute, "answer", seen)  # noqa: B010 - mypy refuses the assignment of a method
