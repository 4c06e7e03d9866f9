"""Reads what the preflight of a live cluster looks at: its project and its own objects. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from dualstack.gce import Resource
from dualstack.kube.interface import Kube
from dualstack.live.rights import missing_rights
from dualstack.model.errors import DualstackError
from dualstack.plan.facts import CutoverFacts
from dualstack.plan.strategies.base import Strategy
from dualstack.preflight.inventory import Inventory, Source
from dualstack.preflight.reading import Preflight, gathered


async def read_inventory(
    kube: Kube, preflight: Preflight, observed: CutoverFacts | DualstackError, strategy: Strategy
) -> Inventory:
    """Everything, as far as the two APIs answer; raises nothing."""
    requests: dict[Source, Awaitable[list[Resource]]] = {"kubernetes permissions": missing_rights(kube)}
    inventory, answers = await asyncio.gather(preflight.read(observed), gathered(requests))
    return replace(inventory, strategy=strategy, answers={**inventory.answers, **answers})
