"""The VPC's data path: who can reach whom, as each host believes at each instant, and who was in the dark for how long.

`Fabric` takes commits of the simulated Compute API and answers questions; the other modules hold one idea each.
"""

from dualstack_sim.fabric.blackout import BrokenPair, FamilyReport, TrafficReport
from dualstack_sim.fabric.fabric import Fabric
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile

__all__ = ["BrokenPair", "Fabric", "FabricKnobs", "FamilyReport", "LagProfile", "TrafficReport", "Verdict"]
