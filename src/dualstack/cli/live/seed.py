"""`--seed-kubeconfig`: what only the seed of a shoot shows of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dualstack.gardener.model.guest_agent import evidence
from dualstack.gardener.model.kinds import OPERATING_SYSTEM_CONFIG, WORKER
from dualstack.gardener.model.pools import resolve
from dualstack.gce.gather import gather_all
from dualstack.kube.client import LightkubeKube
from dualstack.kube.connection import find_connection
from dualstack.kube.interface import Kube, NotFound
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput, KubeError
from dualstack.model.kinds import Manifest


@dataclass(frozen=True, slots=True)
class SeedFacts:
    """guest_agent: what shows that no guest agent handles alias ranges, empty when nothing does. surges: the nodes that
    each pool may have in addition while it is replaced."""

    guest_agent: str
    surges: Mapping[str, int]

    def known(self, identity: Identity) -> Identity:
        """The shoot with the surge of its pools."""
        cluster = identity.cluster
        pools = (replace(pool, surge=self.surges.get(pool.name, pool.surge)) for pool in cluster.pools)
        return replace(identity, cluster=replace(cluster, pools=tuple(pools)))


async def read_seed(kubeconfig: Path, identity: Identity) -> SeedFacts:
    """The facts of the identified shoot. InvalidInput for another cluster, or for a seed that does not have it;
    KubeError when the seed cannot be read."""
    if identity.platform != "gardener":
        raise InvalidInput(f"--seed-kubeconfig: this is no Gardener shoot but {identity.platform}; omit the option")
    kube = LightkubeKube.connect(find_connection(kubeconfig))
    try:
        return await facts_of(kube, identity.cluster.name)
    except NotFound as error:
        raise InvalidInput("--seed-kubeconfig: its API server has no Workers, so it is no seed") from error
    except KubeError as error:
        error.args = (f"--seed-kubeconfig: {error}",)
        raise
    finally:
        await kube.close()


async def facts_of(kube: Kube, technical_id: str) -> SeedFacts:
    """From the Worker and the OperatingSystemConfigs in the shoot's namespace."""
    workers, configs = await gather_all(
        kube.list(WORKER, technical_id), kube.list(OPERATING_SYSTEM_CONFIG, technical_id)
    )
    if not workers:
        raise InvalidInput(
            f"--seed-kubeconfig: namespace {technical_id} has no Worker; check that it is the shoot's seed"
        )
    return SeedFacts(evidence(configs), dict(map(_surge, (pool for each in workers for pool in each["spec"]["pools"]))))


def _surge(pool: Manifest) -> tuple[str, int]:
    return pool["name"], resolve(pool.get("maxSurge", 1), pool["minimum"], round_up=True)
