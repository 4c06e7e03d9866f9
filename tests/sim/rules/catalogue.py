"""The scenarios of all modules of this folder: each module enters its own when it is imported."""

from __future__ import annotations

from tests.sim.rules import (
    in_the_data_path,
    over_balancing,
    over_cases,
    over_instances,
    over_machines,
    over_networks,
    over_peering,
    over_requests,
)
from tests.sim.rules.scenarios import SCENARIOS

MODULES = (
    in_the_data_path,
    over_balancing,
    over_cases,
    over_instances,
    over_machines,
    over_networks,
    over_peering,
    over_requests,
)

__all__ = ["MODULES", "SCENARIOS"]
