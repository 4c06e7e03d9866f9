"""`dualstack sim compute`: the simulated Compute Engine on its own, with a control endpoint and a state file."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from dualstack.model.errors import InvalidInput
from dualstack_sim.chance import Chance
from dualstack_sim.compute.api.backend import Compute
from dualstack_sim.compute.api.errors import ApiError
from dualstack_sim.compute.api.references import NAME, is_name
from dualstack_sim.compute.api.server import create_app, create_runner
from dualstack_sim.compute.project.real_inventory import import_inventory
from dualstack_sim.compute.project.snapshot import digest
from dualstack_sim.fabric import Fabric
from dualstack_sim.faults import FaultPlan, load_faults, refuse_impossible
from dualstack_sim.rules.profiles import Profile, choose
from dualstack_sim.steppable_clock import SteppableClock
from dualstack_sim.world.control import STATE, create_control
from dualstack_sim.world.trial_vms import TrialVms


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """The options of `dualstack sim compute`. `port` 0 is any free port; the file `state` need not exist.

    `inventory`: resources of a real project as the beginning, unless the file `state` exists.
    """

    clock: SteppableClock
    state: Path | None = None
    inventory: Path | None = None
    port: int = 0
    seed: int = 0
    faults: Path | None = None
    project: str = "proj-1"
    region: str = "europe-west1"
    profile: Profile = field(default_factory=choose)


def run(options: ComputeOptions) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP. Prints one line of JSON with the endpoints when the servers are up.

    InvalidInput for a state that cannot be loaded and for a port in use.
    """
    asyncio.run(_serve(options))


async def _serve(options: ComputeOptions) -> None:
    stop = asyncio.Event()
    on_signals(stop.set)
    async with AsyncExitStack() as stack:
        compute, facts = await start(options, stack)
        sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
        if options.state is not None:
            compute.finish()
            write_state(options.state, compute, options.clock.now())


async def start(options: ComputeOptions, stack: AsyncExitStack) -> tuple[Compute, dict[str, Any]]:
    """Start the servers; they stop when `stack` closes. Returns the endpoints and other facts for clients."""
    _check(options)
    clock, chance = options.clock, Chance(options.seed)
    rules = load_faults(options.faults) if options.faults else []
    faults = FaultPlan(rules, chance, clock)
    listeners = {"compute": listen(options.port), "control": listen()}
    urls = {name: f"http://127.0.0.1:{listener.getsockname()[1]}" for name, listener in listeners.items()}
    fabric = Fabric(clock, chance, options.profile.lag, options.profile.fabric, options.profile.measured)
    compute = Compute(
        clock,
        chance,
        project=options.project,
        regions={options.region: [f"{options.region}-{letter}" for letter in "bcd"]},
        endpoint=f"{urls['compute']}/compute/v1",
        knobs=options.profile.knobs,
        latency=options.profile.latency,
        on_commit=fabric.on_commit,
        faults=faults,
    )
    stack.push_async_callback(TrialVms(clock, chance, compute, fabric).close)
    refuse_impossible(rules, compute.methods)
    state = options.state
    left_out: list[str] = []
    if state is not None and state.exists():
        initial = read_state(state, compute)
    elif options.inventory is not None:
        initial, left_out = read_inventory(options.inventory, compute)
    else:
        initial = compute.dump()
    faults.begin_with(compute.begin_with)
    fabric.rest(clock.now())
    control = create_control(clock, fabric, compute, faults)
    control[STATE].remember_start(initial)
    for application, listener in ((create_app(compute), listeners["compute"]), (control, listeners["control"])):
        await start_site(application, listener, stack)
    return compute, {
        "computeEndpoint": urls["compute"],
        "controlEndpoint": urls["control"],
        "project": options.project,
        "region": next(iter(compute.project.regions)),
        "profile": options.profile.name,
        "clock": {"origin": clock.origin, "speed": clock.speed},
        **({"leftOut": left_out} if left_out else {}),
    }


def _check(options: ComputeOptions) -> None:
    """InvalidInput for options that would fail at the first request or when the state is saved."""
    for option, name in (("--project", options.project), ("--region", options.region)):
        if not is_name(name):
            raise InvalidInput(f"{option} {name}: must match {NAME}")
    if options.state is not None and not os.access(options.state.parent, os.W_OK | os.X_OK):
        raise InvalidInput(f"--state {options.state}: the folder does not exist or is not writable")


def read_state(path: Path, compute: Compute) -> dict[str, Any]:
    """Load a file from `write_state` or GET /dump, and return the state. InvalidInput if it is not one."""
    with _errors_of(path):
        document = msgspec.json.decode(path.read_bytes())
        return compute.load(document.get("state", document) if isinstance(document, dict) else document)


def read_inventory(path: Path, compute: Compute) -> tuple[dict[str, Any], list[str]]:
    """Load the resources of a real project; the state, and what is left out. InvalidInput for another document."""
    with _errors_of(path):
        imported = import_inventory(compute.project, msgspec.json.decode(path.read_bytes()))
        return compute.load(imported.state), imported.left_out


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn errors of reading a document into InvalidInput with the path."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{path}: {error}") from None
    except ApiError as error:
        raise InvalidInput(f"{path}: {error.message}") from None


def write_state(path: Path, compute: Compute, at: float) -> None:
    """Replace the file atomically by the current state."""
    state = compute.dump()
    document = msgspec.json.encode({"digest": digest(state), "at": at, "state": state})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(document)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def on_signals(end: Callable[[], None]) -> None:
    """Call `end` on SIGINT, SIGTERM and, unless it is ignored as under nohup, SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, end)


def listen(port: int = 0) -> socket.socket:
    """A listening socket on loopback. InvalidInput if the port is in use."""
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise InvalidInput(f"--port {port}: {error.strerror}") from None
    listener.setblocking(False)
    return listener


async def start_site(
    application: web.Application,
    listener: socket.socket,
    stack: AsyncExitStack,
    context: ssl.SSLContext | None = None,
) -> None:
    """Serve `application` until `stack` closes, with TLS if there is a context for it."""
    runner = create_runner(application)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener, ssl_context=context).start()
