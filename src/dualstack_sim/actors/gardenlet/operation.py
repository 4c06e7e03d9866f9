"""One reconcile of one Shoot: gardenlet's tasks in their graph (docs/reference/gardener.md#flow-order)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from dualstack.clock import Clock, rfc3339
from dualstack.gardener.model.constraints import Change
from dualstack.gardener.model.defaults import DEFAULT_MASK_IPV6, tasks_of
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import (
    CONTROL_PLANE,
    INFRASTRUCTURE,
    MACHINE_DEPLOYMENT,
    NETWORK,
    OPERATING_SYSTEM_CONFIG,
    WORKER,
)
from dualstack.gardener.model.names import (
    KUBE_API_SERVER,
    KUBE_CONTROLLER_MANAGER,
    MANAGED_RESOURCE_COREDNS,
    MANAGED_RESOURCE_KUBE_PROXY,
    POOL_LABEL,
    RESTARTED_AT,
    ROLLOUT_WORKERS,
    TASK_DEPLOY_INFRASTRUCTURE,
)
from dualstack.gardener.model.networks import kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import (
    coredns,
    extensions,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
)
from dualstack.model.errors import DualstackError
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, NODE, POD, SERVICE, Kind, Manifest
from dualstack.model.names import COREDNS, KUBE_DNS, KUBE_DNS_SELECTOR, KUBE_SYSTEM
from dualstack.model.parts import Part
from dualstack.model.workloads import with_flags
from dualstack_sim.actors.applying import apply, apply_managed
from dualstack_sim.actors.flow_tasks import Task, run_flow
from dualstack_sim.actors.gardenlet import constraints
from dualstack_sim.actors.gardenlet.requests import Requests
from dualstack_sim.actors.gardenlet.shoot_status import ShootStatus
from dualstack_sim.actors.kube_api import KubeApi
from dualstack_sim.actors.managed_conditions import progressing
from dualstack_sim.actors.refusals import NotFound

ROLL_OUT_INTERVAL, ROLL_OUT_TIMEOUT = 5.0, 300.0
"""Seconds between two looks at a Deployment of the control plane, and until its roll-out has failed."""
TASK_TIMEOUT = 900.0
"""Seconds that a task may take; each wait has its own, shorter limit."""

INFRASTRUCTURE_TASK = "Deploying Shoot infrastructure"
INFRASTRUCTURE_WAIT = "Waiting until shoot infrastructure has been reconciled"
OSC = "Deploying operating system config"
API_SERVER = "Deploying Kubernetes API server"
CONTROLLER_MANAGER = "Deploying Kubernetes controller manager"
CONTROL_PLANE_TASK = "Deploying shoot control plane components"
CONTROL_PLANE_WAIT = "Waiting until shoot control plane has been reconciled"
NETWORK_TASK = "Deploying shoot network plugin"
NETWORK_WAIT = "Waiting until shoot network plugin has been reconciled"
PROXY = "Deploying kube-proxy system component"
DNS_CHECK = "Check CoreDNS migration status"
DNS = "Deploying CoreDNS system component"
WORKER_TASK = "Configuring shoot worker pools"
WORKER_WAIT = "Waiting until shoot worker nodes have been reconciled"
POD_CIDR_CHECK = "Checking if we have dual-stack pod CIDRs in nodes"


class RollOutTimeout(DualstackError):
    """A Deployment of the control plane was not rolled out in time."""


class Operation:
    """One reconcile. `shoot`: as it is after the start. The spec stays that of the start, the status follows."""

    def __init__(self, seed: KubeApi, live: KubeApi, clock: Clock, status: ShootStatus, shoot: Manifest) -> None:
        """live: the API server of the shoot."""
        self._seed = seed
        self._live = live
        self._clock = clock
        self._status = status
        self._shoot = shoot
        self._generation = shoot["metadata"]["generation"]
        self._requests = Requests(seed, clock)
        self._networks = networks(self._view)

    async def run(self) -> None:
        """Run every task. Raises FlowFailed with the errors of those that failed."""
        view = self._view
        await self._annotate_templates(view)
        if view.nodes is not None and view.status_networking is not None:
            await self._change(constraints.at_start(await self._nodes()))
        self._networks = networks(self._view)  # the Cluster follows only after the Infrastructure
        self._running: list[str] = []
        self._ended = 0
        await run_flow(self._tasks(view), self._clock, self._no_more)

    def _tasks(self, view: ShootView) -> list[Task]:
        awake = not view.hibernated
        steps: list[tuple[str, Callable[[], Awaitable[None]], tuple[str, ...], bool]] = [
            (INFRASTRUCTURE_TASK, self._deploy_infrastructure, (), True),
            (INFRASTRUCTURE_WAIT, self._await_infrastructure, (INFRASTRUCTURE_TASK,), True),
            (OSC, self._deploy_osc, (INFRASTRUCTURE_WAIT,), True),
            (API_SERVER, self._deploy_api_server, (INFRASTRUCTURE_WAIT,), True),
            (CONTROLLER_MANAGER, self._deploy_controller_manager, (API_SERVER,), True),
            (CONTROL_PLANE_TASK, self._request_control_plane, (INFRASTRUCTURE_WAIT,), True),
            (CONTROL_PLANE_WAIT, self._wait_for(CONTROL_PLANE), (CONTROL_PLANE_TASK,), True),
            (NETWORK_TASK, self._request_network, (API_SERVER,), True),
            (NETWORK_WAIT, self._wait_for(NETWORK), (NETWORK_TASK,), True),
            (PROXY, self._deploy_proxy, (API_SERVER,), awake),
            (DNS_CHECK, self._check_dns, (NETWORK_WAIT,), awake),
            (DNS, self._deploy_dns, (NETWORK_WAIT,), awake),
            (WORKER_TASK, self._request_worker, (API_SERVER, OSC, NETWORK_WAIT), True),
            (WORKER_WAIT, self._wait_for(WORKER), (WORKER_TASK, CONTROLLER_MANAGER, CONTROL_PLANE_WAIT), True),
            (POD_CIDR_CHECK, self._check_pod_cidrs, (WORKER_WAIT,), awake),
        ]
        count = len(steps)
        return [
            Task(name, partial(self._reported, name, act, count), after, wanted, TASK_TIMEOUT)
            for name, act, after, wanted in steps
        ]

    async def _reported(self, name: str, act: Callable[[], Awaitable[None]], count: int) -> None:
        """Show in lastOperation which tasks run, as gardenlet's reporter does."""
        self._running.append(name)
        await self._show(count)
        try:
            await act()
        finally:
            self._running.remove(name)
            self._ended += 1
        if self._running:
            await self._show(count)

    async def _show(self, count: int) -> None:
        await self._status.progress(self._ended * 100 // count, ", ".join(self._running))

    async def _no_more(self) -> None:
        """Nothing is persisted after a task."""

    @property
    def _view(self) -> ShootView:
        return ShootView.of(self._shoot)

    def _take(self, stored: Manifest) -> None:
        self._shoot = {**self._shoot, "status": stored.get("status") or {}}

    async def _change(self, changes: Sequence[Change]) -> None:
        if changes:
            self._take(await self._status.constraints(changes))

    # Roll-outs on request -------------------------------------------------------------------------------------------

    async def _annotate_templates(self, view: ShootView) -> None:
        """Before anything else, whatever the machine classes are (docs/reference/gardener.md#rollout-too-early)."""
        pending = dig(self._shoot, "status", "manualWorkerPoolRollout", "pendingWorkersRollouts") or ()
        stamps = {entry["name"]: entry["lastInitiationTime"] for entry in pending}
        if not stamps:
            return
        for deployment in (await self._seed.list(MACHINE_DEPLOYMENT, view.technical_id)).items:
            stamp = stamps.get(deployment["metadata"].get("labels", {}).get(POOL_LABEL))
            if stamp is not None:
                change = {"spec": {"template": {"metadata": {"annotations": {ROLLOUT_WORKERS: stamp}}}}}
                await self._seed.patch(MACHINE_DEPLOYMENT, deployment["metadata"]["name"], change, view.technical_id)

    # Infrastructure -------------------------------------------------------------------------------------------------

    async def _deploy_infrastructure(self) -> None:
        forced = TASK_DEPLOY_INFRASTRUCTURE in tasks_of(self._shoot)
        await self._requests.request_if_due(INFRASTRUCTURE, extensions.infrastructure(self._view), forced=forced)

    async def _await_infrastructure(self) -> None:
        """Write the networks that the Infrastructure has, then the Cluster."""
        found = await self._requests.wait(INFRASTRUCTURE, self._view.name, self._view.technical_id)
        self._infrastructure = InfrastructureStatus.from_raw(dig(found, "status", "providerStatus"))
        ranges = dict(dig(found, "status", "networking") or {"nodes": [dig(found, "status", "nodesCIDR")]})
        self._take(await self._status.networking({**ranges, "egressCIDRs": dig(found, "status", "egressCIDRs") or []}))
        await self._status.write_cluster(await self._status.read())
        self._networks = networks(self._view)
        await self._status.remove_task(TASK_DEPLOY_INFRASTRUCTURE, self._generation)

    # Control plane --------------------------------------------------------------------------------------------------

    async def _deploy_osc(self) -> None:
        """The addresses of kube-dns, whether they are served or not (docs/reference/weaknesses.md#w46)."""
        view = self._view
        dns = kubelet_dns(view, self._networks)
        listed = (await self._seed.list(OPERATING_SYSTEM_CONFIG, view.technical_id)).items
        for pool in view.pools:
            part = kubelet.operating_system_config(view, pool, dns)
            for config in kubelet.of_pool(listed, pool.name) or [part.new]:
                await apply(self._seed, OPERATING_SYSTEM_CONFIG, Part(config, part.edit))

    async def _deploy_api_server(self) -> None:
        await self._deploy(KUBE_API_SERVER, kube_apiserver.deployment(self._view, self._networks))

    async def _deploy_controller_manager(self) -> None:
        """While nodes migrate, with the mask of IPv6 for the range of IPv4 (docs/reference/weaknesses.md#w25)."""
        view = self._view
        part = kube_controller_manager.deployment(view, self._networks)

        def edit(live: Manifest) -> Manifest:
            wanted = part.edit(live)
            if not view.dual_stack or len(self._networks.pods) > 1:
                return wanted
            mask = str(view.node_cidr_mask_size_ipv6 or DEFAULT_MASK_IPV6)
            return with_flags(wanted, KUBE_CONTROLLER_MANAGER, "cluster-cidr", {"node-cidr-mask-size": mask})

        await self._deploy(KUBE_CONTROLLER_MANAGER, Part(part.new, edit))

    async def _deploy(self, name: str, part: Part) -> None:
        namespace = self._view.technical_id
        await apply(self._seed, DEPLOYMENT, part)
        deadline = self._clock.now() + ROLL_OUT_TIMEOUT
        while True:
            found = await self._seed.get(DEPLOYMENT, name, namespace)
            if found is None:
                raise NotFound(404, "NotFound", f'deployments.apps "{name}" not found')
            if (missing := progressing(found)) is None:
                return
            if self._clock.now() >= deadline:
                raise RollOutTimeout(f"deployment {namespace}/{name} is not rolled out: {missing}")
            await self._clock.sleep(ROLL_OUT_INTERVAL)

    async def _request_control_plane(self) -> None:
        await self._requests.request(CONTROL_PLANE, extensions.control_plane(self._view, self._infrastructure))

    # System components ----------------------------------------------------------------------------------------------

    async def _request_network(self) -> None:
        await self._requests.request(NETWORK, extensions.network(self._view))

    async def _deploy_proxy(self) -> None:
        view = self._view
        if view.kube_proxy_enabled:
            objects = kube_proxy.objects(view, self._networks)
            await apply_managed(self._seed, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id, objects)

    async def _check_dns(self) -> None:
        await self._change((await self._dns()).changes())

    async def _deploy_dns(self) -> None:
        """In parallel with the check: whether it sees the change of that is open (docs/reference/weaknesses.md#w26)."""
        facts = await self._dns()
        live = await self._live.get(DEPLOYMENT, COREDNS, KUBE_SYSTEM)
        stamp = dig(live, "spec", "template", "metadata", "annotations", RESTARTED_AT)
        if facts.restart_due:
            stamp = rfc3339(self._clock.now())
        objects = coredns.objects(facts.shoot, self._networks, restarted_at=stamp)
        await apply_managed(self._seed, MANAGED_RESOURCE_COREDNS, facts.shoot.technical_id, objects)

    async def _dns(self) -> constraints.Dns:
        service = await self._live.get(SERVICE, KUBE_DNS, KUBE_SYSTEM)
        pods = (await self._live.list(POD, KUBE_SYSTEM, labels=KUBE_DNS_SELECTOR)).items
        return constraints.Dns(self._view, service, pods)

    # Workers --------------------------------------------------------------------------------------------------------

    async def _request_worker(self) -> None:
        configs = (await self._seed.list(OPERATING_SYSTEM_CONFIG, self._view.technical_id)).items
        await self._requests.request(WORKER, extensions.worker(self._view, self._infrastructure, configs))

    async def _check_pod_cidrs(self) -> None:
        await self._change(constraints.at_end(await self._nodes()))

    async def _nodes(self) -> constraints.Nodes:
        view = self._view
        network = await self._seed.get(NETWORK, view.name, view.technical_id)
        infrastructure = await self._seed.get(INFRASTRUCTURE, view.name, view.technical_id)
        return constraints.Nodes(view, network, infrastructure, (await self._live.list(NODE)).items)

    def _wait_for(self, kind: Kind) -> Callable[[], Awaitable[None]]:
        async def wait() -> None:
            await self._requests.wait(kind, self._view.name, self._view.technical_id)

        return wait
