"""gardenlet as an actor: it reconciles one Shoot as upstream does, faults included
(docs/reference/gardener.md#flow-order).

    controller.py    when a Shoot is reconciled, and what its status says before and after
    operation.py     one reconcile: the tasks in their graph
    requests.py      extension objects: the request and the wait for the answer
    constraints.py   rules A to K and those of the DNS constraint
    shoot_status.py  the writes to the Shoot and to its copy in the seed
"""

from __future__ import annotations

from dualstack_sim.actors.gardenlet.controller import Gardenlet

__all__ = ["Gardenlet"]
