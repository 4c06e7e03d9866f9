"""All steps of the cut-over. Each states its precondition and its effect on the facts.

`routes`: static routes, the saved list, cloud-controller-manager

    StopController        stop cloud-controller-manager           RestoreController     restore it
    SaveRoutes            record the routes to be deleted         ClearSavedRoutes      remove them from the list
    DeleteRoutes          delete static routes                    RestoreRoutes         create them again
    RollbackDrill         try whether a route can be created      RemoveDrillRoutes     clean up after a drill

`subnet`: the nodes subnet

    SetOverlapFlag        ranges may overlap with static routes   ClearOverlapFlag      normal routing again
    AddRangeCanary        add one node's block as a range         RemoveRangeCanary     remove it
    AddSecondaryRange     add the pod CIDR as a range             RemoveSecondaryRange  remove it
    SetStackType          make the subnet dual-stack

`aliases`: VMs

    AddAliases            add the pod CIDR as an alias range      RemoveAliases         remove it

`base`: Barrier and Gate change nothing: a barrier waits until every host has applied a change, a gate checks.
The steps of the decoy check are in `decoys`.
"""

from __future__ import annotations

from dualstack.plan.steps.aliases import AddAliases, RemoveAliases, alias_obstacles
from dualstack.plan.steps.base import Barrier, Gate, Transition
from dualstack.plan.steps.routes import (
    ClearSavedRoutes,
    DeleteRoutes,
    RemoveDrillRoutes,
    RestoreController,
    RestoreRoutes,
    RollbackDrill,
    SaveRoutes,
    StopController,
)
from dualstack.plan.steps.subnet import (
    AddRangeCanary,
    AddSecondaryRange,
    ClearOverlapFlag,
    RemoveRangeCanary,
    RemoveSecondaryRange,
    SetOverlapFlag,
    SetStackType,
)

__all__ = [
    "AddAliases",
    "AddRangeCanary",
    "AddSecondaryRange",
    "Barrier",
    "ClearOverlapFlag",
    "ClearSavedRoutes",
    "DeleteRoutes",
    "Gate",
    "RemoveAliases",
    "RemoveDrillRoutes",
    "RemoveRangeCanary",
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
]
