"""A whole migration over HTTP in a landscape whose objects have fields of other writers: each keeps them.

docs/decisions/0013-patches-of-named-fields.md
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import AsyncExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualstack.cli.rehearsal.processes import Child, operator_arguments, start_world
from dualstack.gardener.model import kinds as gardener_kinds
from dualstack.gardener.render import managed_resource
from dualstack.model import kinds
from dualstack.model.kinds import Kind, Manifest
from dualstack.operator.landscape import CONTROLLERS
from tests.sim.rehearsal.command import EXAMPLE
from tests.support.api_servers import LandscapeKube
from tests.support.changed_paths import changed_paths, may_change

NS = "shoot--foo--bar"
FOREIGN = {"vendor.example/kept": "yes", "vendor.example/large": "x" * 100_000}
FINALIZER, OWNER = "vendor.example/cleanup", "vendor-owner"
DIRECT = (
    gardener_kinds.OPERATING_SYSTEM_CONFIG,
    gardener_kinds.MACHINE_CLASS,
    gardener_kinds.MACHINE_DEPLOYMENT,
    gardener_kinds.INFRASTRUCTURE,
    gardener_kinds.CONTROL_PLANE,
    gardener_kinds.NETWORK,
    gardener_kinds.WORKER,
    gardener_kinds.MANAGED_RESOURCE,
)
EXPECTED = {
    "MachineDeployment": {"spec.template.metadata.annotations.rollout-workers"},
    "Infrastructure": {"metadata.annotations.cut-over.dualstack.dev/range-proven"},
    "ControlPlane": {"spec.infrastructureProviderStatus"},
    "Worker": {"spec.infrastructureProviderStatus"},
    "Network": {"spec.ipFamilies"},
    "ManagedResource": set[str](),
    "DaemonSet": {"metadata.annotations.dualstack.dev/before-migration"},
    "Shoot": {"spec.networking.ipFamilies", "spec.kubernetes.kubeControllerManager.nodeCIDRMaskSizeIPv6"},
}
"""What Gardener's own contract changes besides `MAY_CHANGE`; a path stands for everything below it."""


def _in_workload(item: Manifest) -> None:
    pod = item["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for number, name in ((0, "vendor-first"), (9, "vendor-sidecar")):
        foreign = {"name": name, "image": "vendor/sidecar:1", "args": ["--cluster-cidr=none"]}
        pod["containers"].insert(number, foreign)
    pod["initContainers"] = [{"name": "vendor-init", "image": "vendor/init:1", "env": [{"name": "IP6", "value": "x"}]}]
    pod["volumes"] = [{"name": "vendor", "emptyDir": {}}]
    container["image"] = f"vendor/{container['image']}"
    container["env"] = [{"name": "VENDOR", "value": "1"}, {"name": "IP6", "value": "none"}, *container.get("env", [])]
    if "command" in container:
        container["command"] = [*container["command"], "--vendor-flag=kept"]


def _in_config_map(item: Manifest) -> None:
    item["data"]["vendor"] = "kept"
    if item["metadata"]["name"] == "kube-proxy-config":
        text = item["data"]["config.yaml"].replace("mode: iptables", "mode: nftables")
        item["data"]["config.yaml"] = f"{text}# by the vendor\r\noomScoreAdj: -998 # kept\r\n"


def _in_class(item: Manifest) -> None:
    spec = item["providerSpec"]
    spec["disks"].append({"autoDelete": True, "boot": False, "sizeGb": 200, "type": "pd-ssd"})
    spec["disks"][0]["sizeGb"] = 1024
    spec["labels"]["vendor"] = "kept"
    spec["metadata"].append({"key": "vendor", "value": "kept"})
    spec["serviceAccounts"] = [{"email": "nodes@proj-1.iam.gserviceaccount.com", "scopes": ["scope"]}]
    spec["tags"].append("vendor")
    spec["minCpuPlatform"] = "Intel Skylake"


def _in_system_config(item: Manifest) -> None:
    item["spec"]["files"].insert(0, {"path": "/etc/vendor", "content": {"inline": {"encoding": "", "data": "kept"}}})
    item["spec"]["units"] = [{"name": "vendor.service", "content": "kept"}]
    file = item["spec"]["files"][1]["content"]["inline"]
    file["data"] = f"# by the vendor\n{file['data']}evictionHard:\n  memory.available: 500Mi\n"


CHANGES: dict[str, Callable[[Manifest], None]] = {
    "Deployment": _in_workload,
    "DaemonSet": _in_workload,
    "ConfigMap": _in_config_map,
    "MachineClass": _in_class,
    "OperatingSystemConfig": _in_system_config,
    "Worker": lambda item: item["spec"]["pools"][0].update(vendor="kept", userDataSecretRef={"name": "a", "key": "b"}),
    "Network": lambda item: item["spec"].update(vendor={"kept": [1, 2]}),
}


def _with_foreign_fields(item: Manifest) -> Manifest:
    result = deepcopy(item)
    result["metadata"]["annotations"] = {**result["metadata"].get("annotations", {}), **FOREIGN}
    result["metadata"]["labels"] = {**result["metadata"].get("labels", {}), "vendor.example/kept": "yes"}
    change = CHANGES.get(item["kind"])
    if change is not None:
        change(result)
    return result


def _contents(secret: Manifest) -> list[Manifest]:
    return [yaml.safe_load(base64.b64decode(value)) for value in secret["data"].values()]


def _comparable(item: Manifest) -> Manifest:
    """Without the status and what the API server or Gardener's requests write into the metadata."""
    metadata = item["metadata"]
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if "gardener.cloud/" not in key
    }
    kept = {"name": metadata["name"], "labels": metadata.get("labels"), "annotations": annotations}
    kept["finalizers"] = [each for each in metadata.get("finalizers") or () if each == FINALIZER]
    kept["owners"] = [each["name"] for each in metadata.get("ownerReferences") or () if each["name"] == OWNER]
    return {**{key: value for key, value in item.items() if key not in ("status", "metadata")}, "metadata": kept}


class Landscape:
    """The objects of the landscape, over HTTP."""

    def __init__(self, kube: LandscapeKube) -> None:
        self.kube = kube
        self.owner: Manifest = {}

    async def inject(self) -> None:
        owner = {"name": OWNER, "namespace": NS}
        self.owner = await self.kube.create(
            kinds.CONFIG_MAP, {"metadata": owner, "apiVersion": "v1", "kind": "ConfigMap"}
        )
        for kind in DIRECT:
            for item in await self.kube.list(kind, NS):
                await self._write(kind, _with_foreign_fields(item))
        for name in ("kube-apiserver", "kube-controller-manager"):
            found = await self.kube.get(kinds.DEPLOYMENT, name, NS)
            assert found is not None
            await self._write(kinds.DEPLOYMENT, _with_foreign_fields(found))
        for secret in await self._secrets():
            name = secret["metadata"]["name"]
            objects = [_with_foreign_fields(item) for item in _contents(secret)]
            data = managed_resource.secret(name, NS, objects)["data"]
            await self.kube.patch(kinds.SECRET, name, {"data": data}, NS)

    async def objects(self) -> dict[tuple[str, str], Manifest]:
        """Every object by kind and name; those of ManagedResources as they are in its Secret and in the cluster."""
        found = [item for kind in DIRECT for item in await self.kube.list(kind, NS)]
        found += [item for item in await self.kube.list(kinds.DEPLOYMENT, NS) if "kube-" in item["metadata"]["name"]]
        for secret in await self._secrets():
            found += _contents(secret)
        shoot = await self.kube.get(gardener_kinds.SHOOT, "bar", "garden-foo")
        assert shoot is not None
        return {(item["kind"], item["metadata"]["name"]): _comparable(item) for item in (*found, shoot)}

    async def _secrets(self) -> list[Manifest]:
        managed = await self.kube.list(gardener_kinds.MANAGED_RESOURCE, NS)
        names = [entry["name"] for item in managed for entry in item["spec"]["secretRefs"]]
        return [found for name in names if (found := await self.kube.get(kinds.SECRET, name, NS)) is not None]

    async def _write(self, kind: Kind, item: Manifest) -> None:
        body = {key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind")}
        body["metadata"] = {key: item["metadata"][key] for key in ("annotations", "labels")}
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": self.owner["metadata"]["uid"]}
        body["metadata"]["ownerReferences"] = [*item["metadata"].get("ownerReferences", ()), reference]
        body["metadata"]["finalizers"] = [*item["metadata"].get("finalizers", ()), FINALIZER]
        await self.kube.patch(kind, item["metadata"]["name"], body, NS)

    async def migrate(self, *families: str, within: float) -> None:
        """Set the families, and wait until the Shoot is at rest without constraints."""
        spec: Manifest = {"networking": {"ipFamilies": list(families)}}
        if len(families) == 1:
            spec["kubernetes"] = {"kubeControllerManager": {"nodeCIDRMaskSizeIPv6": None}}
        changed = await self.kube.patch(gardener_kinds.SHOOT, "bar", {"spec": spec}, "garden-foo")
        generation = changed["metadata"]["generation"]
        for _ in range(int(within / 0.5)):
            if await self._at_rest(generation):
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"not at rest after {within:.0f} s")

    async def _at_rest(self, generation: int) -> bool:
        shoot = await self.kube.get(gardener_kinds.SHOOT, "bar", "garden-foo")
        assert shoot is not None
        status = shoot["status"]
        assert status["lastOperation"]["state"] != "Failed", status["lastErrors"]
        constraints = [entry["type"] for entry in status.get("constraints") or () if "Migration" in entry["type"]]
        succeeded = status["lastOperation"]["state"] == "Succeeded" and status["observedGeneration"] >= generation
        return succeeded and not constraints


def _unexpected(before: dict[tuple[str, str], Manifest], after: dict[tuple[str, str], Manifest]) -> dict[str, Any]:
    """The paths that changed although nothing allows it, by object; objects that are missing."""
    result: dict[str, Any] = {}
    for (kind, name), item in before.items():
        if (kind, name) not in after:
            result[f"{kind} {name}"] = "is gone"
            continue
        allowed = may_change(kind, name) | EXPECTED.get(kind, set())
        changed = {
            path
            for path in changed_paths(item, after[kind, name])
            if not any(path == each or path.startswith(f"{each}.") for each in allowed)
        }
        if changed:
            result[f"{kind} {name}"] = changed
    return result


@pytest.mark.slow
async def test_p05_foreign_fields_survive_a_migration_and_the_way_back_over_http(tmp_path: Path) -> None:
    options = [str(EXAMPLE), "--nodes=3", "--speed=200", "--knob=ipv6-mask=may-leave"]
    world, address = await start_world(options, tmp_path / "world.log", nodes=3)
    stack = AsyncExitStack()
    files = ("garden", address.garden_kubeconfig), ("seed", address.seed_kubeconfig), ("shoot", address.kubeconfig)
    kube = LandscapeKube.open({f"{name}Kubeconfig": str(file) for name, file in files}, stack)
    operator: Child | None = None
    try:
        landscape = Landscape(kube)
        await landscape.inject()
        before = await landscape.objects()
        assert sum(FOREIGN.keys() <= (item["metadata"]["annotations"] or {}).keys() for item in before.values()) >= 18
        assert sum(item["metadata"]["finalizers"] == [FINALIZER] for item in before.values()) >= 8
        arguments = operator_arguments(address, "standalone", "overlap", "auto", CONTROLLERS)
        operator = await Child.start("operator", arguments, tmp_path / "operator.log")
        drained = asyncio.create_task(_drain(operator))

        await landscape.migrate("IPv4", "IPv6", within=240)
        assert _unexpected(before, await landscape.objects()) == {}
        live = await kube.get(kinds.CONFIG_MAP, "kube-proxy-config", "kube-system")
        assert live is not None
        assert yaml.safe_load(live["data"]["config.yaml"])["mode"] == "nftables"

        await landscape.migrate("IPv4", within=240)
        after = await landscape.objects()
        assert _unexpected(before, after) == {}
        for key in (("DaemonSet", "calico-node"), ("ConfigMap", "calico-config"), ("DaemonSet", "kube-proxy")):
            assert after[key] == before[key]
        drained.cancel()
    finally:
        if operator is not None:
            await operator.stop()
        await stack.aclose()
        await world.stop()


async def _drain(operator: Child) -> None:
    async for _ in operator.lines():
        pass
