"""One pass over a Shoot, in Gardener's order (docs/reference/gardener.md#flow-order); every step awaits the one before.

On the way back to IPv4 the components change in the opposite order (docs/reference/gardener.md#return-to-ipv4): those
that publish addresses lose IPv6 first, and kube-apiserver, which has the ranges, last.

A pass uses the spec from its start; a later change gets a pass of its own. It carries the status along as it is
written, and with it the address lists of the components (docs/reference/gardener.md#address-lists).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from dualstack.clock import Clock
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import (
    CONTROL_PLANE_EXTENSION,
    INFRASTRUCTURE_EXTENSION,
    NETWORK_EXTENSION,
    WORKER_EXTENSION,
    Extension,
)
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.controllers.rollout import (
    apply_cluster_dns,
    apply_managed,
    await_in_cluster,
    delete_managed,
    missing_in_cluster,
)
from dualstack.gardener.controllers.shoot import dns, node_replacement
from dualstack.gardener.controllers.shoot.extensions import ExtensionRequests
from dualstack.gardener.controllers.shoot.notices import announce_load_balancers, announce_return
from dualstack.gardener.controllers.shoot.observation import (
    machine_classes_match,
    machines_below_minimum,
    networking_of,
    nodes_facts,
)
from dualstack.gardener.controllers.shoot.progress import (
    API_SERVER,
    AWAIT_INFRASTRUCTURE,
    CONTROL_PLANE,
    CONTROLLER_MANAGER,
    COREDNS,
    DEPLOY_INFRASTRUCTURE,
    KUBE_PROXY,
    NETWORK_PLUGIN,
    WORKERS,
    FlowStep,
    StepProgress,
)
from dualstack.gardener.controllers.shoot.record import ShootRecord
from dualstack.gardener.model.constraints import (
    NODES_NOT_MIGRATED,
    Change,
    nodes_constraint_at_end,
    nodes_constraint_at_start,
)
from dualstack.gardener.model.defaults import tasks_of
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import INFRASTRUCTURE, OPERATING_SYSTEM_CONFIG, WORKER
from dualstack.gardener.model.names import (
    CUT_OVER,
    DNS_MIGRATION,
    MANAGED_RESOURCE_KUBE_PROXY,
    NODES_MIGRATION,
    TASK_DEPLOY_INFRASTRUCTURE,
    TASKS,
)
from dualstack.gardener.model.networks import Networks, kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView, technical_id
from dualstack.gardener.preflight.nodes import REMEDY, never_dual_stack
from dualstack.gardener.preflight.objects import require_known_shapes
from dualstack.gardener.render import extensions as render
from dualstack.gardener.render import kube_apiserver, kube_controller_manager, kube_proxy
from dualstack.gardener.shoot_access import ShootNotRunning
from dualstack.kube.apply import apply
from dualstack.kube.interface import Kube, NotFound
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, NODE, Manifest
from dualstack.model.parts import Part

_COUNT_NODES_EVERY = 30.0
"""Seconds between two counts of the nodes while they are being replaced."""


class Pass:
    """One pass of the flow over one Shoot."""

    def __init__(
        self, clusters: Clusters, clock: Clock, record: ShootRecord, reporter: Reporter, shoot: Manifest
    ) -> None:
        self._clusters, self._seed = clusters, clusters.seed
        self._live = clusters.shoot(technical_id(shoot))
        self._clock = clock
        self._record = record
        self._report = reporter
        self._requests = ExtensionRequests(clusters.seed, clock)
        self._shoot = shoot
        self._infrastructure = InfrastructureStatus()
        self._counted = 0.0
        self._progress = StepProgress(clock, record, reporter)
        self._dns = dns.DnsMigration(self._seed, self._live, clock, reporter, self._progress.tell)

    @property
    def task(self) -> str:
        """The step in which the pass is, as in `lastErrors[].taskID`."""
        return self._progress.task

    async def run(self) -> None:
        """Run every step once. Raises the first DualstackError; completed steps stay and are not repeated."""
        view = self._view()
        self._report_phase()
        if view.workerless:
            await self._update_api_server()
            await self._update_controller_manager()
            return
        if await self._must_wait():
            await self._reconcile_as_ipv4()
            if view.hibernated:
                await self._announce_postponed(view)
                return
        await self._reconcile_cluster()

    async def _reconcile_cluster(self) -> None:
        view = self._view()
        await self._start()
        await self._reconcile_infrastructure()
        await (self._narrow(view) if view.returning else self._widen(view))
        await self._reconcile_workers()
        self._take(await self._record.hibernated(view.hibernated))
        if not view.hibernated:
            await self._finish()

    async def _must_wait(self) -> bool:
        """Whether a migration that has not begun must wait for nodes: the Shoot is hibernated, or is being woken up.

        A cut-over that has begun is finished first.
        """
        view = self._view()
        status = view.status_networking
        if not view.dual_stack or (status is not None and len(status.nodes) == 2):
            return False
        found = await self._seed.get(INFRASTRUCTURE, view.name, view.technical_id)
        if dig(found, "status", "state", "routes"):
            return False
        return view.hibernated or await machines_below_minimum(self._seed, view)

    async def _reconcile_as_ipv4(self) -> None:
        """Reconcile the Shoot without the migration; its infrastructure and the task of the edit stay as they are."""
        networking = {**self._shoot["spec"]["networking"], "ipFamilies": ["IPv4"]}
        annotations = dict(dig(self._shoot, "metadata", "annotations") or {})
        annotations.pop(TASKS, None)
        wanted = self._shoot
        self._shoot = {
            **wanted,
            "metadata": {**wanted["metadata"], "annotations": annotations},
            "spec": {**wanted["spec"], "networking": networking},
        }
        await self._reconcile_cluster()
        self._shoot = {**wanted, "status": self._shoot.get("status") or {}}

    async def _announce_postponed(self, view: ShootView) -> None:
        message = (
            "the migration to dual-stack waits, because a hibernated Shoot has no nodes that could become dual-stack; "
            "it begins when spec.hibernation.enabled is false"
        )
        if await self._record.events.announce("MigrationPostponed", message, generation=view.generation):
            self._report.notice("MigrationPostponed", message)

    async def _widen(self, view: ShootView) -> None:
        """Add IPv6, kube-apiserver first, awaiting each component (docs/reference/weaknesses.md#w43)."""
        await self._update_api_server()
        await self._update_controller_manager()
        await self._reconcile_control_plane()
        await self._prepare_workers(classes=True)
        await self._reconcile_network()
        if not view.hibernated:
            await self._update_kube_proxy()
            await self._update_coredns()

    async def _narrow(self, view: ShootView) -> None:
        """Remove IPv6 in the order opposite to `_widen`: kubelets before kube-dns, and so on."""
        await self._prepare_workers(classes=False)
        if not view.hibernated:
            await self._publish_dns(view)
            await self._update_coredns()
            await self._update_kube_proxy()
        await self._reconcile_network()
        await self._reconcile_control_plane()
        await self._update_controller_manager()
        await self._update_api_server()

    def _view(self) -> ShootView:
        return ShootView.of(self._shoot)

    def _take(self, shoot: Manifest) -> None:
        """Take over the status; the spec stays that of the start."""
        self._shoot = {**self._shoot, "status": shoot.get("status") or {}}

    def _is_migrating(self) -> bool:
        """Whether the constraint shows that nodes are still to be replaced; on the way back it does so even as True."""
        view = self._view()
        constraint = view.constraint(NODES_MIGRATION)
        return constraint is not None and (constraint != "True" or view.returning)

    def _report_phase(self) -> None:
        """Report the phases that start with a pass."""
        view = self._view()
        if view.returning:
            return
        if view.constraint(NODES_MIGRATION) == "True":
            self._report.enter("dual-stack")
        elif view.constraint(DNS_MIGRATION) is not None:
            self._report.enter("dns")

    async def _begin(self, step: FlowStep) -> None:
        self._take(await self._progress.begin(step))

    async def _change(self, changes: Sequence[Change]) -> None:
        if changes:
            self._take(await self._record.change_constraints(changes))

    async def _start(self) -> None:
        """Change the constraint before the Cluster: extensions see the new families only with the constraint.

        docs/reference/weaknesses.md#w1
        """
        view = self._view()
        machines, nodes = await self._clusters.machines_and_nodes(view.technical_id)
        changes = nodes_constraint_at_start(await nodes_facts(self._seed, view, nodes))
        if NODES_NOT_MIGRATED in changes:
            left = never_dual_stack(nodes, machines)
            further = [f"Node {name} {reason}; {REMEDY}" for name, reason in left.items()]
            await require_known_shapes(self._seed, self._clusters.shoot(view.technical_id), view, further)
        await self._announce(view, changes)
        await self._change(changes)
        if view.returning and await self._deferred():
            self._report.enter("single-stack")
        await self._record.sync_cluster(self._shoot)
        requests = node_replacement.pending(self._shoot)
        if requests and not await self._deferred():
            await node_replacement.annotate_templates(self._seed, view, requests)

    async def _announce(self, view: ShootView, changes: Sequence[Change]) -> None:
        """Announce what the change leaves behind or takes away, before the first change."""
        direction_changed = view.constraint(NODES_MIGRATION) is not None and (
            dig(self._shoot, "status", "observedGeneration") != view.generation
        )
        if NODES_NOT_MIGRATED in changes:
            await announce_load_balancers(self._clusters, self._record.events, self._report, view)
        elif view.returning and (changes or direction_changed):
            await announce_return(self._clusters, self._record.events, self._report, view)

    async def _deferred(self) -> bool:
        """Whether new machines would still be single-stack (docs/reference/gardener.md#rollout-too-early)."""
        return self._is_migrating() and not await machine_classes_match(self._seed, self._view())

    async def _reconcile_infrastructure(self) -> None:
        await self._begin(DEPLOY_INFRASTRUCTURE)
        view = self._view()
        wanted = render.infrastructure(view)
        forced = TASK_DEPLOY_INFRASTRUCTURE in tasks_of(self._shoot)
        live = await self._seed.get(INFRASTRUCTURE, view.name, view.technical_id)
        if (
            forced
            and view.dual_stack
            and self._is_migrating()
            and dig(live, "status", "lastOperation", "state") == "Succeeded"
        ):
            self._report.enter("preparation")
        requested = await self._requests.request_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=forced)
        self._report.leave("preparation")
        if requested is not None:
            await self._begin(AWAIT_INFRASTRUCTURE)
            found = await self._requests.wait(INFRASTRUCTURE_EXTENSION, wanted, requested, self._follow_infrastructure)
        else:
            found = await self._found(INFRASTRUCTURE_EXTENSION, view)
        self._infrastructure = InfrastructureStatus.from_raw(dig(found, "status", "providerStatus"))
        self._take(await self._record.networking(networking_of(found, view)))
        await self._record.sync_cluster(self._shoot)
        if forced:
            await self._record.remove_task(TASK_DEPLOY_INFRASTRUCTURE, view.generation)

    async def _follow_infrastructure(self, found: Manifest | None, missing: str) -> None:
        await self._progress.follow(found, missing)
        await self._sync_cut_over_annotation()

    async def _sync_cut_over_annotation(self) -> None:
        """Copy a change of the cut-over annotation to the Cluster while the infrastructure is reconciled."""
        annotations = (await self._record.read())["metadata"].get("annotations") or {}
        metadata = self._shoot["metadata"]
        known = metadata.get("annotations") or {}
        if annotations.get(CUT_OVER) == known.get(CUT_OVER):
            return
        synced = {key: value for key, value in known.items() if key != CUT_OVER}
        if CUT_OVER in annotations:
            synced[CUT_OVER] = annotations[CUT_OVER]
        self._shoot = {**self._shoot, "metadata": {**metadata, "annotations": synced}}
        await self._record.sync_cluster(self._shoot)

    async def _found(self, extension: Extension, view: ShootView) -> Manifest:
        found = await self._seed.get(extension.kind, view.name, view.technical_id)
        if found is None:
            raise NotFound(f"{extension.kind.kind} {view.technical_id}/{view.name} is gone")
        return found

    async def _update_api_server(self) -> None:
        await self._begin(API_SERVER)
        await self._deploy("update-kube-apiserver", kube_apiserver.deployment)

    async def _update_controller_manager(self) -> None:
        await self._begin(CONTROLLER_MANAGER)
        await self._deploy("update-kube-controller-manager", kube_controller_manager.deployment)

    async def _deploy(self, step: str, deployment: Callable[[ShootView, Networks], Part]) -> None:
        view = self._view()
        wanted = deployment(view, networks(view))
        await self._roll_out(step, self._seed, [wanted], lambda: apply(self._seed, DEPLOYMENT, wanted))

    async def _roll_out(
        self, step: str, cluster: Kube, objects: Sequence[Part], write: Callable[[], Awaitable[object]]
    ) -> None:
        """Write the objects and wait until the cluster has them; it is a step only if the cluster lacks one before."""
        if await missing_in_cluster(cluster, objects) is None:
            await write()
            return
        with self._report.step(step):
            await write()
            await await_in_cluster(cluster, self._clock, objects, tell=self._progress.tell)

    async def _reconcile_control_plane(self) -> None:
        await self._begin(CONTROL_PLANE)
        view = self._view()
        if view.dual_stack and await self._deferred():
            self._report.enter("control-plane")
        wanted = render.control_plane(view, self._infrastructure)
        await self._reconcile("reconcile-control-plane", CONTROL_PLANE_EXTENSION, wanted)

    async def _reconcile_network(self) -> None:
        await self._begin(NETWORK_PLUGIN)
        await self._reconcile("reconcile-network", NETWORK_EXTENSION, render.network(self._view()))

    async def _reconcile(self, step: str, extension: Extension, wanted: Manifest, *, count: bool = False) -> None:
        with self._report.step(step):
            requested = await self._requests.request(extension, wanted)
            follow = self._follow_nodes if count else self._progress.follow
            await self._requests.wait(extension, wanted, requested, follow)

    async def _prepare_workers(self, *, classes: bool) -> None:
        """Request the Worker, without waiting, when what is awaited next may need nodes that only it can bring.

        After hibernation there are no machines. With `classes`, also when a new machine would not become a node of the
        migrated infrastructure: it would get no alias, hence no pod CIDR (docs/architecture.md#order-of-a-pass).
        """
        view = self._view()
        outdated = classes and self._is_migrating() and not await machine_classes_match(self._seed, view)
        if outdated or await machines_below_minimum(self._seed, view):
            await self._requests.request(WORKER_EXTENSION, await self._worker(view))

    async def _worker(self, view: ShootView) -> Manifest:
        live = await self._seed.get(WORKER, view.name, view.technical_id)
        configs = await self._seed.list(OPERATING_SYSTEM_CONFIG, view.technical_id)
        return render.worker(view, self._infrastructure, configs, live)

    async def _update_kube_proxy(self) -> None:
        await self._begin(KUBE_PROXY)
        view = self._view()
        if not view.kube_proxy_enabled:
            await delete_managed(self._seed, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id)
            return
        objects = kube_proxy.objects(view, networks(view))
        await self._roll_out(
            "update-kube-proxy",
            self._live,
            objects,
            lambda: apply_managed(self._seed, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id, objects),
        )

    async def _update_coredns(self) -> None:
        await self._begin(COREDNS)
        if not self._view().returning and await self._dns.restart(self._view()):
            await self._change(await self._dns.readiness(self._view()))
            await self._record.sync_cluster(self._shoot)
        await self._dns.deploy(self._view())

    async def _reconcile_workers(self) -> None:
        await self._begin(WORKERS)
        view = self._view()
        await self._publish_dns(view)
        wanted = await self._worker(view)
        requests = node_replacement.pending(self._shoot)
        if requests:
            if await self._deferred():
                await self._reconcile("reconcile-workers", WORKER_EXTENSION, wanted)
            await node_replacement.annotate_templates(self._seed, view, requests)
        if requests and self._is_migrating():
            self._report.enter("roll-out")
            await self._reconcile("await-roll-out", WORKER_EXTENSION, wanted, count=True)
        else:
            await self._reconcile("reconcile-workers", WORKER_EXTENSION, wanted)
        if self._is_migrating():
            self._report.enter("roll-out")

    async def _publish_dns(self, view: ShootView) -> None:
        """Write the served addresses of kube-dns to the kubelets' configuration (docs/reference/weaknesses.md#w46)."""
        try:
            service_ips = await dns.service_ips(self._live)
        except ShootNotRunning:
            if view.hibernated:  # it has no kubelet
                return
            raise
        addresses = kubelet_dns(view, networks(view), service_ips=service_ips)
        await apply_cluster_dns(self._seed, view, addresses)

    async def _follow_nodes(self, found: Manifest | None, missing: str) -> None:
        await self._progress.follow(found, missing)
        if self._clock.now() - self._counted >= _COUNT_NODES_EVERY:
            self._counted = self._clock.now()
            self._report.nodes(await self._live.list(NODE))

    async def _finish(self) -> None:
        """Change the constraints at the end of a pass (docs/reference/gardener.md#migration-constraints)."""
        nodes = await self._live.list(NODE)
        before = self._view()
        if before.constraint(NODES_MIGRATION) is not None:
            self._report.nodes(nodes)
        await self._change(nodes_constraint_at_end(await nodes_facts(self._seed, before, nodes)))
        if before.constraint(DNS_MIGRATION) is not None:
            await self._change(await self._dns.completion(self._view()))
            if before.dual_stack and self._view().constraint(DNS_MIGRATION) is None:
                await announce_load_balancers(self._clusters, self._record.events, self._report, before)
        self._report_finished(before, self._view())

    def _report_finished(self, before: ShootView, after: ShootView) -> None:
        """Report the phases that are over according to the constraints."""
        if before.returning:
            if after.constraint(NODES_MIGRATION) is None:
                self._report.leave()
        elif before.constraint(NODES_MIGRATION) not in (None, "True") and after.constraint(NODES_MIGRATION) == "True":
            self._report.leave()
        elif before.constraint(NODES_MIGRATION) and after.constraint(NODES_MIGRATION) is None:
            self._report.leave()
            if after.constraint(DNS_MIGRATION) is not None:
                self._report.enter("dns")
        elif before.constraint(DNS_MIGRATION) and after.constraint(DNS_MIGRATION) is None:
            self._report.leave()
