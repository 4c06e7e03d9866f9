"""The Infrastructure controller: a level-triggered reconcile (docs/reference/gardener.md#reconcile-protocol)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from dualstack.clock import Clock
from dualstack.cutover.decoys import Decoys
from dualstack.gardener.clusters import Clusters
from dualstack.gardener.controllers.extension import (
    INFRASTRUCTURE_EXTENSION,
    ExtensionReconciler,
    Lifecycle,
    is_failed,
    is_pending,
)
from dualstack.gardener.controllers.infrastructure.deletion import (
    InfrastructureDeletion,
    delete_terraform_leftovers,
    exists,
)
from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gardener.controllers.infrastructure.flow import InfrastructureFlow, check_config
from dualstack.gardener.controllers.infrastructure.joined_nodes import JoinedNodes
from dualstack.gardener.controllers.infrastructure.migration import Migration
from dualstack.gardener.controllers.infrastructure.preparation import Preparation, is_requested
from dualstack.gardener.controllers.infrastructure.progress import MigrationProgress
from dualstack.gardener.controllers.infrastructure.record import Fields, InfrastructureRecord
from dualstack.gardener.controllers.infrastructure.subnets import Subnets
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.model.guest_agent import evidence
from dualstack.gardener.model.kinds import CLUSTER, INFRASTRUCTURE, OPERATING_SYSTEM_CONFIG
from dualstack.gardener.model.names import DECOYS, DRILL, FOLLOWED, PREPARED, STRATEGY, ipv6_firewalls
from dualstack.gardener.model.shoot import NetworkingStatus, ShootView
from dualstack.gce import ComputeClient, ComputeClients
from dualstack.model.errors import DualstackError, InvalidInput
from dualstack.model.events import Listener
from dualstack.model.json_path import dig
from dualstack.model.kinds import SECRET, Manifest
from dualstack.plan.settings import Settings
from dualstack.plan.strategies import AUTO, DEFAULT, STRATEGIES, validate
from dualstack.preflight.reading import Preflight


class InfrastructureController:
    """Reconciles Infrastructures of type gcp.

    strategy: how routes move unless the Shoot requests another way, or `auto`. InvalidInput for an unknown one.
    prober_image: image of the pods that the decoy check needs; without one the check is refused.
    stopping: whether the process is ending, so that a cut-over that is cancelled comes to rest first.
    """

    def __init__(
        self,
        clusters: Clusters,
        computes: ComputeClients,
        clock: Clock,
        emit: Listener,
        *,
        strategy: str = DEFAULT,
        settings: Settings | None = None,
        prober_image: str = "",
        stopping: Callable[[], bool] = bool,
    ) -> None:
        validate(strategy)
        self._clusters, self._kube = clusters, clusters.seed
        self._computes = computes
        self._clock = clock
        self._emit = emit
        self._strategy = strategy
        self._settings = settings or Settings()
        self._prober_image = prober_image
        self._stopping = stopping
        self._protocol = ExtensionReconciler(
            clusters.seed,
            clock,
            INFRASTRUCTURE_EXTENSION,
            self._act,
            # The other seed takes over a finished reconcile (docs/reference/gardener.md#migrate-source-seed).
            Lifecycle(check=self._check, delete=self._delete, migrate=self._act),
        )

    async def reconcile(self, name: str, namespace: str) -> float | None:
        """One reconcile, as `ExtensionReconciler.reconcile`; then what is due beside it."""
        again = await self._protocol.reconcile(name, namespace)
        return again if again is not None else await self._beside(name, namespace)

    async def _beside(self, name: str, namespace: str) -> float | None:
        """While no reconcile is requested: prepare the Shoot or undo that, or give nodes that join their alias."""
        found = await self._kube.get(INFRASTRUCTURE, name, namespace)
        shoot = dig(await self._kube.get(CLUSTER, namespace), "spec", "shoot")
        if found is None or shoot is None:
            return None
        at_rest, over = is_failed(shoot), _is_published(found) and not is_pending(found)
        if dig(found, "metadata", "annotations", FOLLOWED) is not None and (at_rest or over):
            return await JoinedNodes(await self._migration(found, shoot, self._emit), ended=over).run()
        if is_pending(found) or at_rest:
            return None
        noted = dig(found, "metadata", "annotations", PREPARED) is not None
        if not noted and not is_requested(_as_published(ShootView.of(shoot), found)):
            return None
        return await Preparation(await self._migration(found, shoot, self._emit)).run()

    async def _act(self, infrastructure: Manifest, shoot: Manifest) -> Fields:
        progress = MigrationProgress(self._emit, self._clock)
        async with progress.shown(partial(self._protocol.show, infrastructure)):
            migration = await self._migration(infrastructure, shoot, progress.listen)
            fields = await _flow(infrastructure, migration).run()
        await delete_terraform_leftovers(
            self._kube, infrastructure["metadata"]["name"], infrastructure["metadata"]["namespace"]
        )
        return fields

    async def _check(self, infrastructure: Manifest, shoot: Manifest) -> None:
        view = ShootView.of(shoot)
        if view.infrastructure_config.nat_ip_names:
            compute = await self._compute(infrastructure)
            await check_config(compute, _desired(infrastructure, view, compute))

    async def _delete(self, infrastructure: Manifest, shoot: Manifest) -> Fields:
        view = ShootView.of(shoot)
        metadata = infrastructure["metadata"]
        record = InfrastructureRecord(self._kube, metadata["name"], metadata["namespace"])
        if exists((await record.state()).data):
            compute = await self._compute(infrastructure)
            desired = _desired(infrastructure, view, compute)
            await InfrastructureDeletion(compute, self._kube, self._clock, desired, view, record).run()
        await delete_terraform_leftovers(self._kube, metadata["name"], metadata["namespace"])
        return {}

    async def _migration(self, infrastructure: Manifest, shoot: Manifest, emit: Listener) -> Migration:
        view = _as_published(ShootView.of(shoot), infrastructure)
        compute = await self._compute(infrastructure)
        strategy = view.annotations.get(STRATEGY, self._strategy)
        if strategy not in (*STRATEGIES, AUTO):
            strategy = self._strategy  # the finding of the annotation stops whatever has not begun
        guest_agent = ""
        with suppress(DualstackError):  # then the finding guest-agent says that nothing shows it
            guest_agent = evidence(await self._kube.list(OPERATING_SYSTEM_CONFIG, view.technical_id))
        metadata = infrastructure["metadata"]
        record = InfrastructureRecord(self._kube, metadata["name"], metadata["namespace"])
        reporter = Reporter(emit, self._clock, view.technical_id)
        desired = _desired(infrastructure, view, compute)
        subnets = Subnets(compute, self._clock, desired, reporter)
        settings = replace(
            self._settings,
            drill=self._settings.drill or view.annotations.get(DRILL) == "true",
            decoys={"true": True, "false": False}.get(view.annotations.get(DECOYS, ""), self._settings.decoys),
        )
        decoys = Decoys(
            compute,
            self._clusters.shoot(view.technical_id),
            self._clock,
            emit,
            desired.cluster,
            wanted=bool(settings.decoys),
            image=self._prober_image,
        )
        return Migration(
            compute=compute,
            clusters=self._clusters,
            clock=self._clock,
            emit=emit,
            reporter=reporter,
            record=record,
            desired=desired,
            shoot=view,
            strategy=strategy,
            preflight=Preflight(
                compute,
                desired.cluster,
                settings,
                planned_firewalls=ipv6_firewalls(desired.ns),
                prober_image=self._prober_image,
                guest_agent=guest_agent,
            ),
            subnets=subnets,
            settings=settings,
            decoys=decoys,
            stopping=self._stopping,
        )

    async def _compute(self, infrastructure: Manifest) -> ComputeClient:
        reference = infrastructure["spec"]["secretRef"]
        read = partial(self._kube.get, SECRET, reference["name"], reference["namespace"])
        secret = await read()
        if secret is None:
            raise InvalidInput(
                f"secret {reference['namespace']}/{reference['name']} with the cloud credentials is missing"
            )
        return self._computes.of(secret, read)


def _flow(infrastructure: Manifest, migration: Migration) -> InfrastructureFlow:
    return InfrastructureFlow(
        compute=migration.compute,
        desired=migration.desired,
        shoot=migration.shoot,
        record=migration.record,
        reporter=migration.reporter,
        migration=migration,
        subnets=migration.subnets,
        migrating=migration.desired.dual and not _is_dual_stack(infrastructure),
    )


def _desired(infrastructure: Manifest, view: ShootView, compute: ComputeClient) -> Desired:
    return Desired.of(view, project=compute.project, region=infrastructure["spec"]["region"])


def _as_published(view: ShootView, infrastructure: Manifest) -> ShootView:
    """The Shoot with the ranges that the Infrastructure has published; its own status shows them after a success.

    A Shoot that returns to IPv4 in between returns from a dual-stack infrastructure. Its routes are gone, and the cloud
    may not accept them again, so this is not a cut-over to abandon (docs/reference/weaknesses.md#w3).
    """
    found: dict[str, list[str]] = (infrastructure.get("status") or {}).get("networking") or {}
    if len(found.get("nodes") or ()) < 2 or (view.status_networking and len(view.status_networking.nodes) == 2):
        return view
    ranges = (tuple(found.get(kind) or ()) for kind in ("pods", "nodes", "services"))
    return replace(view, status_networking=NetworkingStatus(*ranges))


def _is_dual_stack(infrastructure: Manifest) -> bool:
    """Whether a reconcile with IPv6 succeeded; part of the status is published before that."""
    return _is_published(infrastructure) and dig(infrastructure, "status", "lastOperation", "state") == "Succeeded"


def _is_published(infrastructure: Manifest) -> bool:
    """Whether the status shows a dual-stack infrastructure, which comes after the cut-over."""
    return len(dig(infrastructure, "status", "networking", "nodes") or ()) == 2
