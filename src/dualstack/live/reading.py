"""Reads what the preflight of a live cluster looks at: its project and its own objects. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace

from dualstack.cni import CNIS
from dualstack.gce import Resource
from dualstack.gce.gather import gather_all
from dualstack.kube import masquerading
from dualstack.kube.interface import Kube, NotFound
from dualstack.live.rights import missing_rights
from dualstack.model import kinds
from dualstack.model.errors import DualstackError
from dualstack.model.kinds import Kind
from dualstack.model.names import KUBE_SYSTEM
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.strategies.base import Strategy
from dualstack.preflight.inventory import Inventory, Source
from dualstack.preflight.reading import Preflight, gathered

CONFIG_MAPS = (
    "cluster-autoscaler-status",
    "shoot-info",
    *masquerading.shown_by(),
)
"""Those of kube-system that checks look at."""

LISTS: Mapping[Source, tuple[tuple[Kind, str | None], ...]] = {
    "nodes": ((kinds.NODE, None),),
    "services": ((kinds.SERVICE, None),),
    "deployments": ((kinds.DEPLOYMENT, None),),
    "daemon sets": ((kinds.DAEMON_SET, KUBE_SYSTEM),),
    "control plane pods": ((kinds.POD, KUBE_SYSTEM),),
    "ip pools": tuple((kind, None) for cni in CNIS for kind in cni.ip_pools),
    "network policies": ((kinds.NETWORK_POLICY, None),),
    "policies of the CNI": tuple((kind, None) for cni in CNIS for kind in cni.policies),
    "webhooks": ((kinds.VALIDATING_WEBHOOK, None), (kinds.MUTATING_WEBHOOK, None)),
    "disruption budgets": ((kinds.DISRUPTION_BUDGET, None),),
    "config connector": ((kinds.COMPUTE_SUBNETWORK, None),),
}
"""The kinds of each source, and their namespace; all of them for None."""


async def read_inventory(
    kube: Kube,
    preflight: Preflight,
    observed: CutoverFacts | DualstackError,
    strategy: Strategy,
    *,
    platform: str,
    now: float,
) -> Inventory:
    """Everything, as far as the two APIs answer; raises nothing."""
    requests: dict[Source, Awaitable[list[Resource]]] = {
        "kubernetes permissions": missing_rights(kube, decoys=bool(preflight.prober_image)),
        "config maps": _config_maps(kube),
    }
    requests |= {source: _lists(kube, wanted) for source, wanted in LISTS.items()}
    inventory, answers = await asyncio.gather(preflight.read(observed), gathered(requests))
    answers |= await gathered({"effective firewalls": preflight.effective_firewalls(inventory)})
    return replace(inventory, strategy=strategy, platform=platform, now=now, answers={**inventory.answers, **answers})


async def _lists(kube: Kube, wanted: tuple[tuple[Kind, str | None], ...]) -> list[Resource]:
    found = await gather_all(*(_list(kube, kind, namespace) for kind, namespace in wanted))
    return [item for items in found for item in items]


async def _list(kube: Kube, kind: Kind, namespace: str | None) -> list[Resource]:
    """The objects of a kind; none when the cluster does not have the kind."""
    try:
        return await kube.list(kind, namespace)
    except NotFound:
        return []


async def _config_maps(kube: Kube) -> list[Resource]:
    found = await gather_all(*(kube.get(kinds.CONFIG_MAP, name, KUBE_SYSTEM) for name in CONFIG_MAPS))
    return [each for each in found if each is not None]
