"""Checks of what only a Gardener shoot has: constraints, the hosted control plane, ManagedResources, the CNI extension.

`dualstack.verify` has the checks for every cluster.
"""

from __future__ import annotations

import asyncio

import yaml

from dualstack.cli.rehearsal.record import Record, migration_constraints
from dualstack.cli.rehearsal.world import World
from dualstack.gardener.model import names as gardener_names
from dualstack.gardener.model.kinds import MANAGED_RESOURCE, NETWORK
from dualstack.gardener.render.network import cni_of
from dualstack.model.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, Kind, Manifest
from dualstack.model.names import KUBE_PROXY, KUBE_PROXY_CONFIG, KUBE_SYSTEM
from dualstack.model.workloads import flags_of
from dualstack.verify.checks import DUAL, allocates_from_cloud, has_families
from dualstack.verify.facts import existing, is_rolled_out
from dualstack.verify.inventory import shown_flags
from dualstack.verify.judging import Verdict

_RECONCILE_ALL = {
    gardener_names.OPERATION: gardener_names.RECONCILE,
    gardener_names.TASKS: gardener_names.TASK_DEPLOY_INFRASTRUCTURE,
}


class GardenerChecks:
    """Reads the objects of one shoot. Each check raises a DualstackError or a LookupError for what it cannot read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shoot = world.shoot

    async def constraints_gone(self) -> Verdict:
        """The Shoot has no migration constraint (docs/reference/gardener.md#migration-constraints)."""
        left = migration_constraints(await self._world.read_shoot())
        return not left, f"still present: {', '.join(sorted(left))}" if left else "no migration constraint is left"

    async def constraints_in_order(self, record: Record) -> Verdict:
        """The constraints changed in Gardener's order, with its reasons and messages."""
        seen = tuple((change.type, change.status, change.reason, change.message) for change in record.constraints)
        if seen == record.direction.constraints:
            return True, f"{len(seen)} changes in Gardener's order and words"
        words = (" ".join(filter(None, entry[:3])) if entry[1] else f"{entry[0]} removed" for entry in seen)
        return False, f"seen: {', '.join(words) or 'no change'}"

    async def configured_for(self, *families: str) -> Verdict:
        """The control plane and kube-proxy are configured for the families.

        For IPv4 alone, cloud-controller-manager included: pods stay on aliases, so it creates no routes.
        """
        api_server = flags_of(await self._deployment(gardener_names.KUBE_API_SERVER))
        manager = flags_of(await self._deployment(gardener_names.KUBE_CONTROLLER_MANAGER))
        ingress = await self._deployment(gardener_names.INGRESS_GCE)
        services = api_server.get("service-cluster-ip-range"), manager.get("service-cluster-ip-range")
        good = {
            "kube-apiserver service-cluster-ip-range": self._is(services[0], self._shoot.services, families),
            "kube-controller-manager cluster-cidr": self._is(manager.get("cluster-cidr"), self._shoot.pods, families),
            "kube-controller-manager service-cluster-ip-range": self._is(services[1], self._shoot.services, families),
            **await self._proxy(families),
        }
        if families == DUAL:
            masks = ("node-cidr-mask-size-ipv4", "node-cidr-mask-size-ipv6")
            good |= {f"kube-controller-manager {mask}": mask in manager for mask in masks}
            good["ingress-gce"] = ingress["status"].get("readyReplicas", 0) == 1
        else:
            mask = str(self._shoot.node_cidr_mask_size)
            good["kube-controller-manager node-cidr-mask-size"] = manager.get("node-cidr-mask-size") == mask
            allocates, evidence = allocates_from_cloud(*families)(await self._world.sources.read())
            good[f"cloud-controller-manager ({evidence})"] = allocates
            good["ingress-gce"] = ingress["spec"]["replicas"] == 0
        if wrong := [name for name, right in good.items() if not right]:
            return False, f"not configured for {' and '.join(families)}: {', '.join(wrong)}"
        return True, f"services {services[0]}, pods {manager['cluster-cidr']}"

    async def nothing_ignored(self) -> Verdict:
        """No ManagedResource has the annotations that keep cloud-controller-manager stopped."""
        ignored = [
            resource["metadata"]["name"]
            for resource in await self._world.seed.list(MANAGED_RESOURCE, self._shoot.technical_id)
            if (resource["metadata"].get("annotations") or {}).keys()
            & {gardener_names.IGNORE, gardener_names.REMOVE_IGNORE}
        ]
        return not ignored, f"ignored: {', '.join(ignored)}" if ignored else "no ManagedResource is ignored"

    async def network_is(self, *families: str) -> Verdict:
        """The Network reports the families, and the CNI is configured for them and rolled out."""
        network = await self._get(NETWORK, self._shoot.name, self._shoot.technical_id)
        cni = cni_of(self._shoot.cni)
        rolled_out = is_rolled_out(await self._get(DAEMON_SET, cni.daemon_set, KUBE_SYSTEM))
        dual = cni.is_dual_stack((await self._get(CONFIG_MAP, cni.config_map, KUBE_SYSTEM))["data"])
        found = network["status"].get("ipFamilies") or []
        evidence = (
            f"Network: {', '.join(found)}; {cni.daemon_set} {'rolled out' if rolled_out else 'not rolled out'} "
            f"with a {'dual-stack' if dual else 'single-stack'} configuration"
        )
        return found == list(families) and rolled_out and dual == (len(families) == 2), evidence

    async def nothing_to_reconcile(self) -> Verdict:
        """A further reconcile of everything, infrastructure included, changes nothing in Compute."""
        before = await self._world.control("/compute/statistics?caller=dualstack/")
        updated = (await self._world.read_shoot())["status"]["lastOperation"]["lastUpdateTime"]
        await self._world.edit_shoot({"metadata": {"annotations": _RECONCILE_ALL}})
        for _ in range(1200):
            await asyncio.sleep(0.05)
            shoot = await self._world.read_shoot()
            operation = shoot["status"]["lastOperation"]
            pending = (shoot["metadata"].get("annotations") or {}).keys() & _RECONCILE_ALL.keys()
            if not pending and operation["state"] == "Succeeded" and operation["lastUpdateTime"] != updated:
                break
        else:
            return False, f"the reconcile did not succeed within 60 s: {operation}"
        after = await self._world.control("/compute/statistics?caller=dualstack/")
        mutations = after["mutations"] - before["mutations"]
        return mutations == 0, f"{after['calls'] - before['calls']} calls, {mutations} of them mutating"

    async def inventory(self) -> dict[str, str]:
        """What a migration changes in the shoot besides `dualstack.verify.inventory`, by name."""
        network = await self._get(NETWORK, self._shoot.name, self._shoot.technical_id)
        shown = {
            gardener_names.KUBE_API_SERVER: "service-cluster-ip-range",
            gardener_names.KUBE_CONTROLLER_MANAGER: "cluster-cidr",
        }
        components = {name: shown_flags(flags_of(await self._deployment(name)), flag) for name, flag in shown.items()}
        return {**components, self._shoot.cni: ", ".join(network["status"].get("ipFamilies") or [])}

    def _is(self, value: str | None, ipv4: str, families: tuple[str, ...]) -> bool:
        return has_families(value, *families) and str(value).split(",")[0] == ipv4

    async def _proxy(self, families: tuple[str, ...]) -> dict[str, bool]:
        """kube-proxy has the pod ranges and is rolled out; it is absent where the Shoot disables it."""
        if not self._shoot.kube_proxy_enabled:
            return {"kube-proxy absent": await self._world.kube.get(DAEMON_SET, KUBE_PROXY, KUBE_SYSTEM) is None}
        content = await self._get(CONFIG_MAP, KUBE_PROXY_CONFIG, KUBE_SYSTEM)
        ranges = yaml.safe_load(content["data"]["config.yaml"]).get("clusterCIDR", "")
        return {
            "kube-proxy clusterCIDR": self._shoot.proxy_mode == "IPVS" or has_families(ranges, *families),
            "kube-proxy roll-out": is_rolled_out(await self._get(DAEMON_SET, KUBE_PROXY, KUBE_SYSTEM)),
        }

    async def _deployment(self, name: str) -> Manifest:
        return await self._get(DEPLOYMENT, name, self._shoot.technical_id)

    async def _get(self, kind: Kind, name: str, namespace: str) -> Manifest:
        of_seed = namespace == self._shoot.technical_id
        return await existing(self._world.seed if of_seed else self._world.kube, kind, name, namespace)
