"""All rules, area by area."""

from __future__ import annotations

from dualstack_sim.rules.forwarding import RULES as FORWARDING
from dualstack_sim.rules.instances import RULES as INSTANCES
from dualstack_sim.rules.machines import RULES as MACHINES
from dualstack_sim.rules.neighbours import RULES as NEIGHBOURS
from dualstack_sim.rules.networks import RULES as NETWORKS
from dualstack_sim.rules.peering import RULES as PEERING
from dualstack_sim.rules.registry import Rule
from dualstack_sim.rules.requests import RULES as REQUESTS
from dualstack_sim.rules.routes import RULES as ROUTES

CATALOGUE: tuple[Rule, ...] = (*REQUESTS, *NETWORKS, *ROUTES, *INSTANCES, *NEIGHBOURS, *PEERING, *MACHINES, *FORWARDING)
