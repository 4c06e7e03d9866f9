"""Connects to the cluster and the project that the options name."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from dualstack.cli.live.landscape import Landscape, read_landscape
from dualstack.cli.live.options import Target
from dualstack.clock import Clock
from dualstack.gce import ComputeClient
from dualstack.gce.credentials import Anonymous, Credentials, GoogleCredentials
from dualstack.gce.errors import NotFound, PermissionDenied, Transient, Unauthenticated
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Forbidden, Kube, Unavailable
from dualstack.live.identify import Identity, Stated, identify, project_of, read_objects
from dualstack.live.lease import Holder
from dualstack.model.errors import DualstackError
from dualstack.model.urls import is_loopback
from dualstack.snapshot.document import load
from dualstack.snapshot.recording import Recorder, RecordingCompute, RecordingKube
from dualstack.snapshot.replay import SnapshotCompute, SnapshotKube
from dualstack.stdin_watch import exit_when_stdin_closes

_NO_PROJECT = re.compile(r"'projects/[^/']+' was not found")
"""How Compute Engine answers a request to a project that does not exist."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A cluster with its clients. context: the name of the kubeconfig's context."""

    kube: Kube
    compute: ComputeClient
    clock: Clock
    identity: Identity
    context: str
    holder: Holder
    """This process, as the one that changes the cluster."""
    landscape: Landscape = field(default_factory=Landscape)


@asynccontextmanager
async def connected(target: Target, recorder: Recorder | None = None) -> AsyncIterator[Connected]:
    """The cluster, identified. InvalidInput, KubeError or ComputeError when that is not possible.

    recorder: keeps everything that is read, and makes the clients read-only.
    """
    if target.end_with_stdin:
        exit_when_stdin_closes(lambda: os.kill(os.getpid(), signal.SIGTERM))
    clock = target.clock
    stated = Stated(target.project, target.cluster_name, target.pod_cidr, target.service_cidr)
    async with AsyncExitStack() as stack:
        if target.snapshot is not None:
            taken = await asyncio.to_thread(load, target.snapshot)
            kube: Kube = SnapshotKube(taken)
            objects = await read_objects(kube)
            compute: ComputeClient = SnapshotCompute(taken, clock)
            context = f"snapshot {target.snapshot}"
        else:
            connection = find_connection(target.kubeconfig, context=target.context)
            stack.enter_context(_remedied(connection.cluster.server))
            client = LightkubeKube.connect(connection)
            stack.push_async_callback(client.close)
            kube = client if recorder is None else RecordingKube(client, recorder)
            objects = await read_objects(kube)
            compute = _compute(project_of(objects, stated), clock, target, recorder)
            context = connection.context_name or ""
        stack.push_async_callback(compute.close)
        found = await identify(compute, objects, stated)
        found, landscape = await read_landscape(target, found)
        holder = Holder(kube, clock, f"dualstack on {socket.gethostname()} ({os.getpid()}-{secrets.token_hex(2)})")
        compute.before_change = holder.confirm
        yield Connected(kube, compute, clock, found, context, holder, landscape)


@contextmanager
def _remedied(server: str) -> Iterator[None]:
    """Say what to do about an error of the two APIs. server: URL of the API server."""
    try:
        yield
    except DualstackError as error:
        if remedy := remedy_of(error, server):
            error.args = (f"{error}; {remedy}",)
        raise


def remedy_of(error: DualstackError, server: str) -> str:
    """What the user does about a refused or unanswered request, as a clause; empty for other errors."""
    again = "then run the same command again"
    match error:
        case Unauthenticated(status=401):
            return "run `gcloud auth application-default login`, or get a new file for --credentials"
        case PermissionDenied(reason="accessNotConfigured" | "SERVICE_DISABLED"):
            return f"run `gcloud services enable compute.googleapis.com` in that project, {again}"
        case PermissionDenied() | Forbidden():
            return "docs/live-clusters.md#rights lists what each command needs"
        case NotFound() if _NO_PROJECT.search(str(error)):
            return f"the Nodes name that project; check that {server}, the server of the kubeconfig, is your cluster"
        case Transient(status=0):
            return f"check that this machine reaches the Compute API, {again}"
        case Unavailable():
            other = str(error).startswith("--")  # of the garden or the seed
            named = "the server of that kubeconfig" if other else f"{server}, the server of the kubeconfig"
            return f"check that this machine reaches {named}, {again}"
        case _:
            return ""


def _compute(project: str, clock: Clock, target: Target, recorder: Recorder | None) -> ComputeClient:
    credentials = credentials_of(target)
    if recorder is None:
        return ComputeClient(project, clock, credentials=credentials, endpoint=target.compute_endpoint)
    recording = RecordingCompute(project, clock, credentials=credentials, endpoint=target.compute_endpoint)
    recording.recorder = recorder
    return recording


def credentials_of(target: Target) -> Credentials:
    """A simulated Compute Engine on this machine needs none."""
    given = target.credentials or target.impersonate_service_account
    if is_loopback(target.compute_endpoint) and not given:
        return Anonymous()
    return GoogleCredentials.found(target.credentials, target.impersonate_service_account)
