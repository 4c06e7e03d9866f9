"""The kubelets of all node VMs and of other hosts: they register Nodes, report readiness and run pods.

Simplified: leases are renewed every ten minutes instead of every ten seconds, and Node heartbeats are hourly, because
no actor evaluates them. A stopped VM is detected in Compute; its Node then changes as by kube-controller-manager.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dualstack.clock import rfc3339
from dualstack.model.json_path import dig
from dualstack.model.kinds import CONFIG_MAP, LEASE, NODE, POD, Manifest
from dualstack_sim.actors.cni import CNIS
from dualstack_sim.actors.cni.host_local import cidrs_of
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.hosts import Guests, Host, Registration, Vm, VmWatch
from dualstack_sim.actors.informer import ObjectKey
from dualstack_sim.actors.pod_runner import PodRunner
from dualstack_sim.actors.pod_status import pressure_conditions, ready_condition
from dualstack_sim.actors.pods import BY_NODE, by_node, condition, controller_of, is_ready, is_true
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import AlreadyExists, NotFound

UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
LEASE_NAMESPACE = "kube-node-lease"
_BOOT_SECONDS = (30.0, 50.0)
_RENEW_SECONDS = 600.0
_HEARTBEAT_RENEWALS = 6
_MONITOR_GRACE_SECONDS = 40.0
NODE_INFO = {
    "architecture": "amd64",
    "operatingSystem": "linux",
    "osImage": "Garden Linux",
    "kernelVersion": "6.12.44-cloud-amd64",
    "containerRuntimeVersion": "containerd://2.1.4",
    "kubeletVersion": "v1.33.4",
    "kubeProxyVersion": "v1.33.4",
}
"""The nodeInfo of the first Node."""
_NOT_READY = "container runtime network not ready: cni config uninitialized"


class Kubelet:
    """One actor for all nodes. Nodes that are Ready at the start count as booted, with their CNI configured."""

    def __init__(self, context: ActorContext, recorder: Recorder, guests: Guests) -> None:
        self._context = context
        self._guests = guests
        self._recorder = recorder
        self._kube, _ = context.named("kubelet")
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._queue = context.queue("nodes")
        self._renewals = context.queue("node leases")
        self._renewed: dict[str, int] = {}
        of_seed = context.seed is not context  # its pods are on another API server
        self._hosts: dict[str, Host] = {} if of_seed else {host.name: host for host in guests.hosts}
        self._vms = VmWatch(context, guests, lambda name: self._queue.add(("", name)))
        self._runner = PodRunner(context, recorder, self._hosts, lambda name: self._queue.add(("", name)))

    async def run(self) -> None:
        """Until cancelled."""
        self._pods.index(BY_NODE, by_node)
        await self._context.informers.synced(NODE, POD, CONFIG_MAP)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._vms.run())
            group.create_task(self._runner.run())
            group.create_task(self._queue.serve(self._reconcile, workers=4))
            group.create_task(self._renewals.serve(self._renew))

    def _node_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        node = new or old
        if node is not None:
            self._queue.add(("", node["metadata"]["name"]))

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """A CNI agent or an end point that becomes ready changes its Node."""
        if new is None or not is_ready(new) or (old is not None and is_ready(old)):
            return
        kind, name = controller_of(new)
        if kind == "DaemonSet" and (name == self._guests.end_point or name in CNIS):
            self._queue.add(("", new["spec"].get("nodeName", "")))

    async def _reconcile(self, key: ObjectKey) -> float | None:
        name = key[1]
        vm = self._vms.vms.get(name)
        host = self._hosts.get(name)
        if host is not None and host.ranges is not None:
            return None
        if vm is None or not vm.running:
            return await self._handle_lost_vm(host, gone=vm is None) if host is not None else None
        if host is None:
            host = self._hosts[name] = self._new_host(vm)
        host.addresses, host.lost_at = vm.addresses, None
        if not host.booted:
            wait = self._boot(host)
            if wait > 0:
                return wait
            await self._register(vm)
            host.booted = True
            self._runner.revisit_all(host)
            self._renewals.add(key)
        return await self._update_node(host)

    def _new_host(self, vm: Vm) -> Host:
        """The host of a VM that is seen for the first time. If its Node is Ready, the VM has already booted."""
        host = Host(vm.name, vm.addresses)
        node = self._nodes.get(vm.name)
        if node is not None and is_true(node, "Ready"):
            host.booted = True
            self._runner.configure_cni(host)
            self._runner.revisit_all(host)
            # Spread over the period, so that not all nodes renew at the same time.
            period = self._context.chance.uniform(0.0, _RENEW_SECONDS, "lease", vm.name)
            self._renewals.add_after(("", vm.name), period)
        return host

    def _boot(self, host: Host) -> float:
        """Seconds until the guest is up."""
        now = self._context.clock.now()
        if host.boot_at is None:
            host.boots += 1
            host.boot_at = now + self._context.chance.uniform(*_BOOT_SECONDS, "boot", host.name, host.boots)
        return host.boot_at - now

    async def _register(self, vm: Vm) -> None:
        manifest = node_of(vm, self._guests.registration(vm.name), next(iter(self._nodes.all()), None))
        manifest["status"]["nodeInfo"] |= {
            name: self._context.chance.uid(name, vm.name) for name in ("bootID", "machineID", "systemUUID")
        }
        now = rfc3339(self._context.clock.now())
        not_ready = ready_condition(None, "False", "KubeletNotReady", _NOT_READY, now)
        manifest["status"]["conditions"] = [*pressure_conditions(now), not_ready]
        try:
            node = await self._kube.create(NODE, manifest)
        except AlreadyExists:
            return
        self._nodes.observe(node)
        self._recorder.record(node, "Starting", "Starting kubelet.")

    async def _update_node(self, host: Host) -> float | None:
        """Report the readiness of the Node, and make it an end point once pods can run."""
        node = self._nodes.get(host.name)
        if node is None:
            # As a real kubelet, it registers the Node again only when the VM boots.
            self._leave(host)
            return None
        if cidrs_of(node):
            self._runner.revisit(host)
        await self._post_readiness(host, node)
        self._join(host)
        return None

    async def _post_readiness(self, host: Host, node: Manifest) -> None:
        works = host.cni is not None and bool(cidrs_of(node))
        wanted = (
            ("True", "KubeletReady", "kubelet is posting ready status")
            if works
            else ("False", "KubeletNotReady", _NOT_READY)
        )
        before = condition(node, "Ready")
        if before is not None and (before.get("status"), before.get("reason")) == wanted[:2]:
            return
        await self._post(host.name, [ready_condition(before, *wanted, rfc3339(self._context.clock.now()))])
        if works:
            self._recorder.record(node, "NodeReady", f"Node {host.name} status is now: NodeReady")

    async def _post(self, name: str, conditions: list[dict[str, Any]]) -> None:
        """Patch these conditions only (merged by type)."""
        patch = {"status": {"conditions": conditions}}
        try:
            answer = await self._kube.patch(NODE, name, patch, patch_type="strategic", subresource="status")
        except NotFound:
            return
        self._nodes.observe(answer)

    def _join(self, host: Host) -> None:
        node = self._nodes.get(host.name)
        if host.joined or node is None or not is_true(node, "Ready"):
            return
        pods = self._pods.indexed(BY_NODE, host.name)
        if any(is_ready(pod) for pod in pods if controller_of(pod)[1] == self._guests.end_point):
            host.joined = True
            self._context.endpoints.join(
                self._context.clock.now(),
                host.name,
                [str(cidr) for cidr in cidrs_of(node)],
                steals_aliases=self._context.guest_agent_takes_aliases,
            )

    def _leave(self, host: Host) -> None:
        if host.joined:
            host.joined = False
            self._context.endpoints.leave(self._context.clock.now(), host.name)

    async def _handle_lost_vm(self, host: Host, *, gone: bool) -> float | None:
        """The VM does not run. After 40 s kube-controller-manager sets Ready to Unknown."""
        now = self._context.clock.now()
        self._leave(host)
        host.booted, host.boot_at = False, None
        if host.lost_at is None:
            host.lost_at = now
        node = self._nodes.get(host.name)
        if node is None:
            if gone:
                del self._hosts[host.name]
            return None
        down_for = now - host.lost_at
        if down_for < _MONITOR_GRACE_SECONDS:
            return _MONITOR_GRACE_SECONDS - down_for
        before = condition(node, "Ready")
        if before is not None and before.get("status") != "Unknown":
            words = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            await self._post(host.name, [ready_condition(before, *words, rfc3339(now))])
        return None

    async def _renew(self, key: ObjectKey) -> float | None:
        host = self._hosts.get(key[1])
        if host is None or not host.booted:
            return None
        self._renewed[host.name] = self._renewed.get(host.name, 0) + 1
        await self._renew_lease(host.name)
        node = self._nodes.get(host.name)
        if self._renewed[host.name] % _HEARTBEAT_RENEWALS == 0 and node is not None:
            now = rfc3339(self._context.clock.now())
            await self._post(
                host.name, [{**(condition(node, "Ready") or {}), "type": "Ready", "lastHeartbeatTime": now}]
            )
        return _RENEW_SECONDS

    async def _renew_lease(self, name: str) -> None:
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": int(2 * _RENEW_SECONDS),
            "renewTime": rfc3339(self._context.clock.now(), fraction=True),
        }
        try:
            await self._kube.patch(LEASE, name, {"spec": spec}, LEASE_NAMESPACE)
        except NotFound:
            metadata = {"name": name, "namespace": LEASE_NAMESPACE}
            lease = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
            await self._kube.create(LEASE, lease)


def node_of(vm: Vm, registration: Registration, sibling: Manifest | None = None) -> Manifest:
    """The Node as its kubelet registers it: uninitialised. Capacity and versions are those of another Node."""
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": vm.name,
        "kubernetes.io/os": "linux",
        **registration.labels,
    }
    taints = [{"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}, *registration.taints]
    resources = dig(sibling, "status", "capacity") or {"cpu": "2", "memory": "8Gi", "pods": "110"}
    annotations = {"annotations": dict(registration.annotations)} if registration.annotations else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": vm.name, "labels": labels, **annotations},
        "spec": {"taints": taints},
        "status": {
            "addresses": [{"type": "Hostname", "address": vm.name}],
            "capacity": resources,
            "allocatable": resources,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {**NODE_INFO, **(dig(sibling, "status", "nodeInfo") or {})},
        },
    }
