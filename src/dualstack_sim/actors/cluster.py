"""The actors that make a cluster live, apart from the cloud-controller-manager and the machine controller."""

from __future__ import annotations

from .api import Actor, ActorContext
from .daemon_sets import DaemonSetController
from .deployments import DeploymentController
from .kubelet import Kubelet
from .pod_collector import PodCollector
from .recorder import Recorder
from .replica_sets import ReplicaSetController
from .resource_manager import ResourceManager
from .scheduler import Scheduler


def cluster_actors(context: ActorContext) -> list[Actor]:
    """One of each, for `run_actors(context, ...)`. They need the custom types of Gardener to be served."""
    kubelet_events = Recorder(context, "kubelet")
    scheduler_events = Recorder(context, "default-scheduler")
    return [
        kubelet_events,
        scheduler_events,
        Kubelet(context, kubelet_events),
        ReplicaSetController(context),
        DeploymentController(context),
        DaemonSetController(context),
        Scheduler(context, scheduler_events),
        PodCollector(context),
        ResourceManager(context),
    ]
