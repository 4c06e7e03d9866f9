"""The DNS migration: CoreDNS and kube-dns become dual-stack, and no address is published before it is served.

docs/reference/weaknesses.md#w26 and docs/reference/weaknesses.md#w46 describe what upstream does instead.
"""

from __future__ import annotations

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers import diagnosis
from dualstack.gardener.controllers.reporting import Reporter
from dualstack.gardener.controllers.rollout import (
    apply_managed,
    await_in_cluster,
    deployment_missing,
    missing_in_cluster,
)
from dualstack.gardener.controllers.shoot.observation import dns_facts
from dualstack.gardener.model.constraints import DNS_READY, Change, coredns_restart_due, dns_constraint
from dualstack.gardener.model.names import DNS_MIGRATION, MANAGED_RESOURCE_COREDNS, RESTARTED_AT
from dualstack.gardener.model.networks import dns_is_dual, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import coredns
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import Tell, wait_until
from dualstack.model.conditions import find_condition
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, SERVICE, Manifest
from dualstack.model.names import COREDNS, KUBE_DNS, KUBE_DNS_SELECTOR, KUBE_SYSTEM


async def service_ips(shoot: Kube) -> tuple[str, ...]:
    """The cluster IPs of the live Service kube-dns; empty when there is none."""
    service = await shoot.get(SERVICE, KUBE_DNS, KUBE_SYSTEM)
    return tuple(dig(service, "spec", "clusterIPs") or ())


class DnsMigration:
    """The steps of the DNS migration; each determines for itself whether something is to do."""

    def __init__(self, seed: Kube, shoot: Kube, clock: Clock, reporter: Reporter, tell: Tell) -> None:
        self._seed, self._shoot = seed, shoot
        self._clock = clock
        self._report = reporter
        self._tell = tell

    async def restart(self, shoot: ShootView) -> bool:
        """Restart CoreDNS if its pods lack a family, and wait until they have it. True while the DNS migration runs.

        A restart in progress, whose annotation is younger than the constraint, is awaited and not repeated.
        """
        facts = await dns_facts(self._shoot, shoot)
        if facts.dns_constraint is None:
            return False
        if coredns_restart_due(facts):
            with self._report.step("restart-coredns"):
                live = await self._shoot.get(DEPLOYMENT, COREDNS, KUBE_SYSTEM)
                stamp = _restart_in_progress(live, shoot) or rfc3339(self._clock.now())
                objects = coredns.objects(shoot, networks(shoot), restarted_at=stamp)
                await apply_managed(self._seed, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
                await await_in_cluster(self._shoot, self._clock, objects, tell=self._tell)
                await self._await_pods(shoot)
        return True

    async def readiness(self, shoot: ShootView) -> tuple[Change, ...]:
        """Set the constraint to True when the pods have every family, or, after a crash, already the Service."""
        facts = await dns_facts(self._shoot, shoot)
        ready = facts.pods_ready or facts.service_ready
        return (DNS_READY,) if facts.dns_constraint is not None and ready else ()

    async def completion(self, shoot: ShootView) -> tuple[Change, ...]:
        """The change of the constraint at the end of a pass, when the kubelets have the served addresses."""
        return dns_constraint(await dns_facts(self._shoot, shoot))

    async def deploy(self, shoot: ShootView) -> None:
        """Apply CoreDNS and kube-dns as the constraints allow, keep the restart annotation, and await the rollout."""
        live = await self._shoot.get(DEPLOYMENT, COREDNS, KUBE_SYSTEM)
        objects = coredns.objects(shoot, networks(shoot), restarted_at=_restarted_at(live))
        if await missing_in_cluster(self._shoot, objects) is None:
            await apply_managed(self._seed, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
            return
        migrating = shoot.returning or (shoot.constraint(DNS_MIGRATION) is not None and dns_is_dual(shoot))
        with self._report.step("update-kube-dns" if migrating else "update-coredns"):
            await apply_managed(self._seed, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
            await await_in_cluster(self._shoot, self._clock, objects, tell=self._tell)

    async def _await_pods(self, shoot: ShootView) -> None:
        async def check() -> str | None:
            facts = await dns_facts(self._shoot, shoot)
            return None if facts.pods_ready else "not every CoreDNS pod has an address of each family"

        await wait_until(
            check,
            self._clock,
            what="waiting for CoreDNS",
            interval=5.0,
            diagnose=lambda: diagnosis.of_pods(self._shoot, KUBE_SYSTEM, KUBE_DNS_SELECTOR),
            tell=self._tell,
        )


def _restart_in_progress(deployment: Manifest | None, shoot: ShootView) -> str | None:
    """The time stamp of a restart that this migration requested and that is not complete, or None."""
    stamp = _restarted_at(deployment)
    constraint = find_condition(shoot.constraints, DNS_MIGRATION)
    if deployment is None or stamp is None or constraint is None or deployment_missing(deployment) is None:
        return None
    try:
        started = parse_rfc3339(constraint.get("lastTransitionTime", ""))
        return stamp if parse_rfc3339(stamp) >= started else None
    except ValueError:
        return None


def _restarted_at(deployment: Manifest | None) -> str | None:
    stamp: str | None = dig(deployment, "spec", "template", "metadata", "annotations", RESTARTED_AT)
    return stamp
