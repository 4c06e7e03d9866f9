"""A cluster that reacts at once whenever the product waits: just enough for the shoot controller to migrate.

Nothing runs in the background. `ScriptedClock.sleep` lets time pass and then has the world react, so that every run is
the same and can be cut off at any wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tests.support.clusters import one_api_server
from tests.support.manifests import objects_of
from tests.support.store_kube import StoreKube

from dualstack.clock import rfc3339
from dualstack.gardener.controllers.controlplane import ControlPlaneController
from dualstack.gardener.controllers.extension import INFRASTRUCTURE_EXTENSION, ExtensionReconciler, Status, is_pending
from dualstack.gardener.controllers.network import NetworkController
from dualstack.gardener.controllers.rollout import KINDS
from dualstack.gardener.controllers.workers import WorkersController
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.model.infrastructure import InfrastructureState, InfrastructureStatus
from dualstack.gardener.model.names import IGNORE, POOL_LABEL, RESTARTED_AT, ROLLOUT_WORKERS, managed_resource_network
from dualstack.gardener.model.networks import networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import (
    coredns,
    extensions,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
    machine_class,
    managed_resource,
    network,
)
from dualstack.gardener.render.control_plane import objects as control_plane_objects
from dualstack.kube.apply import merge_patch
from dualstack.model import kinds
from dualstack.model.cidr import services_range
from dualstack.model.errors import DualstackError, GateFailed
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack.model.manifests import manifest
from dualstack.model.names import KUBE_DNS, KUBE_SYSTEM
from dualstack.model.parts import identity, rendered
from dualstack.model.workloads import flag_values
from dualstack_sim.actors.manifest_merge import merged
from dualstack_sim.chance import Chance
from dualstack_sim.kube.store import KubeStore
from dualstack_sim.world.gardener import admission, definitions
from dualstack_sim.world.gardener.knobs import Garden

START = 1_800_000_000.0
NS = "shoot--foo--bar"
NODES_IPV6, SERVICES_IPV6 = "2600:1900:4010:1234::/64", "2600:1900:4010:5678::/64"
PROJECT = "proj-1"


_AGES = ("old", "new", "newer", "newest")
"""The part of a node's name that identifies the rollout that created it."""


class Killed(BaseException):
    """The operator's process ends here."""


class ScriptedClock:
    """Time passes only in `sleep`, which then lets the world react."""

    def __init__(self) -> None:
        self.time = START
        self.react: Callable[[], Awaitable[None]] | None = None
        self.sleeps = 0
        self.kill_at: int | None = None

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        if self.sleeps == self.kill_at:
            raise Killed
        self.time += seconds
        if self.react is not None:
            await self.react()


class ScriptedWorld:
    """The golden scenario's cluster at rest and its reactions (docs/reference/gardener.md#golden-state-at-rest)."""

    def __init__(self, shoot: Manifest) -> None:
        self.clock = ScriptedClock()
        self.store = KubeStore(self.clock, Chance(1))
        self.kube = StoreKube(self.store)
        self.infrastructure_fails = 0
        self.roll_nodes = True
        self.nodes_need_aliases = False
        """New machines become nodes only with the class of the migrated infrastructure, as after a cut-over."""
        self._busy = False
        self._requests: list[str] = []
        self._applied: dict[tuple[str, str, str, str], Manifest] = {}
        """The manifest that was last applied: defaults of the API server are not a difference."""
        self._managed: dict[str, set[tuple[str, str, str, str]]] = {}
        self._lay(shoot)
        self.restart_operator()
        self.clock.react = self.react

    # -- at rest

    def _lay(self, shoot: Manifest) -> None:
        for definition in definitions.definitions():
            self.store.create(kinds.CRD, definition)
        admission.register(self.store.admission, Garden(mask_may_leave=True))
        for namespace in ("garden-foo", NS):
            self.store.create(kinds.NAMESPACE, {"metadata": {"name": namespace}})
        view = ShootView.of(shoot)
        status = {
            "technicalID": NS,
            "observedGeneration": 1,
            "networking": {
                "pods": [view.pods],
                "nodes": [view.nodes],
                "services": [view.services],
                "egressCIDRs": [],
            },
            "lastOperation": self._operation(),
        }
        stored = self.store.upsert(gardener_kinds.SHOOT, {**shoot, "status": status})
        view = ShootView.of(stored)
        self.store.create(gardener_kinds.CLUSTER, extensions.cluster(view))
        key = {"serviceaccount.json": "eyJwcm9qZWN0X2lkIjogInByb2otMSJ9"}
        self.store.create(kinds.SECRET, manifest(kinds.SECRET, "cloudprovider", NS, data=key))
        self._lay_extensions(view)
        self._lay_components(view)
        self._lay_machines(view)
        self._roll_workloads()
        self._restart_coredns()

    def _operation(self) -> dict[str, Any]:
        return {
            "type": "Reconcile",
            "state": "Succeeded",
            "progress": 100,
            "description": "",
            "lastUpdateTime": rfc3339(self.clock.now()),
        }

    def _lay_extensions(self, view: ShootView) -> None:
        infrastructure = self._infrastructure_status(view)
        answered = {"observedGeneration": 1, "lastOperation": self._operation()}
        provider = InfrastructureStatus.from_raw(infrastructure["providerStatus"])
        for kind, wanted, status in (
            (gardener_kinds.INFRASTRUCTURE, extensions.infrastructure(view), infrastructure),
            (gardener_kinds.CONTROL_PLANE, extensions.control_plane(view, provider), {}),
            (gardener_kinds.NETWORK, extensions.network(view), {"ipFamilies": ["IPv4"]}),
            (gardener_kinds.WORKER, extensions.worker(view, provider), {}),
        ):
            wanted["metadata"]["annotations"] = {"gardener.cloud/timestamp": rfc3339(self.clock.now())}
            wanted["metadata"]["finalizers"] = [f"extensions.gardener.cloud/{kind.kind.lower()}"]
            self.store.upsert(kind, {**wanted, "status": {**answered, **status}})

    def _lay_components(self, view: ShootView) -> None:
        current = networks(view)
        provider = InfrastructureStatus.from_raw(self._infrastructure_status(view)["providerStatus"])
        for deployment in (
            kube_apiserver.deployment(view, current).new,
            kube_controller_manager.deployment(view, current).new,
        ):
            self.store.create(kinds.DEPLOYMENT, deployment)
        for pool in view.pools:
            config = kubelet.operating_system_config(view, pool, current.dns_ips).new
            self.store.create(gardener_kinds.OPERATING_SYSTEM_CONFIG, config)
        for name, objects, seed in (
            ("extension-controlplane-seed", control_plane_objects(view, provider, PROJECT), True),
            (managed_resource_network(view.cni), network.objects(view, current), False),
            *([("shoot-core-kube-proxy", kube_proxy.objects(view, current), False)] if view.kube_proxy_enabled else []),
            ("shoot-core-coredns", coredns.objects(view, current), False),
        ):
            self.store.create(kinds.SECRET, managed_resource.secret(name, NS, rendered(objects)))
            self.store.create(gardener_kinds.MANAGED_RESOURCE, managed_resource.managed_resource(name, NS, seed=seed))
        self._manage_resources()
        self._roll_workloads()
        self._restart_coredns()

    def _lay_machines(self, view: ShootView) -> None:
        provider = InfrastructureStatus.from_raw(self._infrastructure_status(view)["providerStatus"])
        for pool in view.pools:
            for part in pool.parts:
                self.store.create(
                    gardener_kinds.MACHINE_CLASS, machine_class.machine_class(view, provider, pool, part).new
                )
                wanted = machine_class.machine_deployment(view, pool, part, replicas=part.minimum)
                self.store.create(gardener_kinds.MACHINE_DEPLOYMENT, wanted)
                for index in range(part.minimum):
                    self.add_node(f"{pool.name}-old-{index}", pool.name, [f"100.96.{index}.0/24"])
        self._report_machines()

    def add_node(self, name: str, pool: str, cidrs: list[str]) -> None:
        """A Node that is ready, with its Machine."""
        machine = {**manifest(gardener_kinds.MACHINE, name, NS), "status": {"currentStatus": {"phase": "Running"}}}
        self.store.upsert(gardener_kinds.MACHINE, machine)
        node = manifest(kinds.NODE, name, spec={"podCIDR": cidrs[0], "podCIDRs": cidrs})
        node["metadata"]["labels"] = {POOL_LABEL: pool}
        ready = [{"type": "Ready", "status": "True"}]
        self.store.upsert(kinds.NODE, {**node, "status": {"conditions": ready}})

    def _remove_node(self, name: str) -> None:
        self.store.delete(kinds.NODE, name)
        self.store.delete(gardener_kinds.MACHINE, name, NS)

    # -- reactions

    def restart_operator(self) -> None:
        """Create new controllers without any memory, as after a crash."""
        self._controllers: dict[Kind, Any] = {
            gardener_kinds.INFRASTRUCTURE: ExtensionReconciler(
                self.kube, self.clock, INFRASTRUCTURE_EXTENSION, self._reconcile_infrastructure
            ),
            gardener_kinds.CONTROL_PLANE: ControlPlaneController(one_api_server(self.kube), self.clock),
            gardener_kinds.NETWORK: NetworkController(one_api_server(self.kube), self.clock),
            gardener_kinds.WORKER: WorkersController(one_api_server(self.kube), self.clock),
        }

    def controller(self, kind: Kind) -> Any:
        """The controller of an extension kind."""
        return self._controllers[kind]

    async def react(self) -> None:
        """Everything that the cluster does until it has nothing to do."""
        self._manage_resources()
        self._roll_workloads()
        self._restart_coredns()
        self._roll_machines()
        self._report_machines()
        if self._busy:
            return
        self._busy = True
        try:
            for kind, controller in self._controllers.items():
                for found in self.store.list(kind, NS):
                    if is_pending(found):
                        with suppress(DualstackError):  # it stands in the object's status; the queue would try again
                            await controller.reconcile(found["metadata"]["name"], NS)
        finally:
            self._busy = False

    async def _reconcile_infrastructure(self, found: Manifest, shoot: Manifest) -> Status:
        if self.infrastructure_fails:
            self.infrastructure_fails -= 1
            raise GateFailed("the gate is shut")
        return self._infrastructure_status(ShootView.of(shoot))

    def _infrastructure_status(self, view: ShootView) -> Manifest:
        dual = view.dual_stack_infrastructure
        subnets = [{"name": f"{NS}-nodes", "purpose": "nodes"}]
        if dual:
            subnets.append({"name": f"{NS}-services", "purpose": "services"})
        provider = {
            "networks": {"vpc": {"name": NS}, "subnets": subnets, "ipfamilies": ["IPv4", *(["IPv6"] if dual else [])]},
        }
        return {
            "providerStatus": InfrastructureStatus.from_raw(provider).to_raw(),
            "networking": {
                "pods": [view.pods, *([NODES_IPV6] if dual else [])],
                "nodes": [view.nodes, *([NODES_IPV6] if dual else [])],
                "services": [view.services, *([services_range(SERVICES_IPV6)] if dual else [])],
            },
            "state": InfrastructureState(data={"resources_exist": "true"}).to_raw(),
        }

    def _manage_resources(self) -> None:
        for managed in self.store.list(gardener_kinds.MANAGED_RESOURCE, NS):
            if dig(managed, "metadata", "annotations", IGNORE) == "true":
                continue
            name = managed["metadata"]["name"]
            secret = self.store.get(kinds.SECRET, managed["spec"]["secretRefs"][0]["name"], NS)
            wanted = {identity(item): item for item in objects_of(secret or {})}
            for item in wanted.values():
                self._apply(KINDS[(item["apiVersion"], item["kind"])], item)
            for key in self._managed.get(name, set()) - wanted.keys():
                self.store.delete(KINDS[key[:2]], key[3], key[2] or None)
            self._managed[name] = set(wanted)

    def _apply(self, kind: Kind, wanted: Manifest) -> None:
        if (kind, wanted["metadata"]["name"]) == (kinds.SERVICE, KUBE_DNS) and not self._serves(wanted):
            return
        name, namespace = wanted["metadata"]["name"], wanted["metadata"].get("namespace")
        live = self.store.get(kind, name, namespace)
        if live is None:
            self.store.create(kind, wanted)
        elif self._applied.get(identity(wanted)) != wanted:
            self.store.patch(kind, name, merge_patch(live, merged(live, wanted)), namespace)
        self._applied[identity(wanted)] = wanted

    def _serves(self, service: Manifest) -> bool:
        """Whether the API server has a range for each cluster IP that the Service wants."""
        server = self.store.get(kinds.DEPLOYMENT, "kube-apiserver", NS)
        assert server is not None
        known = "service-cluster-ip-range"
        ranges = flag_values(server, "kube-apiserver", known)[known].split(",")
        return len(service["spec"]["clusterIPs"]) <= len(ranges)

    def _roll_workloads(self) -> None:
        nodes = len(self.store.list(kinds.NODE))
        for deployment in self.store.list(kinds.DEPLOYMENT):
            in_seed = deployment["metadata"]["namespace"] == NS
            wanted = deployment["spec"]["replicas"] if nodes or in_seed else 0
            replicas = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
            self._report(kinds.DEPLOYMENT, deployment, dict.fromkeys(replicas, wanted))
        for daemon_set in self.store.list(kinds.DAEMON_SET):
            counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
            self._report(kinds.DAEMON_SET, daemon_set, dict.fromkeys(counts, nodes))

    def _report(self, kind: Kind, found: Manifest, status: dict[str, int]) -> None:
        metadata = found["metadata"]
        body = {"status": {**status, "observedGeneration": metadata["generation"]}}
        self.store.patch(kind, metadata["name"], body, metadata["namespace"], subresource="status")

    def _restart_coredns(self) -> None:
        """Two pods for each value of the restart annotation, with the families that the CNI then has."""
        deployment = self.store.get(kinds.DEPLOYMENT, "coredns", KUBE_SYSTEM)
        assert deployment is not None
        stamp = dig(deployment, "spec", "template", "metadata", "annotations", RESTARTED_AT) or "never"
        current = f"k8s-app=kube-dns,restarted={stamp.replace(':', '-')}"
        if self.store.list(kinds.NODE) and self.store.list(kinds.POD, KUBE_SYSTEM, labels=current):
            return
        for pod in self.store.list(kinds.POD, KUBE_SYSTEM, labels="k8s-app=kube-dns"):
            self.store.delete(kinds.POD, pod["metadata"]["name"], KUBE_SYSTEM)
        if not self.store.list(kinds.NODE):
            return
        found = self.store.get(gardener_kinds.NETWORK, "bar", NS)
        dual = "IPv6" in (dig(found, "status", "ipFamilies") or ())
        addresses = [{"ip": "100.96.0.9"}, *([{"ip": "2600:1900:4010:1234::9"}] if dual else [])]
        for index in range(2):
            pod = manifest(kinds.POD, f"coredns-{index}", KUBE_SYSTEM, spec={"containers": [_CONTAINER]})
            pod["metadata"]["labels"] = {"k8s-app": "kube-dns", "restarted": stamp.replace(":", "-")}
            self.store.upsert(kinds.POD, {**pod, "status": {"podIPs": addresses, "phase": "Running"}})

    def _roll_machines(self) -> None:
        """Replace one node whose pool has a rollout request, by one of the current machine class."""
        for deployment in self.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS) if self.roll_nodes else []:
            self._scale(deployment)
            if self._asked(deployment):
                self.replace_node(deployment)

    def _scale(self, deployment: Manifest) -> None:
        """As many nodes as the MachineDeployment wants, new ones with the families of its class."""
        pool = deployment["metadata"]["labels"][POOL_LABEL]
        names, wanted = self._names(pool), deployment["spec"]["replicas"]
        for name in names[wanted:]:
            self._remove_node(name)
        dual = machine_class.is_dual_stack(self._class_of(deployment))
        if len(names) >= wanted or (self.nodes_need_aliases and not dual):
            return
        for index in range(len(names), wanted):
            cidrs = [f"100.97.{index}.0/24", *([f"2600:1900:4010:1234:1:{index}::/112"] if dual else [])]
            self.add_node(f"{pool}-{self._age() if dual else _AGES[0]}-{index}", pool, cidrs)

    def _class_of(self, deployment: Manifest) -> Manifest:
        name = deployment["spec"]["template"]["spec"]["class"]["name"]
        found = self.store.get(gardener_kinds.MACHINE_CLASS, name, NS)
        assert found is not None
        return found

    def _asked(self, deployment: Manifest) -> str | None:
        """The last rollout request; each creates nodes of an age of its own."""
        stamp: str | None = dig(deployment, "spec", "template", "metadata", "annotations", ROLLOUT_WORKERS)
        if stamp and stamp not in self._requests:
            self._requests.append(stamp)
        return stamp

    def _age(self) -> str:
        return _AGES[max(1, len(self._requests))]

    def replace_node(self, deployment: Manifest) -> None:
        """Replace the first node of the first machine set by one of the current class."""
        pool = deployment["metadata"]["labels"][POOL_LABEL]
        self._asked(deployment)
        old = [name for name in self._names(pool) if f"-{self._age()}-" not in name]
        if not old:
            return
        found = self._class_of(deployment)
        index = int(old[0].rpartition("-")[2])
        cidrs = [f"100.96.{_AGES.index(self._age()) * 50 + index}.0/24"]
        if machine_class.is_dual_stack(found):
            cidrs.append(f"2600:1900:4010:1234:0:{index + 1}::/112")
        self._remove_node(old[0])
        self.add_node(f"{pool}-{self._age()}-{index}", pool, cidrs)

    def _names(self, pool: str) -> list[str]:
        return [node["metadata"]["name"] for node in self.store.list(kinds.NODE, labels=f"{POOL_LABEL}={pool}")]

    def _report_machines(self) -> None:
        for deployment in self.store.list(gardener_kinds.MACHINE_DEPLOYMENT, NS):
            names = self._names(deployment["metadata"]["labels"][POOL_LABEL])
            new = sum(f"-{self._age()}-" in name for name in names) if self._asked(deployment) else len(names)
            counts = {"replicas": len(names), "updatedReplicas": new, "availableReplicas": len(names)}
            self._report(gardener_kinds.MACHINE_DEPLOYMENT, deployment, counts)


_CONTAINER = {"name": "coredns", "image": "coredns"}


RECONCILE_REQUEST = {"metadata": {"annotations": {"gardener.cloud/operation": "reconcile"}}}


async def reconcile(world: ScriptedWorld, kind: Kind) -> Manifest:
    world.store.patch(kind, "bar", RECONCILE_REQUEST, NS)
    assert await world.controller(kind).reconcile("bar", NS) is None
    found = world.store.get(kind, "bar", NS)
    assert found is not None
    return found


def cluster(world: ScriptedWorld, constraint: str | None) -> None:
    """The Cluster as it is once the infrastructure is dual-stack; `constraint`: status of the nodes' migration."""
    shoot = (world.store.get(gardener_kinds.CLUSTER, NS) or {})["spec"]["shoot"]
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4", "IPv6"]
    shoot["status"]["networking"] = {
        "pods": ["100.96.0.0/11", "2600:1900:4010:1234::/64"],
        "nodes": ["10.250.0.0/16", "2600:1900:4010:1234::/64"],
        "services": ["100.64.0.0/13", "2600:1900:4010:5678::/108"],
    }
    if constraint:
        shoot["status"]["constraints"] = [{"type": "DualStackNodesMigrationReady", "status": constraint}]
    world.store.patch(
        gardener_kinds.CLUSTER, NS, [{"op": "add", "path": "/spec/shoot", "value": shoot}], patch_type="json"
    )
