"""One pass over a Shoot, in Gardener's order (gardener-behaviour.md 2.7), every step gated on the one before.

On the way back to IPv4 (9) the components go in the opposite order: nothing may use an address that is not served any
more, so whoever publishes addresses loses IPv6 first and kube-apiserver, which has their ranges, last.

The spec is that of the moment when the pass began; a change that comes meanwhile gets a pass of its own. The status
is carried along as it is written, and with it the lists of addresses that each component may have (2.4).
"""

from __future__ import annotations

from collections.abc import Sequence

from dualstack.clock import Clock
from dualstack.gardener.controllers.extension import (
    CONTROL_PLANE_EXTENSION,
    INFRASTRUCTURE_EXTENSION,
    NETWORK_EXTENSION,
    WORKER_EXTENSION,
    Extension,
)
from dualstack.gardener.controllers.managed import apply_managed, delete_managed
from dualstack.gardener.controllers.rollout import await_in_cluster, missing_in_cluster
from dualstack.gardener.controllers.shoot import dns, roll_out
from dualstack.gardener.controllers.shoot.extensions import ExtensionRequests
from dualstack.gardener.controllers.shoot.notices import tell_of_load_balancers, tell_of_return
from dualstack.gardener.controllers.shoot.observation import machine_classes_match, nodes_facts
from dualstack.gardener.controllers.shoot.progress import Reporter
from dualstack.gardener.controllers.shoot.record import ShootRecord
from dualstack.gardener.model.constraints import (
    NODES_NOT_MIGRATED,
    Change,
    nodes_constraint_at_end,
    nodes_constraint_at_start,
)
from dualstack.gardener.model.defaults import tasks_of
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import INFRASTRUCTURE, OPERATING_SYSTEM_CONFIG
from dualstack.gardener.model.names import (
    CUT_OVER,
    DNS_MIGRATION,
    MANAGED_RESOURCE_KUBE_PROXY,
    NODES_MIGRATION,
    TASK_DEPLOY_INFRASTRUCTURE,
)
from dualstack.gardener.model.networks import kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import extensions as render
from dualstack.gardener.render import kube_apiserver, kube_controller_manager, kube_proxy, kubelet
from dualstack.kube.apply import apply
from dualstack.kube.interface import Kube, NotFound
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, NODE, Manifest

_COUNT_NODES_EVERY = 30.0
"""Seconds between two counts of the nodes while they are being replaced."""


class Pass:
    """One pass of the flow over one Shoot."""

    def __init__(self, kube: Kube, clock: Clock, record: ShootRecord, reporter: Reporter, shoot: Manifest) -> None:
        self._kube = kube
        self._clock = clock
        self._record = record
        self._report = reporter
        self._requests = ExtensionRequests(kube, clock)
        self._shoot = shoot
        self._infrastructure = InfrastructureStatus()
        self._counted = 0.0

    async def run(self) -> None:
        """Everything once. Raises the first DualstackError; what was done until then stands and is not done again."""
        view = self._view()
        self._shown_phase()
        if view.workerless:
            await self._update_api_server()
            await self._update_controller_manager()
            return
        await self._start()
        await self._reconcile_infrastructure()
        await (self._narrow(view) if view.returning else self._widen(view))
        await self._reconcile_workers()
        if not view.hibernated:
            await self._finish()

    async def _widen(self, view: ShootView) -> None:
        """Every component is awaited before the next, kube-apiserver first: nobody uses what is not served (W43)."""
        await self._update_api_server()
        await self._update_controller_manager()
        await self._reconcile_control_plane()
        await self._reconcile_network()
        if not view.hibernated:
            await self._update_kube_proxy()
            await self._update_coredns()

    async def _narrow(self, view: ShootView) -> None:
        """The mirror of `_widen`: kubelets forget the address of kube-dns before kube-dns gives it back, and so on."""
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
        """Carry the status along; the spec stays that of the beginning."""
        self._shoot = {**self._shoot, "status": shoot.get("status") or {}}

    def _is_migrating(self) -> bool:
        """Whether the constraint says that nodes are still to be replaced; on the way back True does not deny it."""
        view = self._view()
        constraint = view.constraint(NODES_MIGRATION)
        return constraint is not None and (constraint != "True" or view.returning)

    def _shown_phase(self) -> None:
        """The phases that begin with a pass."""
        view = self._view()
        if view.returning:
            return
        if view.constraint(NODES_MIGRATION) == "True":
            self._report.enter("dual-stack")
        elif view.constraint(DNS_MIGRATION) is not None:
            self._report.enter("dns")

    async def _progress(self, percent: int, description: str) -> None:
        self._take(await self._record.processing(percent, description))

    async def _change(self, changes: Sequence[Change]) -> None:
        if changes:
            self._take(await self._record.change_constraints(changes))

    async def _start(self) -> None:
        """Rules A to E, then the Cluster: extensions never see the new families without the constraint (W1)."""
        view = self._view()
        nodes = await self._kube.list(NODE)
        changes = nodes_constraint_at_start(await nodes_facts(self._kube, view, nodes))
        await self._tell(view, changes)
        await self._change(changes)
        if view.returning and await self._deferred():
            self._report.enter("single-stack")
        await self._record.sync_cluster(self._shoot)
        requests = roll_out.pending(self._shoot)
        if requests and not await self._deferred():
            await roll_out.annotate_templates(self._kube, view, requests)

    async def _tell(self, view: ShootView, changes: Sequence[Change]) -> None:
        """What cannot be undone, or is not done, before anything is."""
        turned = view.constraint(NODES_MIGRATION) is not None and (
            dig(self._shoot, "status", "observedGeneration") != view.generation
        )
        if NODES_NOT_MIGRATED in changes:
            await tell_of_load_balancers(self._kube, self._clock, self._report, view)
        elif view.returning and (changes or turned):
            await tell_of_return(self._kube, self._clock, self._report, view)

    async def _deferred(self) -> bool:
        """Whether new machines would still be of the old kind, so that a roll-out would be in vain (5.2)."""
        return self._is_migrating() and not await machine_classes_match(self._kube, self._view())

    async def _reconcile_infrastructure(self) -> None:
        await self._progress(10, "Deploying Shoot infrastructure.")
        view = self._view()
        wanted = render.infrastructure(view)
        forced = TASK_DEPLOY_INFRASTRUCTURE in tasks_of(self._shoot)
        live = await self._kube.get(INFRASTRUCTURE, view.name, view.technical_id)
        if (
            forced
            and view.dual_stack
            and self._is_migrating()
            and dig(live, "status", "lastOperation", "state") == "Succeeded"
        ):
            self._report.enter("preparation")
        stamp = await self._requests.ask_if_needed(INFRASTRUCTURE_EXTENSION, wanted, forced=forced)
        self._report.leave_if("preparation")
        if stamp is not None:
            await self._progress(15, "Waiting until Shoot infrastructure has been reconciled.")
            found = await self._requests.wait(
                INFRASTRUCTURE_EXTENSION, view.name, view.technical_id, stamp, self._relay_wishes
            )
        else:
            found = await self._found(INFRASTRUCTURE_EXTENSION, view)
        self._infrastructure = InfrastructureStatus.from_raw(dig(found, "status", "providerStatus"))
        self._take(await self._record.networking(networking_of(found, view)))
        await self._record.sync_cluster(self._shoot)
        if forced:
            await self._record.task_done(TASK_DEPLOY_INFRASTRUCTURE)

    async def _relay_wishes(self) -> None:
        """Whoever annotates the Shoot while its infrastructure is changed need not wait for the next pass."""
        annotations = (await self._record.read())["metadata"].get("annotations") or {}
        metadata = self._shoot["metadata"]
        known = metadata.get("annotations") or {}
        if annotations.get(CUT_OVER) == known.get(CUT_OVER):
            return
        wishes = {key: value for key, value in known.items() if key != CUT_OVER}
        if CUT_OVER in annotations:
            wishes[CUT_OVER] = annotations[CUT_OVER]
        self._shoot = {**self._shoot, "metadata": {**metadata, "annotations": wishes}}
        await self._record.sync_cluster(self._shoot)

    async def _found(self, extension: Extension, view: ShootView) -> Manifest:
        found = await self._kube.get(extension.kind, view.name, view.technical_id)
        if found is None:
            raise NotFound(f"{extension.kind.kind} {view.technical_id}/{view.name} has gone")
        return found

    async def _update_api_server(self) -> None:
        await self._progress(30, "Deploying Kubernetes API server.")
        view = self._view()
        await self._deploy("update-kube-apiserver", kube_apiserver.deployment(view, networks(view)))

    async def _update_controller_manager(self) -> None:
        await self._progress(35, "Deploying Kubernetes controller manager.")
        view = self._view()
        await self._deploy("update-kube-controller-manager", kube_controller_manager.deployment(view, networks(view)))

    async def _deploy(self, step: str, wanted: Manifest) -> None:
        if await missing_in_cluster(self._kube, [wanted]) is None:
            await apply(self._kube, DEPLOYMENT, wanted)
            return
        async with self._report.step(step):
            await apply(self._kube, DEPLOYMENT, wanted)
            await await_in_cluster(self._kube, self._clock, [wanted])

    async def _reconcile_control_plane(self) -> None:
        await self._progress(45, "Waiting until Shoot control plane has been reconciled.")
        view = self._view()
        if view.dual_stack and await self._deferred():
            self._report.enter("control-plane")
        wanted = render.control_plane(view, self._infrastructure)
        await self._reconcile("reconcile-control-plane", CONTROL_PLANE_EXTENSION, wanted)

    async def _reconcile_network(self) -> None:
        await self._progress(55, "Waiting until Shoot network plugin has been reconciled.")
        await self._reconcile("reconcile-network", NETWORK_EXTENSION, render.network(self._view()))

    async def _reconcile(self, step: str, extension: Extension, wanted: Manifest, *, count: bool = False) -> None:
        async with self._report.step(step):
            stamp = await self._requests.ask(extension, wanted)
            metadata = wanted["metadata"]
            observe = self._count_nodes if count else None
            await self._requests.wait(extension, metadata["name"], metadata["namespace"], stamp, observe)

    async def _update_kube_proxy(self) -> None:
        await self._progress(65, "Deploying kube-proxy system component.")
        view = self._view()
        if not view.kube_proxy_enabled:
            await delete_managed(self._kube, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id)
            return
        objects = kube_proxy.objects(view, networks(view))
        if await missing_in_cluster(self._kube, objects) is None:
            await apply_managed(self._kube, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id, objects)
            return
        async with self._report.step("update-kube-proxy"):
            await apply_managed(self._kube, MANAGED_RESOURCE_KUBE_PROXY, view.technical_id, objects)
            await await_in_cluster(self._kube, self._clock, objects)

    async def _update_coredns(self) -> None:
        await self._progress(75, "Deploying CoreDNS system component.")
        migration = dns.DnsMigration(self._kube, self._clock, self._report)
        if not self._view().returning and await migration.restart(self._view()):
            await self._change(await migration.readiness(self._view()))
            await self._record.sync_cluster(self._shoot)
        await migration.deploy(self._view())

    async def _reconcile_workers(self) -> None:
        await self._progress(85, "Waiting until Shoot worker nodes have been reconciled.")
        view = self._view()
        await self._publish_dns(view)
        wanted = render.worker(view, self._infrastructure)
        requests = roll_out.pending(self._shoot)
        if requests and await self._deferred():
            await self._reconcile("reconcile-workers", WORKER_EXTENSION, wanted)
            await roll_out.annotate_templates(self._kube, view, requests)
        if requests and self._is_migrating():
            self._report.enter("roll-out")
            await self._reconcile("await-roll-out", WORKER_EXTENSION, wanted, count=True)
        else:
            await self._reconcile("reconcile-workers", WORKER_EXTENSION, wanted)
        if self._is_migrating():
            self._report.enter("roll-out")

    async def _publish_dns(self, view: ShootView) -> None:
        """The kubelets learn of an address of kube-dns only when it is served (W46)."""
        service_ips = await dns.service_ips(self._kube)
        addresses = kubelet_dns(view, networks(view), service_ips=service_ips)
        for pool in view.pools:
            await apply(self._kube, OPERATING_SYSTEM_CONFIG, kubelet.operating_system_config(view, pool, addresses))

    async def _count_nodes(self) -> None:
        if self._clock.now() - self._counted >= _COUNT_NODES_EVERY:
            self._counted = self._clock.now()
            self._report.nodes(await self._kube.list(NODE))

    async def _finish(self) -> None:
        """Rules F to K, then the rules of DNSServiceMigrationReady."""
        nodes = await self._kube.list(NODE)
        before = self._view()
        if before.constraint(NODES_MIGRATION) is not None:
            self._report.nodes(nodes)
        await self._change(nodes_constraint_at_end(await nodes_facts(self._kube, before, nodes)))
        migration = dns.DnsMigration(self._kube, self._clock, self._report)
        if before.constraint(DNS_MIGRATION) is not None:
            await self._change(await migration.completion(self._view()))
            if before.dual_stack and self._view().constraint(DNS_MIGRATION) is None:
                await tell_of_load_balancers(self._kube, self._clock, self._report, before)
        self._reached(before, self._view())

    def _reached(self, before: ShootView, after: ShootView) -> None:
        """Report the phases that the constraints say are over."""
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


def networking_of(infrastructure: Manifest, view: ShootView) -> Manifest:
    """`status.networking` of the Shoot, from the Infrastructure; its legacy `nodesCIDR` when it has no more (3.2)."""
    found = dig(infrastructure, "status", "networking")
    if not found:
        nodes = dig(infrastructure, "status", "nodesCIDR") or view.nodes
        found = {"pods": [view.pods], "services": [view.services], "nodes": [nodes] if nodes else []}
    return {**found, "egressCIDRs": dig(infrastructure, "status", "egressCIDRs") or []}
