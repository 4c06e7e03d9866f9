"""Fault injection: documents that define which Compute requests fail, and how.

    faults:
      - method: routes.delete          # discovery id without "compute.", or a glob such as "*.delete"
        target: "shoot--foo--bar-*"    # name of the resource, or a glob; default "*"
        nth: 2                         # from the second such request on (default 1) ...
        count: 3                       # ... this many times (default 1)
        operationError: {code: INTERNAL_ERROR, message: "Internal error."}
      - method: instances.updateNetworkInterface
        probability: 0.1               # instead of nth: each such request, decided by the seed
        count: 5                       # at most so many times for each resource
        latency: 30                    # simulated seconds more
      - {method: subnetworks.patch, nth: 2, cut: after}   # took effect, but the response was lost

docs/faults.md describes every kind. A document is a YAML file or the body of `POST /faults` at the control endpoint.
"""

from dualstack_sim.faults.plan import FaultPlan, FaultRule, FiredFault, refuse_impossible
from dualstack_sim.faults.reading import load_faults, parse_faults

__all__ = ["FaultPlan", "FaultRule", "FiredFault", "load_faults", "parse_faults", "refuse_impossible"]
