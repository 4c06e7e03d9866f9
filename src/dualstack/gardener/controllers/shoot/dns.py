"""CoreDNS and kube-dns become dual-stack, in an order in which no address is used before it is served (W26, W46)."""

from __future__ import annotations

from dualstack.clock import Clock, parse_rfc3339, rfc3339
from dualstack.gardener.controllers.managed import apply_managed
from dualstack.gardener.controllers.rollout import await_in_cluster, deployment_missing, missing_in_cluster
from dualstack.gardener.controllers.shoot.observation import dns_facts
from dualstack.gardener.controllers.shoot.progress import Reporter
from dualstack.gardener.model.constraints import DNS_READY, Change, coredns_restart_due, dns_constraint
from dualstack.gardener.model.names import DNS_MIGRATION, MANAGED_RESOURCE_COREDNS, RESTARTED_AT
from dualstack.gardener.model.networks import dns_is_dual, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import coredns
from dualstack.kube.interface import Kube
from dualstack.kube.waiting import wait_until
from dualstack.model.conditions import find_condition
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, SERVICE, Manifest
from dualstack.model.names import COREDNS, KUBE_DNS, KUBE_SYSTEM


async def service_ips(kube: Kube) -> tuple[str, ...]:
    """The cluster IPs of the live Service kube-dns; empty when there is none."""
    service = await kube.get(SERVICE, KUBE_DNS, KUBE_SYSTEM)
    return tuple(dig(service, "spec", "clusterIPs") or ())


class DnsMigration:
    """The steps of the DNS migration; each looks for itself whether there is something to do."""

    def __init__(self, kube: Kube, clock: Clock, reporter: Reporter) -> None:
        self._kube = kube
        self._clock = clock
        self._report = reporter

    async def restart(self, shoot: ShootView) -> bool:
        """Restart CoreDNS if its pods lack a family, and wait until they have it. True while the DNS migration runs.

        A restart that is under way is waited for, not repeated: its annotation is younger than the constraint.
        """
        facts = await dns_facts(self._kube, shoot)
        if facts.dns_constraint is None:
            return False
        if coredns_restart_due(facts):
            async with self._report.step("restart-coredns"):
                live = await self._kube.get(DEPLOYMENT, COREDNS, KUBE_SYSTEM)
                stamp = _restart_under_way(live, shoot) or rfc3339(self._clock.now())
                objects = coredns.objects(shoot, networks(shoot), restarted_at=stamp)
                await apply_managed(self._kube, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
                await await_in_cluster(self._kube, self._clock, objects)
                await self._await_pods(shoot)
        return True

    async def readiness(self, shoot: ShootView) -> tuple[Change, ...]:
        """The constraint becomes True when the pods, or after a crash the Service already, have every family."""
        facts = await dns_facts(self._kube, shoot)
        ready = facts.pods_ready or facts.service_ready
        return (DNS_READY,) if facts.dns_constraint is not None and ready else ()

    async def completion(self, shoot: ShootView) -> tuple[Change, ...]:
        """What is to become of the constraint at the end of a pass, when the kubelets know what is served (2.3)."""
        return dns_constraint(await dns_facts(self._kube, shoot))

    async def deploy(self, shoot: ShootView) -> None:
        """CoreDNS and kube-dns as the constraints allow; the restart annotation is kept. Waits until they are so."""
        live = await self._kube.get(DEPLOYMENT, COREDNS, KUBE_SYSTEM)
        objects = coredns.objects(shoot, networks(shoot), restarted_at=_restarted_at(live))
        if await missing_in_cluster(self._kube, objects) is None:
            await apply_managed(self._kube, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
            return
        migrating = shoot.returning or (shoot.constraint(DNS_MIGRATION) is not None and dns_is_dual(shoot))
        async with self._report.step("update-kube-dns" if migrating else "update-coredns"):
            await apply_managed(self._kube, MANAGED_RESOURCE_COREDNS, shoot.technical_id, objects)
            await await_in_cluster(self._kube, self._clock, objects)

    async def _await_pods(self, shoot: ShootView) -> None:
        async def check() -> str | None:
            facts = await dns_facts(self._kube, shoot)
            return None if facts.pods_ready else "not every CoreDNS pod has an address of each family"

        await wait_until(check, self._clock, what="waiting for CoreDNS", interval=5.0)


def _restart_under_way(deployment: Manifest | None, shoot: ShootView) -> str | None:
    """The stamp of a restart that this migration asked for and that is not complete, or None."""
    stamp = _restarted_at(deployment)
    constraint = find_condition(shoot.constraints, DNS_MIGRATION)
    if deployment is None or stamp is None or constraint is None or deployment_missing(deployment) is None:
        return None
    try:
        began = parse_rfc3339(constraint.get("lastTransitionTime", ""))
        return stamp if parse_rfc3339(stamp) >= began else None
    except ValueError:
        return None


def _restarted_at(deployment: Manifest | None) -> str | None:
    stamp: str | None = dig(deployment, "spec", "template", "metadata", "annotations", RESTARTED_AT)
    return stamp
