"""What the garden and the seed of a shoot add to what its own API shows, as far as the user has access to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualstack.cli.live.options import Target
from dualstack.cli.live.seed import read_seed
from dualstack.cli.live.shoot import obstacles_of, read_shoot
from dualstack.gce import Resource
from dualstack.live.identify import Identity
from dualstack.model.errors import InvalidInput
from dualstack.preflight.inventory import Source


@dataclass(frozen=True, slots=True)
class Landscape:
    """What the garden and the seed of a shoot show. guest_agent: as that of `Inventory`. answers: sources of the
    preflight."""

    guest_agent: str = ""
    answers: Mapping[Source, list[Resource]] = field(default_factory=dict)


async def read_landscape(target: Target, identity: Identity) -> tuple[Identity, Landscape]:
    """The cluster with what garden and seed add, as far as the options name them. InvalidInput for another cluster than
    a shoot."""
    options = {
        "--garden-kubeconfig": target.garden_kubeconfig,
        "--shoot": target.shoot,
        "--seed-kubeconfig": target.seed_kubeconfig,
    }
    given = [name for name, value in options.items() if value]
    if not given:
        return identity, Landscape()
    if identity.platform != "gardener":
        raise InvalidInput(f"{given[0]}: this is no Gardener shoot but {identity.platform} ({identity.evidence})")
    seed = await read_seed(target.seed_kubeconfig, identity) if target.seed_kubeconfig else None
    shoot = await read_shoot(target.garden_kubeconfig, target.shoot, identity) or (seed.shoot if seed else None)
    answers: dict[Source, list[Resource]] = {"seed objects": list(seed.obstacles)} if seed else {}
    if shoot is not None:
        answers["shoot"] = obstacles_of(shoot, identity)
    return seed.known(identity) if seed else identity, Landscape(seed.guest_agent if seed else "", answers)
