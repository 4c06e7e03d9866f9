"""Connects to the cluster and the project that the options name."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dualstack.cli.live.options import Target
from dualstack.clock import Clock, ScaledClock
from dualstack.gce import ComputeClient
from dualstack.gce.credentials import Anonymous, Credentials, GoogleCredentials
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.live.identify import Identity, Stated, identify, project_of, read_objects
from dualstack.live.lease import Holder
from dualstack.model.urls import is_loopback
from dualstack.stdin_watch import exit_when_stdin_closes


@dataclass(frozen=True, slots=True)
class Connected:
    """A cluster with its clients. context: the name of the kubeconfig's context."""

    kube: LightkubeKube
    compute: ComputeClient
    clock: Clock
    identity: Identity
    context: str

    @property
    def holder(self) -> Holder:
        """This process, as the one that changes the cluster."""
        return Holder(
            self.kube, self.clock, f"dualstack on {socket.gethostname()} ({os.getpid()}-{secrets.token_hex(2)})"
        )


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Connected]:
    """The cluster, identified. InvalidInput, KubeError or ComputeError when that is not possible."""
    if target.end_with_stdin:
        exit_when_stdin_closes(lambda: os.kill(os.getpid(), signal.SIGTERM))
    clock = ScaledClock(target.clock_origin, target.clock_speed)
    connection = find_connection(target.kubeconfig, context=target.context)
    kube = LightkubeKube.connect(connection)
    try:
        objects = await read_objects(kube)
        stated = Stated(target.project, target.cluster_name, target.pod_cidr, target.service_cidr)
        project = project_of(objects, stated)
        compute = ComputeClient(
            project, clock, credentials=await asyncio.to_thread(_credentials, target), endpoint=target.compute_endpoint
        )
        try:
            found = await identify(compute, objects, stated)
            yield Connected(kube, compute, clock, found, connection.context_name or "")
        finally:
            await compute.close()
    finally:
        await kube.close()


def _credentials(target: Target) -> Credentials:
    """A simulated Compute Engine on this machine needs none."""
    given = target.credentials or target.impersonate_service_account
    if is_loopback(target.compute_endpoint) and not given:
        return Anonymous()
    return GoogleCredentials.found(target.credentials, target.impersonate_service_account)
