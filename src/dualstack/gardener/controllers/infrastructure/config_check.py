"""What of an InfrastructureConfig only the cloud can tell (gardener-behaviour.md 3.3, step 3)."""

from __future__ import annotations

from dualstack.gardener.controllers.infrastructure.desired import Desired
from dualstack.gce import ComputeClient, Resource
from dualstack.gce.gather import gather_all
from dualstack.gce.resources import last_segment
from dualstack.model.errors import InvalidInput


async def check_config(compute: ComputeClient, desired: Desired) -> None:
    """The user's addresses for NAT are there, and nobody else has them. InvalidInput has a line for each that fails."""
    wanted = desired.config.nat_ip_names
    found = await gather_all(
        *(compute.find(desired.regional("addresses", name), fields="name,addressType,users") for name in wanted)
    )
    faults = [
        f"networks.cloudNAT.natIPNames[{index}].name: {problem}"
        for index, (name, address) in enumerate(zip(wanted, found, strict=True))
        if (problem := _problem(name, address, desired.router)) is not None
    ]
    if faults:
        raise InvalidInput(*faults)


def _problem(name: str, address: Resource | None, router: str) -> str | None:
    if address is None or address.get("addressType", "EXTERNAL") != "EXTERNAL":
        return f'Not found: "{name}"'
    others = [user for user in address.get("users") or () if last_segment(user) != router]
    return f'Invalid value: "{name}": external IP address is already in use by {", ".join(others)}' if others else None
