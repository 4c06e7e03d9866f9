"""The Infrastructure controller: the cloud's resources of one Shoot, and the cut-over from routes to alias ranges.

From the outside in:

    reconcile     one reconcile under Gardener's protocol; deletion undoes what others have made
    flow          the resources in their order: desired says what they should be, difference what has to change
    migration     the cut-over as one task of the flow: preflight (neighbours, census, advertisements) looks first,
                  then the engine carries out what `dualstack.plan` yields
    observation   reads the facts that the planner needs; routes says which of them are this cluster's
    actuator      carries the planner's steps out; drill, decoys, controller_manager do their part
    record        what must survive a crash, in the Infrastructure's state; status is what it publishes
"""

from dualstack.gardener.controllers.infrastructure.reconcile import InfrastructureController

__all__ = ["InfrastructureController"]
