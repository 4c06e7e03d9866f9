"""The data path of VPC networks: connectivity from the view of each host at each instant, and lost connectivity.

`Fabric` receives the commits of the simulated Compute API and answers queries.
"""

from dualstack_sim.fabric.blackout import BrokenPair, FamilyReport, TrafficReport
from dualstack_sim.fabric.fabric import Fabric
from dualstack_sim.fabric.forwarding import Verdict
from dualstack_sim.fabric.profile import FabricKnobs, LagProfile

__all__ = ["BrokenPair", "Fabric", "FabricKnobs", "FamilyReport", "LagProfile", "TrafficReport", "Verdict"]
