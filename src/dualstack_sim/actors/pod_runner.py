"""How kubelets run pods: start them with addresses from the node's CNI, report their status, and stop them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dualstack.clock import rfc3339
from dualstack.model.kinds import CONFIG_MAP, NODE, POD, Manifest
from dualstack_sim.actors import pod_status
from dualstack_sim.actors.cni import CNIS
from dualstack_sim.actors.cni.host_local import CniFailure, Network, cidrs_of, primary_first
from dualstack_sim.actors.cni.model import Cni, CniConfiguration
from dualstack_sim.actors.context import ActorContext
from dualstack_sim.actors.hosts import Host
from dualstack_sim.actors.informer import ObjectKey, key_of
from dualstack_sim.actors.pods import BY_NODE, by_node, controller_of, is_ready, is_terminating
from dualstack_sim.actors.recorder import Recorder
from dualstack_sim.actors.refusals import Conflict, NotFound

_START_SECONDS = 4.0
"""Median time from binding to running."""
_STOP_SECONDS = 2.0
"""Median time from SIGTERM to the end of a container."""
_SLOW_TO_STOP = frozenset({"cloud-controller-manager"})
"""Containers that use their whole grace period (docs/reference/weaknesses.md#w8)."""
_RETRY_SANDBOX_SECONDS = 15.0


@dataclass(slots=True)
class Run:
    """The progress of a pod on its node; times in simulated seconds since the epoch."""

    uid: str
    host: str
    start_at: float | None = None
    stop_at: float | None = None
    refused: str = ""


class PodRunner:
    """Runs the pods of all hosts. Calls `cni_started(host)` when a CNI agent has written its configuration."""

    def __init__(
        self,
        context: ActorContext,
        recorder: Recorder,
        hosts: Mapping[str, Host],
        cni_started: Callable[[str], None],
    ) -> None:
        self._context = context
        self._recorder = recorder
        self._hosts = hosts
        self._cni_started = cni_started
        self._kube, _ = context.named("kubelet")
        self._pods = context.informers.of(POD)
        self._nodes = context.informers.of(NODE)
        self._config_maps = context.informers.of(CONFIG_MAP)
        self._queue = context.queue("pods")
        self._runs: dict[ObjectKey, Run] = {}

    async def run(self) -> None:
        self._pods.index(BY_NODE, by_node)
        await self._context.informers.synced(POD, NODE, CONFIG_MAP)
        self._pods.subscribe(self._pod_changed)
        await self._queue.serve(self._reconcile, workers=6)

    def revisit(self, host: Host) -> None:
        """Queue the pods that wait for a change of the host."""
        for key in host.waiting:
            self._queue.add(key)
        host.waiting.clear()

    def revisit_all(self, host: Host) -> None:
        """Queue all pods of a host that has booted."""
        host.waiting.clear()
        for pod in self._pods.indexed(BY_NODE, host.name):
            self._queue.add(key_of(pod))

    def configure_cni(self, host: Host, cnis: Iterable[Cni] | None = None) -> bool:
        """Configure the host from the ConfigMap of the first of `cnis` (default: all) that has a valid one.

        Returns False if there is none.
        """
        for cni in CNIS.values() if cnis is None else cnis:
            manifest = self._config_maps.get(cni.config_map, "kube-system")
            if manifest is None:
                continue
            try:
                host.cni = CniConfiguration.of(cni, manifest)
            except CniFailure as failure:
                self._recorder.record(manifest, "InvalidCNIConfiguration", str(failure), warning=True)
                continue
            return True
        return False

    def _pod_changed(self, _old: Manifest | None, new: Manifest | None) -> None:
        if new is None:
            self._release(_old)
        elif new["spec"].get("nodeName") in self._hosts:
            self._queue.add(key_of(new))

    def _release(self, pod: Manifest | None) -> None:
        """Free the addresses of a deleted pod."""
        if pod is None:
            return
        run = self._runs.get(key_of(pod))
        host = self._hosts.get(pod["spec"].get("nodeName", ""))
        if host is not None:
            host.local.release(pod["metadata"]["uid"])
            host.waiting.discard(key_of(pod))
        if run is not None and run.uid == pod["metadata"]["uid"]:
            del self._runs[key_of(pod)]

    async def _reconcile(self, key: ObjectKey) -> float | None:
        pod = self._pods.get(key[1], key[0])
        host = self._hosts.get(pod["spec"].get("nodeName", "")) if pod is not None else None
        if pod is None or host is None or not host.booted:
            return None
        run = self._runs.get(key)
        if run is None or run.uid != pod["metadata"]["uid"]:
            run = self._runs[key] = Run(pod["metadata"]["uid"], host.name)
        if is_terminating(pod):
            return await self._end(pod, run)
        if pod.get("status", {}).get("phase", "Pending") != "Pending":
            self._remember(pod, host)
            return None
        return await self._start(pod, host, run)

    def _remember(self, pod: Manifest, host: Host) -> None:
        """Record the addresses of a pod that ran before the kubelet started."""
        if not pod["spec"].get("hostNetwork"):
            addresses = [each["ip"] for each in pod.get("status", {}).get("podIPs") or ()]
            host.local.restore(pod["metadata"]["uid"], addresses)

    async def _start(self, pod: Manifest, host: Host, run: Run) -> float | None:
        now = self._context.clock.now()
        if run.start_at is None:
            metadata = pod["metadata"]
            run.start_at = now + self._context.chance.latency(
                _START_SECONDS, "start", metadata["namespace"], metadata["name"]
            )
            await self._report(pod, pod_status.creating(pod, host.addresses, rfc3339(now)))
        if run.start_at > now:
            return run.start_at - now
        addresses = self._addresses(pod, host, run)
        if addresses is None:
            host.waiting.add(key_of(pod))
            return _RETRY_SANDBOX_SECONDS if run.refused else None
        unready = self._start_cni(pod, host)
        await self._report(pod, pod_status.running(pod, host.addresses, addresses, rfc3339(now), unready=unready))
        if controller_of(pod)[0] != "DaemonSet":
            names = ", ".join(container["name"] for container in pod["spec"].get("containers", ()))
            self._recorder.record(pod, "Started", f"Started container {names}")
        return None

    def _addresses(self, pod: Manifest, host: Host, run: Run) -> list[str] | None:
        """The pod's addresses, primary family first; None while the CNI is not configured or has no address."""
        if pod["spec"].get("hostNetwork"):
            return self._host_addresses(host)
        ranges = self._ranges(host)
        if host.cni is None or not ranges:
            return None
        try:
            chosen = host.local.allocate(pod["metadata"]["uid"], ranges, host.cni.families, host.cni.cni.first_offset)
        except CniFailure as failure:
            self._refuse(pod, run, host.cni.cni, str(failure))
            return None
        return primary_first(chosen, ranges[0].version)

    def _refuse(self, pod: Manifest, run: Run, cni: Cni, reason: str) -> None:
        """The pod stays in ContainerCreating. One Event for each reason."""
        if run.refused == reason:
            return
        run.refused = reason
        sandbox = self._context.chance.word(64, "sandbox", run.uid, alphabet="0123456789abcdef")
        message = (
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
            f'"{sandbox}": plugin type="{cni.name}" failed (add): {reason}'
        )
        self._recorder.record(pod, "FailedCreatePodSandBox", message, warning=True)

    def _start_cni(self, pod: Manifest, host: Host) -> str | None:
        """A starting CNI agent configures its node. Returns why it does not become ready, if it does not."""
        kind, name = controller_of(pod)
        cni = CNIS.get(name)
        if kind != "DaemonSet" or cni is None:
            return None
        before, ranges = host.cni, self._ranges(host)
        if not self.configure_cni(host, [cni]) or host.cni is None:
            return f"ConfigMap {cni.config_map} holds no usable configuration"
        missing = host.cni.missing_families(ranges) if cni.agent_needs_ranges and ranges else ()
        if missing:
            host.cni = before
            return f"required IPv{missing[0]} PodCIDR not available"
        self.revisit(host)
        self._cni_started(host.name)
        return None

    def _ranges(self, host: Host) -> list[Network]:
        if host.ranges is not None:
            return list(host.ranges)
        node = self._nodes.get(host.name)
        return cidrs_of(node) if node is not None else []

    def _host_addresses(self, host: Host) -> list[str]:
        """The InternalIPs of the Node; before it is initialised, the addresses of the NIC."""
        node = self._nodes.get(host.name)
        internal = [
            each["address"]
            for each in (node or {}).get("status", {}).get("addresses") or ()
            if each.get("type") == "InternalIP"
        ]
        return internal or list(host.addresses)

    async def _end(self, pod: Manifest, run: Run) -> float | None:
        now = self._context.clock.now()
        metadata = pod["metadata"]
        if run.stop_at is None:
            run.stop_at = now + self._stop_seconds(pod)
        if run.stop_at > now:
            return run.stop_at - now
        try:
            await self._kube.delete(POD, metadata["name"], metadata["namespace"], grace_seconds=0, uid=metadata["uid"])
        except Conflict:
            return None  # another pod of the same name
        self._pods.forget(pod)
        return None

    def _stop_seconds(self, pod: Manifest) -> float:
        metadata = pod["metadata"]
        grace = float(metadata.get("deletionGracePeriodSeconds") or 0)
        if not is_ready(pod):
            return min(grace, 1.0)
        if any(container["name"] in _SLOW_TO_STOP for container in pod["spec"].get("containers", ())):
            return grace
        return min(grace, self._context.chance.latency(_STOP_SECONDS, "stop", metadata["namespace"], metadata["name"]))

    async def _report(self, pod: Manifest, status: dict[str, object]) -> None:
        metadata = pod["metadata"]
        try:
            answer = await self._kube.patch(
                POD, metadata["name"], {"status": status}, metadata["namespace"], subresource="status"
            )
        except NotFound:
            return
        self._pods.observe(answer)
