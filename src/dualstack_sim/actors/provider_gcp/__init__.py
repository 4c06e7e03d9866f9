"""gardener-extension-provider-gcp's Infrastructure controller, request by request and at its pace, faults included
(docs/reference/gardener.md#infrastructure-flow).

    controller.py     one reconcile, under the protocol of extension objects
    flow.py           one run: the clients, the bodies, the whiteboard
    reconcile.py      the tasks that create and update, in their graph
    migration.py      the tasks that move routes to alias ranges
    deletion.py       the tasks that delete
    requests.py       Compute requests, each with the polls of its operation
    bodies.py         the bodies of the requests
    whiteboard.py     what the tasks share, and the status that they produce

The recordings of the real program hold it to that (tests/contract/test_provider_gcp.py).
"""

from __future__ import annotations

from dualstack_sim.actors.provider_gcp.controller import ProviderGcp

__all__ = ["ProviderGcp"]
