"""The Infrastructure controller: the cloud resources of one Shoot, and the cut-over from routes to alias ranges.

From the outside in:

    reconcile     one reconcile under Gardener's protocol; deletion deletes the resources
    flow          the resources in order; desired has their bodies, difference the changes
    migration     the cut-over as one task of the flow: preflight, strategy, direction
    preparation   the annotation `prepare` of an IPv4 Shoot, beside the reconciles
    joined_nodes  aliases of the nodes that join after the cut-over, beside the reconciles
    record        the status: what is published, and what must survive a crash
"""

from dualstack.gardener.controllers.infrastructure.reconcile import InfrastructureController

__all__ = ["InfrastructureController"]
