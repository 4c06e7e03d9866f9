"""The steps of the cut-over, all in one place. Each says what it needs, what it does to the facts, what takes it back.

`route_steps`: the static routes, and who would re-create them

    StopController        cloud-controller-manager to zero        RestoreController     it comes back as it was
    SaveRoutes            what is going to be deleted             ClearSavedRoutes      the list is done with
    DeleteRoutes          static routes go                        RestoreRoutes         they are created again
                                                                  RemoveDrillRoutes     what a drill left behind goes
`subnet_steps`: the nodes subnet

    SetOverlapFlag        ranges may lie over static routes       ClearOverlapFlag      an ordinary subnet again
    AddSecondaryRange     the pod CIDR becomes a range of it      RemoveSecondaryRange  it is none any more
    SetStackType          dual-stack, where an order wants it in between; it stays

`alias_steps`: the VMs

    AddAliases            VMs take their pod CIDR as an alias     RemoveAliases         they give it up

`transition`: Barrier and Gate change nothing; wait until every host must have seen what was issued, and check before
going on. The steps of the decoy check are in `decoy_steps`.
"""

from __future__ import annotations

from dualstack.plan.alias_steps import AddAliases, RemoveAliases, alias_obstacles
from dualstack.plan.route_steps import (
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveDrillRoutes,
    RestoreController,
    RestoreRoutes,
    RollbackDrill,
    SaveRoutes,
    StopController,
    rollback_drill,
)
from dualstack.plan.subnet_steps import (
    AddSecondaryRange,
    ClearOverlapFlag,
    RemoveSecondaryRange,
    SetOverlapFlag,
    SetStackType,
)
from dualstack.plan.transition import Barrier, Gate, Transition

__all__ = [
    "AddAliases",
    "AddSecondaryRange",
    "Barrier",
    "ClearOverlapFlag",
    "ClearSavedRoutes",
    "DeleteRoutes",
    "Gate",
    "RemoveAliases",
    "RemoveDrillRoutes",
    "RemoveSecondaryRange",
    "RestoreController",
    "RestoreRoutes",
    "RollbackDrill",
    "SaveRoutes",
    "SetOverlapFlag",
    "SetStackType",
    "StopController",
    "Transition",
    "alias_obstacles",
    "rollback_drill",
]
