"""Compute Engine over REST: client, credentials, operations, typed errors."""

from .access import ComputeClients
from .client import ComputeClient
from .operations import Resource

__all__ = ["ComputeClient", "ComputeClients", "Resource"]
