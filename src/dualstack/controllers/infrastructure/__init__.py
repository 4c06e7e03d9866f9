"""The Infrastructure controller: the cloud's resources of one Shoot, and the cut-over from routes to alias ranges."""

from dualstack.controllers.infrastructure.reconcile import InfrastructureController

__all__ = ["InfrastructureController"]
