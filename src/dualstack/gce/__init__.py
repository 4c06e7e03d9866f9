"""Compute Engine over REST: client, credentials, operations, typed errors."""

from dualstack.gce.access import ComputeClients
from dualstack.gce.client import ComputeClient
from dualstack.gce.operations import Resource

__all__ = ["ComputeClient", "ComputeClients", "Resource"]
