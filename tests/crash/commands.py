"""One trial of a command for live clusters, killed at one call and run again.

The cluster is a Gardener shoot for `prepare` and `--undo`. For `finish` and `migrate` it looks like one of kubeadm
whose cloud-controller-manager creates no routes any more, so that the command deletes them itself.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from dualstack.model import names
from dualstack.model.kinds import CONFIG_MAP, POD
from dualstack.model.manifests import config_map
from dualstack.model.names import KUBE_SYSTEM
from tests.crash.operators import Spawner
from tests.crash.trial import RunOptions, Verdict, judged
from tests.crash.tripwire import Point, Tripwire
from tests.sim.infrastructure.scene import NS, Scene, scene
from tests.support.loopback import kubeconfig
from tests.support.probing import probing

TIMEOUT = 24 * 3600.0
"""Simulated seconds after which a command counts as stuck."""

AGAIN = 10
"""How often a command may be run until it succeeds."""

ARGUMENTS = {
    "prepare": ["prepare", "--prober-image", "prober"],
    "undo": ["prepare", "--undo"],
    "finish": ["finish"],
    "migrate": ["migrate", "--prober-image", "prober"],
}


class Command:
    """A command in one scene, which may be killed and is run again until it succeeds. Its files are in `folder`."""

    def __init__(self, spawner: Spawner, made: Scene, folder: Path) -> None:
        self.folder, self.log = folder, folder / "command.log"
        self._spawner, self._made = spawner, made
        self._options = [
            *("--kubeconfig", str(kubeconfig(folder, made.kubernetes_url))),
            *("--compute-endpoint", made.compute_url),
            *("--clock-origin", repr(made.scaled_clock.origin)),
            *("--clock-speed", repr(made.scaled_clock.speed)),
            "--yes",
        ]
        self._pid = 0
        self._killed = False

    async def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        pid, self._pid = self._pid, 0
        self._killed = True
        await self._spawner.kill(pid)

    async def run(self, arguments: list[str]) -> str:
        """Run it, again after a kill, until it ends by itself: `ok`, or what is wrong."""
        deadline = self._made.clock.now() + TIMEOUT
        for _ in range(AGAIN):
            self._killed = False
            pid = self._pid = await self._spawner.start([*arguments, *self._options], self.log)
            while self._pid == pid and (status := await self._spawner.poll(pid)) is None:
                if self._made.clock.now() > deadline:
                    await self.kill()
                    return "stuck"
                await asyncio.sleep(0.01)
            if not self._killed:
                self._pid = 0
                return "ok" if status == 0 else f"exit status {status}"
        return "killed too often"


async def command_trial(spawner: Spawner, point: Point | None, options: RunOptions) -> Verdict:
    """Run one command; with `point` it is killed there once."""
    wire = Tripwire(point, armed=False)
    folder = Path(tempfile.mkdtemp(prefix="dualstack-crash-"))
    async with scene(speed=options.speed, dress=wire.install) as made, probing(made):
        command = Command(spawner, made, folder)
        wire.kill = command.kill
        outcome = "ok"
        if options.command in ("undo", "finish"):
            outcome = await command.run(ARGUMENTS["prepare"])
        if options.command in ("finish", "migrate"):
            _as_kubeadm(made)
        began = made.clock.now()
        if outcome == "ok":
            wire.armed = True
            outcome = await command.run(ARGUMENTS[options.command])
            wire.armed = False
        if outcome == "ok":
            outcome = await _end_of(made, options.command)
        return judged(wire, command, outcome, made.lost(), made.clock.now() - began)


def _as_kubeadm(made: Scene) -> None:
    """What a cluster of kubeadm shows once its owner has stopped the route controller."""
    made.store.delete(CONFIG_MAP, "shoot-info", KUBE_SYSTEM)
    networking = "networking: {podSubnet: 100.96.0.0/11, serviceSubnet: 100.64.0.0/13}"
    made.store.create(CONFIG_MAP, config_map("kubeadm-config", KUBE_SYSTEM, {"ClusterConfiguration": networking}))
    words = [names.CLOUD_CONTROLLER_MANAGER, f"--cluster-name={NS}", "--allocate-node-cidrs=true"]
    container = {"name": "ccm", "image": "ccm", "command": [*words, "--configure-cloud-routes=false"]}
    metadata = {"name": "cloud-controller-manager", "namespace": KUBE_SYSTEM}
    made.store.create(POD, {"metadata": metadata, "spec": {"containers": [container]}, "status": {"phase": "Running"}})


async def _end_of(made: Scene, command: str) -> str:
    """`ok` when the cluster is as it should be after the command, else what is wrong."""
    subnet, routes = await made.subnet(), await made.node_routes()
    zones = {node.zone for node in made.world.nodes}
    vms = [
        vm for zone in zones for vm in (await made.compute.answer("instances.list", f"zones/{zone}")).get("items", ())
    ]
    aliases = {
        vm["name"]: [each["ipCidrRange"] for each in vm["networkInterfaces"][0].get("aliasIpRanges", ())] for vm in vms
    }
    own = {node.name: [node.pod_cidr] for node in made.world.nodes}
    ranges = [each["ipCidrRange"] for each in subnet.get("secondaryIpRanges", ())]
    found = (bool(subnet.get("allowSubnetCidrRoutesOverlap")), ranges, len(routes), aliases)
    expected = {
        "prepare": (True, ["100.96.0.0/11"], len(own), own),
        "undo": (False, [], len(own), {name: [] for name in own}),
        "finish": (False, ["100.96.0.0/11"], 0, own),
        "migrate": (False, ["100.96.0.0/11"], 0, own),
    }[command]
    kept = made.store.get(CONFIG_MAP, "dualstack-cut-over", KUBE_SYSTEM)
    if command != "prepare" and kept is not None:
        return f"wrong end: ConfigMap dualstack-cut-over is left with {kept.get('data')}"
    if command == "migrate" and subnet.get("stackType") != "IPV4_IPV6":
        return "wrong end: the nodes subnet is not dual-stack"
    return "ok" if found == expected else f"wrong end: {found}"
