"""`--seed-kubeconfig`: what only the seed of a shoot shows of its nodes and of what Gardener does next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dualstack.gardener.model.guest_agent import evidence
from dualstack.gardener.model.infrastructure import InfrastructureStatus
from dualstack.gardener.model.kinds import (
    CLUSTER,
    CONTROL_PLANE,
    INFRASTRUCTURE,
    MACHINE_CLASS,
    MACHINE_DEPLOYMENT,
    NETWORK,
    OPERATING_SYSTEM_CONFIG,
    WORKER,
)
from dualstack.gardener.model.pools import resolve
from dualstack.gardener.render.machine_class import class_of
from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube, NotFound
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.json_path import dig
from dualstack.model.kinds import DEPLOYMENT, Kind, Manifest

EXTENSIONS = (INFRASTRUCTURE, CONTROL_PLANE, NETWORK, WORKER)
"""The objects that Gardener reconciles for a migration."""
CONTROLLERS = ("cloud-controller-manager", "kube-controller-manager", "machine-controller-manager")
"""The Deployments without which no node is replaced."""


@dataclass(frozen=True, slots=True)
class SeedFacts:
    """guest_agent: what shows that no guest agent handles alias ranges, empty when nothing does. surges: the nodes that
    each pool may have in addition while it is replaced. obstacles: `{"object", "evidence"}`. shoot: the Shoot as
    gardenlet last saw it, None when the seed does not show it."""

    guest_agent: str
    surges: Mapping[str, int]
    obstacles: Sequence[Resource]
    shoot: Manifest | None

    def known(self, identity: Identity) -> Identity:
        """The shoot with the surge of its pools."""
        cluster = identity.cluster
        pools = (replace(pool, surge=self.surges.get(pool.name, pool.surge)) for pool in cluster.pools)
        return replace(identity, cluster=replace(cluster, pools=tuple(pools)))


async def read_seed(kubeconfig: Path, identity: Identity) -> SeedFacts:
    """The facts of the identified shoot. InvalidInput for a seed that does not have it; KubeError when the seed cannot
    be read."""
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        return await facts_of(kube, identity)
    except NotFound as error:
        raise InvalidInput("--seed-kubeconfig: its API server has no Workers, so it is no seed") from error
    except KubeError as error:
        error.args = (f"--seed-kubeconfig: {error}",)
        raise
    finally:
        await kube.close()


async def facts_of(kube: Kube, identity: Identity) -> SeedFacts:
    """From the shoot's namespace and its Cluster."""
    namespace = identity.cluster.name
    kinds = (*EXTENSIONS, OPERATING_SYSTEM_CONFIG, MACHINE_DEPLOYMENT, MACHINE_CLASS, DEPLOYMENT)
    lists = await gather_all(*(kube.list(kind, namespace) for kind in kinds))
    cluster = await kube.get(CLUSTER, namespace)
    found: dict[Kind, list[Manifest]] = dict(zip(kinds, lists, strict=True))
    if not found[WORKER]:
        raise InvalidInput(f"--seed-kubeconfig: namespace {namespace} has no Worker; check that it is the shoot's seed")
    obstacles = (
        *(each for kind in EXTENSIONS for item in found[kind] for each in _extension_obstacles(item)),
        *(each for item in found[INFRASTRUCTURE] for each in _other_subnet(item, identity)),
        *_machine_obstacles(found[MACHINE_DEPLOYMENT], found[MACHINE_CLASS]),
        *(each for item in found[DEPLOYMENT] for each in _stopped(item)),
    )
    pools = (pool for worker in found[WORKER] for pool in worker["spec"]["pools"])
    return SeedFacts(
        evidence(found[OPERATING_SYSTEM_CONFIG]),
        dict(map(_surge, pools)),
        obstacles,
        dig(cluster or {}, "spec", "shoot"),
    )


def _surge(pool: Manifest) -> tuple[str, int]:
    return pool["name"], resolve(pool.get("maxSurge", 1), pool["minimum"], round_up=True)


def _obstacle(found: Manifest, evidence_of_it: str) -> Resource:
    return {"object": f"{found['kind']} {found['metadata']['name']}", "evidence": evidence_of_it}


def _extension_obstacles(found: Manifest) -> Iterator[Resource]:
    """An object that is being deleted, or whose last operation did not succeed."""
    if found["metadata"].get("deletionTimestamp"):
        yield _obstacle(found, "it is being deleted")
    last = dig(found, "status", "lastOperation") or {}
    if last.get("state") in ("Error", "Failed", "Aborted"):
        words = dig(found, "status", "lastError", "description") or last.get("description") or "without a description"
        yield _obstacle(found, f"operation {last.get('type')} is {last['state']}: {' '.join(str(words).split())}")


def _other_subnet(infrastructure: Manifest, identity: Identity) -> Iterator[Resource]:
    status = InfrastructureStatus.from_raw(dig(infrastructure, "status", "providerStatus"))
    name, own = status.subnet("nodes"), identity.cluster.nodes_subnet
    if name is not None and name != own:
        yield _obstacle(infrastructure, f"its nodes subnet is {name}, but the VMs are in {own}")


def _machine_obstacles(deployments: Sequence[Manifest], classes: Sequence[Manifest]) -> Iterator[Resource]:
    """Machines that are not replaced, or cannot be created."""
    known = {each["metadata"]["name"] for each in classes}
    for each in deployments:
        if dig(each, "spec", "paused"):
            yield _obstacle(each, "spec.paused is true, so its machines are not replaced")
        if (name := class_of(each)) not in known:
            yield _obstacle(each, f"its MachineClass {name} does not exist, so no machine can be created")
        for machine in dig(each, "status", "failedMachines") or ():
            words = dig(machine, "lastOperation", "description") or "without a description"
            yield _obstacle(each, f"machine {machine.get('name')} has failed: {words}")


def _stopped(deployment: Manifest) -> Iterator[Resource]:
    if deployment["metadata"]["name"] in CONTROLLERS and not dig(deployment, "status", "availableReplicas"):
        wanted = dig(deployment, "spec", "replicas")
        yield _obstacle(deployment, f"none of its {1 if wanted is None else wanted} pods is available")
